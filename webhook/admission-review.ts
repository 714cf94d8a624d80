import * as z from 'zod';
import type { Operation } from 'rfc6902';
import { encode } from './patch.ts';

/** `admission.k8s.io/v1`, as far as we read it. */
export const API_VERSION = 'admission.k8s.io/v1';

const AdmissionRequest = z.looseObject({
  uid: z.string().min(1).max(256),
  kind: z.looseObject({ group: z.string().default(''), version: z.string(), kind: z.string() }),
  subResource: z.string().optional(),
  namespace: z.string().max(253).default(''),
  operation: z.string(),
  dryRun: z.boolean().optional(),
  object: z.unknown(),
});
export type AdmissionRequest = z.infer<typeof AdmissionRequest>;

export const AdmissionReview = z.looseObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('AdmissionReview'),
  request: AdmissionRequest,
});

/** Shown to whoever made the object; the API server cuts longer ones. */
const MAX_WARNING_LENGTH = 256;

export type AdmissionResponse = {
  uid: string;
  allowed: true;
  patchType?: 'JSONPatch';
  patch?: string;
  warnings?: string[];
  auditAnnotations?: Record<string, string>;
};

/*
 * There is no `denied`: this webhook refuses no pod. And an error of ours is an HTTP status, not a response with
 * `allowed: false`, which the API server would take for a refusal whatever the failurePolicy says.
 */

/** The object passes as it is. */
function allowed(uid: string, reason: string, warning?: string): AdmissionResponse {
  return {
    uid,
    allowed: true,
    auditAnnotations: { decision: reason },
    ...(warning !== undefined && { warnings: [warning.slice(0, MAX_WARNING_LENGTH)] }),
  };
}

/** The object passes, changed. An empty patch is none: the API server would still count it as a change. */
export function patched(uid: string, reason: string, patch: readonly Operation[], warning?: string): AdmissionResponse {
  if (patch.length === 0) return allowed(uid, reason, warning);
  return { ...allowed(uid, reason, warning), patchType: 'JSONPatch', patch: encode(patch) };
}

export const reviewOf = (response: AdmissionResponse) => ({
  apiVersion: API_VERSION,
  kind: 'AdmissionReview',
  response,
});
