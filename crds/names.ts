/** The words that the four programs and their users share: API names, labels, object names, ports, field managers. */

export const GROUP = 'sshaccess.dev';
export const VERSION = 'v1alpha1';
export const KIND = 'SshAccess';
export const PLURAL = 'sshaccesses';
export const SINGULAR = 'sshaccess';
export const SHORT_NAME = 'sshacc';
export const API_VERSION = `${GROUP}/${VERSION}`;
/** What each replica of the piper writes of who is there: `crds/session-report.ts`. */
export const REPORT_KIND = 'SessionReport';
export const REPORT_PLURAL = 'sessionreports';

/** On a pod (through its template): `<SshAccess name>`; the webhook's objectSelector matches its presence. */
export const LABEL_ACCESS = `${GROUP}/access`;
/** On a route Secret in the system namespace: always `true`; the piper watches only these. */
export const LABEL_ROUTE = `${GROUP}/route`;
/** On the headless Service, mirrored by Kubernetes to its EndpointSlices: `<SshAccess name>`. */
export const LABEL_ENDPOINTS = `${GROUP}/endpoints`;
/** On a Namespace: the organization of its SshAccesses, where the spec names none. */
export const LABEL_ORGANIZATION = `${GROUP}/organization`;
/** On a pod: what the webhook did, as JSON of `crds/injection-record.ts`. */
export const ANNOTATION_INJECTED = `${GROUP}/injected`;
/** On a pod that has no ssh on purpose: why, as JSON of `crds/skip-record.ts`. */
export const ANNOTATION_SKIPPED = `${GROUP}/skipped`;
/**
 * On a Lease whose creation the operator only tries (dry run): the API server asks the webhook about it as it would about a
 * pod, and who answers leaves the annotation on it. So it is known whether pods that are made now are injected.
 */
export const LABEL_WEBHOOK_PROBE = `${GROUP}/webhook-probe`;
export const ANNOTATION_WEBHOOK_ANSWERS = `${GROUP}/webhook-answers`;
/** On an SshAccess: each new value has the key made anew (docs/rotation.md). */
export const ANNOTATION_ROTATE_MAPPING_KEY = `${GROUP}/rotate-mapping-key`;
export const ANNOTATION_ROTATE_HOST_KEY = `${GROUP}/rotate-host-key`;
/** On an SshAccess: whose sessions are to end, in the form of `crds/kicks.ts`. */
export const ANNOTATION_KICK = `${GROUP}/kick`;
/**
 * Kept on an SshAccess only while a route Secret exists in the system namespace, where owner references cannot reach; never
 * with watchNamespaces.
 */
export const FINALIZER = `${GROUP}/route`;

export const FIELD_MANAGERS = {
  operator: 'sshaccess-operator',
  webhook: 'sshaccess-webhook',
  piper: 'sshaccess-piper',
} as const;

/** The port of the sidecar (and of a main_container's sshd) in the pod, and of the piper's container. */
export const SSH_PORT = 2222;

/** The injected native sidecar and its volume. */
export const SIDECAR_CONTAINER = 'sshaccess';
export const SIDECAR_VOLUME = 'sshaccess';
/** Where the sidecar finds the pod's Secret. */
export const SIDECAR_SECRET_PATH = '/run/sshaccess/secret';
/** The marker that tells the target container's processes from all others, read back from `/proc/<pid>/environ`. */
export const MARKER_ENV = 'SSHACCESS_CONTAINER';

/** `<name>-sshaccess` must be a DNS label (RFC 1123), so an SshAccess name has at most 53 characters (a CEL rule says so). */
export const MAX_NAME_LENGTH = 53;

/** Name of the Secret that the sidecar mounts, in the workload's namespace. */
export const podSecretName = (name: string): string => `${name}-sshaccess`;
/** Name of the headless Service, in the workload's namespace. */
export const serviceName = (name: string): string => `${name}-sshaccess`;
/** Name of the route Secret, in the system namespace. A uid cannot be chosen by a tenant, so routes cannot collide. */
export const routeSecretName = (uid: string): string => `route-${uid}`;
