/** The two Kubernetes objects that the piper reads, parsed where they enter: from the API server or from a YAML file. */
import * as z from 'zod';

const Metadata = z.object({
  name: z.string(),
  namespace: z.string().default('default'),
  labels: z.record(z.string(), z.string()).default({}),
});

/** A Secret with its data decoded. `stringData` is what people write by hand in files; the API server never returns it. */
export const SecretObject = z
  .object({
    metadata: Metadata,
    data: z.record(z.string(), z.string()).nullish(),
    stringData: z.record(z.string(), z.string()).nullish(),
  })
  .transform(({ metadata, data, stringData }) => ({ ...metadata, data: { ...decoded(data ?? {}), ...stringData } }));
export type SecretObject = z.infer<typeof SecretObject>;

/** `ready` and `not-ready` are the pod's own readiness; a `terminating` pod still answers until it is gone. */
export type PodState = 'ready' | 'not-ready' | 'terminating';

/** One endpoint in four facts: there may be hundreds of thousands, so they are read as they come, and the rest is left. */
export type Endpoint = {
  /** Kubernetes puts exactly one address into an endpoint that matters. */
  readonly address: string;
  /** The pod's, where it can be one. */
  readonly name: string | undefined;
  readonly state: PodState;
};

const Conditions = z.object({
  serving: z.boolean().nullish(),
  terminating: z.boolean().nullish(),
});

const Endpoint = z
  .object({
    addresses: z.array(z.string()),
    conditions: Conditions.nullish(),
    targetRef: z.object({ name: z.string().nullish() }).nullish(),
  })
  .transform(({ addresses, conditions, targetRef }): Endpoint => ({
    address: addresses[0] ?? '',
    name: nameOf(targetRef?.name ?? ''),
    state: stateOf(conditions ?? {}),
  }));

/**
 * The Service publishes not-ready addresses, so `conditions.ready` is always true; `serving` is the pod's readiness.
 * Kubernetes asks consumers to read an absent one as true.
 */
function stateOf({ serving, terminating }: z.infer<typeof Conditions>): PodState {
  if (terminating === true) return 'terminating';
  return serving === false ? 'not-ready' : 'ready';
}

/** A tenant may write EndpointSlices, and the API server takes any text there; people read it on their terminals. */
const nameOf = (name: string): string | undefined => (/^[a-z0-9][-a-z0-9.]{0,252}$/.test(name) ? name : undefined);

/** discovery.k8s.io/v1 EndpointSlice, as far as it says where the pods of a Service are. */
export const EndpointSliceObject = z
  .object({
    metadata: Metadata,
    addressType: z.string(),
    endpoints: z.array(Endpoint).nullish(),
  })
  .transform(({ metadata, addressType, endpoints }) => ({ ...metadata, addressType, endpoints: endpoints ?? [] }));
export type EndpointSliceObject = z.infer<typeof EndpointSliceObject>;

/** The label by which Kubernetes ties an EndpointSlice to its Service. */
export const LABEL_SERVICE_NAME = 'kubernetes.io/service-name';

function decoded(data: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}
