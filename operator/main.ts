/**
 * The operator: SshAccess → Secrets, Service, template label, status.
 *
 * What it needs of the API server, exactly (the chart grants this and nothing else; every program runs alone under
 * its own ServiceAccount):
 *
 * ClusterRole; with WATCH_NAMESPACES a Role in each of them, and of the Namespaces only those, by name. There no Secret of
 * another namespace can be read; Roles of the system namespace then grant the routes as well: get list watch create patch.
 * | apiGroups        | resources                             | verbs                            |
 * | ---------------- | ------------------------------------- | -------------------------------- |
 * | sshaccess.dev    | sshaccesses                           | get list watch patch             |
 * | sshaccess.dev    | sshaccesses/status                    | patch                            |
 * | sshaccess.dev    | sshaccesses/finalizers                | update (blockOwnerDeletion where OwnerReferencesPermissionEnforcement is on) |
 * | ""               | secrets                               | get list watch create patch (the watch is metadata-only; never update, never delete) |
 * | ""               | services                              | get list watch create patch      |
 * | ""               | pods                                  | list watch                       |
 * | ""               | namespaces                            | list watch                       |
 * | apps             | deployments, statefulsets, daemonsets, replicasets | get list watch patch |
 * | batch            | jobs                                  | list watch                       |
 * | batch            | cronjobs                              | get list watch patch             |
 * | events.k8s.io    | events                                | create                           |
 *
 * Role in the system namespace (POD_NAMESPACE)
 * | apiGroups           | resources      | verbs             |
 * | ------------------- | -------------- | ----------------- |
 * | ""                  | secrets        | delete (route Secrets of deleted SshAccesses) |
 * | sshaccess.dev       | sessionreports | list watch        |
 * | coordination.k8s.io | leases         | get create update (one Lease: `sshaccess-operator`; of another the creation is only tried, by which the API server asks the webhook: webhook-probe.ts) |
 *
 * `--release-all` in place of all that: what `helm uninstall` runs first, see release-all.ts. It needs in that Role as well
 * patch of the Deployment that OPERATOR_DEPLOYMENT names, list of pods (are its gone?), and delete of the Lease.
 *
 * Network: TCP to pods of runtime main_container, at port 2222 or spec.mainContainer.port; only the leader looks at them.
 *
 * Environment: POD_NAMESPACE, POD_NAME (downward API), ENDPOINT_HOST, ENDPOINT_PORT (what users type),
 * HEALTH_PORT=8080 (/livez, /readyz, /metrics), PROFILING_PORT=0, LOG_LEVEL=info, WATCH_NAMESPACES (names with commas
 * between them; empty: all).
 */
import { parseArgs } from 'node:util';
import { FIELD_MANAGERS } from '../crds/index.ts';
import { apiMetrics } from '../lib/kube/api-metrics.ts';
import { loadClient } from '../lib/kube/client.ts';
import { runWhenLeader } from '../lib/kube/leader-election.ts';
import { serveHealth } from '../lib/process/health.ts';
import { createLogger, type Logger } from '../lib/process/logger.ts';
import { runProgram } from '../lib/process/run.ts';
import { loadConfig } from './config.ts';
import { OperatorMetrics } from './metrics.ts';
import { createOperator } from './operator.ts';
import { releaseAll } from './release-all.ts';

async function main(log: Logger, signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({ options: { 'release-all': { type: 'boolean', default: false } } });
  const config = loadConfig(process.env);
  const metrics = new OperatorMetrics();
  const client = loadClient(FIELD_MANAGERS.operator, apiMetrics(metrics.registry));
  if (values['release-all']) return await releaseAll({ client, config, log }, signal);
  const operator = createOperator({ client, config, log, metrics });
  const ready = () => (operator.isSynced() ? undefined : 'the cluster has not been read yet');
  await serveHealth(config.ports, { ready, metrics }, signal);
  // Replicas that do not lead follow the cluster as well, so that they can take over at once.
  await operator.follow(signal);
  log.info('the cluster has been read');
  const lease = { namespace: config.systemNamespace, name: FIELD_MANAGERS.operator };
  await runWhenLeader({ client, lease, identity: config.identity, log }, operator.lead, signal);
}

const log = createLogger('operator');
runProgram(log, (signal) => main(log, signal));
