import * as z from 'zod';

/**
 * A Pod as far as injection reads or changes it. Everything is loose: fields that we do not know, of this or a later
 * Kubernetes, pass through untouched.
 */
const strings = z.record(z.string(), z.string());
const Quantities = z.record(z.string(), z.union([z.string(), z.number()]));

export const Resources = z.looseObject({ requests: Quantities.optional(), limits: Quantities.optional() });
export type Resources = z.infer<typeof Resources>;

const Profile = z.looseObject({ type: z.string() });

/** The fields that a pod's and a container's security context share; the container's value wins. */
const SharedSecurityContext = z.looseObject({
  runAsUser: z.int().min(0).optional(),
  runAsGroup: z.int().min(0).optional(),
  runAsNonRoot: z.boolean().optional(),
  seccompProfile: Profile.optional(),
  appArmorProfile: Profile.optional(),
  seLinuxOptions: z.looseObject({}).optional(),
});

export const PodSecurityContext = SharedSecurityContext.extend({
  fsGroup: z.int().min(0).optional(),
  supplementalGroups: z.array(z.int().min(0)).optional(),
});
export const ContainerSecurityContext = SharedSecurityContext.extend({
  privileged: z.boolean().optional(),
  allowPrivilegeEscalation: z.boolean().optional(),
  readOnlyRootFilesystem: z.boolean().optional(),
  capabilities: z.looseObject({ add: z.array(z.string()).optional(), drop: z.array(z.string()).optional() }).optional(),
});
export type PodSecurityContext = z.infer<typeof PodSecurityContext>;
export type ContainerSecurityContext = z.infer<typeof ContainerSecurityContext>;

const Variable = z.looseObject({ name: z.string(), value: z.string().optional() });
export type Variable = z.infer<typeof Variable>;

const Port = z.looseObject({
  name: z.string().optional(),
  containerPort: z.int(),
  protocol: z.string().optional(),
});
export type Port = z.infer<typeof Port>;

const Mount = z.looseObject({
  name: z.string(),
  mountPath: z.string(),
  readOnly: z.boolean().optional(),
  subPath: z.string().optional(),
  subPathExpr: z.string().optional(),
});
export type Mount = z.infer<typeof Mount>;

export const Container = z.looseObject({
  name: z.string(),
  image: z.string().optional(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z.array(Variable).optional(),
  ports: z.array(Port).optional(),
  resources: Resources.optional(),
  volumeMounts: z.array(Mount).optional(),
  volumeDevices: z.array(z.looseObject({ devicePath: z.string() })).optional(),
  securityContext: ContainerSecurityContext.optional(),
});
export type Container = z.infer<typeof Container>;

export const Volume = z.looseObject({ name: z.string() });
export type Volume = z.infer<typeof Volume>;

export const Pod = z.looseObject({
  metadata: z.looseObject({
    name: z.string().optional(),
    generateName: z.string().optional(),
    labels: strings.optional(),
    annotations: strings.optional(),
  }),
  spec: z.looseObject({
    containers: z.array(Container).min(1),
    initContainers: z.array(Container).optional(),
    volumes: z.array(Volume).optional(),
    securityContext: PodSecurityContext.optional(),
    shareProcessNamespace: z.boolean().optional(),
    hostNetwork: z.boolean().optional(),
    hostPID: z.boolean().optional(),
    resources: Resources.optional(),
    nodeSelector: strings.optional(),
    os: z.looseObject({ name: z.string() }).optional(),
  }),
});
export type Pod = z.infer<typeof Pod>;

export const isTcpPort = ({ containerPort, protocol = 'TCP' }: Port, number: number): boolean =>
  containerPort === number && protocol === 'TCP';

export const declaresPort = (containers: readonly Container[], number: number): boolean =>
  containers.some(({ ports }) => ports?.some((port) => isTcpPort(port, number)) ?? false);

/** Init containers first: the order in which the kubelet starts them. */
export const allContainers = (pod: Pod): readonly Container[] => [
  ...(pod.spec.initContainers ?? []),
  ...pod.spec.containers,
];
