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

const Conditions = z.object({
  serving: z.boolean().nullish(),
  terminating: z.boolean().nullish(),
});

const Endpoint = z.object({
  addresses: z.array(z.string()),
  conditions: Conditions.nullish(),
  targetRef: z.object({ name: z.string().nullish(), uid: z.string().nullish() }).nullish(),
});
export type Endpoint = z.infer<typeof Endpoint>;

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
