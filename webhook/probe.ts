/** The operator tries to create a Lease (crds/names.ts) to learn whether the API server reaches us. */
import type { Operation } from 'rfc6902';
import { ANNOTATION_WEBHOOK_ANSWERS } from '../crds/index.ts';
import type { AdmissionRequest } from './admission-review.ts';

/** The selectors of our configuration let no other Lease come here. */
export const isProbe = ({ kind, operation }: Pick<AdmissionRequest, 'kind' | 'operation'>): boolean =>
  kind.group === 'coordination.k8s.io' && kind.kind === 'Lease' && operation === 'CREATE';

export const PROBE_ANSWER: readonly Operation[] = [
  { op: 'add', path: '/metadata/annotations', value: { [ANNOTATION_WEBHOOK_ANSWERS]: 'true' } },
];
