import { GROUP, KIND, MAX_NAME_LENGTH, PLURAL, SHORT_NAME, SINGULAR, VERSION } from './names.ts';
import { SshAccessSpec, SshAccessStatus } from './ssh-access.ts';
import { structuralSchema } from './structural.ts';

/** The name becomes a Service's name and, without `spec.slug`, a part of usernames: both are DNS labels (RFC 1123). */
const nameRules = [
  {
    rule: `size(self.metadata.name) <= ${MAX_NAME_LENGTH}`,
    message: `metadata.name has more than ${MAX_NAME_LENGTH} characters; choose a shorter name (set spec.slug to keep the username)`,
  },
  {
    rule: "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    message:
      'metadata.name has a character other than a-z, 0-9 and -; it becomes the name of a Service and part of the username',
  },
];

const printerColumns = [
  { name: 'User', type: 'string', jsonPath: '.status.primaryUser', description: 'Username of the primary user' },
  { name: 'Runtime', type: 'string', jsonPath: '.spec.runtime' },
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason', priority: 1 },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

/** The CustomResourceDefinition of SshAccess, as `npm run generate` writes it into the chart. */
export function customResourceDefinition(): Record<string, unknown> {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${GROUP}` },
    spec: {
      group: GROUP,
      names: { kind: KIND, listKind: `${KIND}List`, plural: PLURAL, singular: SINGULAR, shortNames: [SHORT_NAME] },
      scope: 'Namespaced',
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: printerColumns,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: 'SSH access to the pods of one workload.',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: { description: 'Who may log in, and where to.', ...structuralSchema(SshAccessSpec) },
                status: { description: 'What the operator found and did.', ...structuralSchema(SshAccessStatus) },
              },
              'x-kubernetes-validations': nameRules,
            },
          },
        },
      ],
    },
  };
}
