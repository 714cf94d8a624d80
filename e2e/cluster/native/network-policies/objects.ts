/** What a network plugin reads of NetworkPolicies, Pods and Namespaces: the rest of them does not concern packets. */
import { z } from 'zod';

const Labels = z.record(z.string(), z.string()).default({});
export type Labels = z.infer<typeof Labels>;

const Selector = z.object({
  matchLabels: Labels,
  matchExpressions: z
    .array(
      z.object({
        key: z.string(),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).default([]),
      }),
    )
    .default([]),
});
export type Selector = z.infer<typeof Selector>;

const Protocol = z.enum(['TCP', 'UDP', 'SCTP']).default('TCP');

const Peer = z.object({
  podSelector: Selector.optional(),
  namespaceSelector: Selector.optional(),
  ipBlock: z.object({ cidr: z.string(), except: z.array(z.string()).default([]) }).optional(),
});
export type Peer = z.infer<typeof Peer>;

const Port = z.object({
  protocol: Protocol,
  port: z.union([z.string(), z.int()]).optional(),
  endPort: z.int().optional(),
});
export type Port = z.infer<typeof Port>;

const Rule = z.object({
  ports: z.array(Port).default([]),
  from: z.array(Peer).default([]),
  to: z.array(Peer).default([]),
});
export type Rule = z.infer<typeof Rule>;

const PolicyType = z.enum(['Ingress', 'Egress']);
export type PolicyType = z.infer<typeof PolicyType>;

const Metadata = z.object({ name: z.string(), namespace: z.string().default(''), labels: Labels });

/** Of each direction that a policy closes, what it opens again. */
type Rules = Partial<Record<PolicyType, readonly Rule[]>>;

export const NetworkPolicy = z
  .object({
    metadata: Metadata,
    spec: z.object({
      podSelector: Selector,
      policyTypes: z.array(PolicyType).optional(),
      ingress: z.array(Rule).default([]),
      egress: z.array(Rule).default([]),
    }),
  })
  .transform(({ metadata: { namespace }, spec: { podSelector, ingress, egress, policyTypes } }) => {
    const types = policyTypes ?? (egress.length === 0 ? ['Ingress'] : ['Ingress', 'Egress']);
    const rules: Rules = {
      ...(types.includes('Ingress') ? { Ingress: ingress } : {}),
      ...(types.includes('Egress') ? { Egress: egress } : {}),
    };
    return { namespace, podSelector, rules };
  });
export type NetworkPolicy = z.infer<typeof NetworkPolicy>;

const ContainerPort = z.object({ name: z.string().optional(), containerPort: z.int(), protocol: Protocol });
const Container = z.object({ restartPolicy: z.string().optional(), ports: z.array(ContainerPort).default([]) });

/** A pod with an address of its own; undefined: it has none, not yet or no more, or is the node's (hostNetwork). */
export const Pod = z
  .object({
    metadata: Metadata,
    spec: z.object({
      hostNetwork: z.boolean().default(false),
      containers: z.array(Container).default([]),
      initContainers: z.array(Container).default([]),
    }),
    status: z.object({ podIP: z.string().optional(), phase: z.string().optional() }),
  })
  .transform(({ metadata: { namespace, labels }, spec, status: { podIP, phase } }) => {
    const hasEnded = phase === 'Succeeded' || phase === 'Failed';
    if (podIP === undefined || hasEnded || spec.hostNetwork) return undefined;
    const sidecars = spec.initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
    return {
      namespace,
      labels,
      address: podIP,
      ports: [...sidecars, ...spec.containers].flatMap(({ ports }) => ports),
    };
  });
export type Pod = NonNullable<z.infer<typeof Pod>>;

export const Namespace = z
  .object({ metadata: Metadata })
  .transform(({ metadata: { name, labels } }) => ({ name, labels }));
export type Namespace = z.infer<typeof Namespace>;
