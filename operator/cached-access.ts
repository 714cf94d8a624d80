import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import {
  ANNOTATION_KICK,
  ANNOTATION_ROTATE_HOST_KEY,
  ANNOTATION_ROTATE_MAPPING_KEY,
  SshAccess,
  SshAccessStatus,
} from '../crds/index.ts';
import type { Asked } from './key-material.ts';
import { asked } from './key-rotation.ts';

const Metadata = z.object({
  namespace: z.string(),
  name: z.string(),
  uid: z.string(),
  generation: z.int().default(0),
  resourceVersion: z.string(),
  creationTimestamp: z.string().default(''),
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
});
export type Metadata = z.infer<typeof Metadata>;

/** An SshAccess as the informer keeps it. Its metadata is always understood, so that it can always be deleted. */
export type CachedAccess = {
  readonly metadata: Metadata;
  /** Undefined: it does not parse, and `problem` says why. */
  readonly access: SshAccess | undefined;
  readonly problem: string;
  /** Which keys its annotations want. */
  readonly asked: Asked;
  /** Whose sessions it wants to end; {@link parseKicks} reads it. */
  readonly kicks: string | undefined;
  /** What is written in it now, as far as it is ours. */
  readonly status: SshAccessStatus;
};

/** Whether they ask for the same: what else differs, we have most often written ourselves. */
export const isAsAsked = (left: CachedAccess, right: CachedAccess): boolean =>
  isDeepStrictEqual(asAsked(left), asAsked(right));

const asAsked = (cached: CachedAccess): unknown => ({
  ...cached,
  metadata: { ...cached.metadata, resourceVersion: '', finalizers: [] },
  access: cached.access?.spec,
  status: {},
});

const Parts = z.object({ metadata: Metadata, spec: z.unknown(), status: z.unknown().optional() });

const Annotations = z.object({
  metadata: z.object({ annotations: z.record(z.string(), z.string()).default({}) }),
});

/** @throws ZodError where even the metadata is unreadable, which the API server rules out */
export function parseAccess(object: unknown): CachedAccess {
  const { metadata, spec, status } = Parts.parse(object);
  const { annotations } = Annotations.parse(object).metadata;
  const parsed = SshAccess.safeParse({ metadata, spec });
  // A status that does not parse (of an older version) is written anew.
  const before = SshAccessStatus.safeParse(status);
  return {
    metadata,
    access: parsed.data,
    problem: parsed.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') ?? '',
    asked: {
      hostKey: asked(annotations[ANNOTATION_ROTATE_HOST_KEY]),
      mappingKey: asked(annotations[ANNOTATION_ROTATE_MAPPING_KEY]),
    },
    kicks: annotations[ANNOTATION_KICK],
    status: before.data ?? {},
  };
}
