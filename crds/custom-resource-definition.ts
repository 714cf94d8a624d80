import {
  GROUP,
  KIND,
  MAX_NAME_LENGTH,
  PLURAL,
  REPORT_KIND,
  REPORT_PLURAL,
  SHORT_NAME,
  SINGULAR,
  VERSION,
} from './names.ts';
import { SessionReport } from './session-report.ts';
import { SshAccessStatus } from './ssh-access-status.ts';
import { SshAccessSpec } from './ssh-access.ts';
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
  {
    name: 'Sessions',
    type: 'integer',
    jsonPath: '.status.activeSessions',
    description: 'Sessions that are open now',
  },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

type Names = { kind: string; plural: string; singular: string; shortNames?: readonly string[] };

/** A namespaced kind of ours in its one version. */
const definition = (names: Names, version: Record<string, unknown>): Record<string, unknown> => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${names.plural}.${GROUP}` },
  spec: {
    group: GROUP,
    names: { listKind: `${names.kind}List`, ...names },
    scope: 'Namespaced',
    versions: [{ name: VERSION, served: true, storage: true, ...version }],
  },
});

const OBJECT = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' } };

/** The CustomResourceDefinition of SshAccess, as `npm run generate` writes it into the chart. */
export const sshAccessDefinition = (): Record<string, unknown> =>
  definition(
    { kind: KIND, plural: PLURAL, singular: SINGULAR, shortNames: [SHORT_NAME] },
    {
      additionalPrinterColumns: printerColumns,
      subresources: { status: {} },
      schema: {
        openAPIV3Schema: {
          type: 'object',
          description: 'SSH access to the pods of one workload.',
          required: ['spec'],
          properties: {
            ...OBJECT,
            spec: { description: 'Who may log in, and where to.', ...structuralSchema(SshAccessSpec) },
            status: { description: 'What the operator found and did.', ...structuralSchema(SshAccessStatus) },
          },
          'x-kubernetes-validations': nameRules,
        },
      },
    },
  );

/** The one of SessionReport: a record in a spec, like a Lease. */
export const sessionReportDefinition = (): Record<string, unknown> =>
  definition(
    { kind: REPORT_KIND, plural: REPORT_PLURAL, singular: REPORT_KIND.toLowerCase() },
    {
      additionalPrinterColumns: [{ name: 'Renewed', type: 'date', jsonPath: '.spec.renewedAt' }],
      schema: {
        openAPIV3Schema: {
          type: 'object',
          description: 'Written by the gateway for the operator; see the status of your SshAccess.',
          required: ['spec'],
          properties: {
            ...OBJECT,
            spec: { description: 'Who is there, as one replica sees it.', ...structuralSchema(SessionReport) },
          },
        },
      },
    },
  );
