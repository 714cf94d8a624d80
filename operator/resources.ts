import { API_VERSION, KIND, PLURAL, REPORT_KIND, REPORT_PLURAL, type SshAccess } from '../crds/index.ts';
import {
  CRON_JOBS,
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  REPLICA_SETS,
  STATEFUL_SETS,
  type Resource,
} from '../lib/kube/resources.ts';

export const SSH_ACCESSES: Resource = { apiVersion: API_VERSION, kind: KIND, plural: PLURAL };
export const SESSION_REPORTS: Resource = { apiVersion: API_VERSION, kind: REPORT_KIND, plural: REPORT_PLURAL };

export type TargetKind = SshAccess['spec']['target']['kind'];

/** The workloads that can be a target. */
export const WORKLOADS: Readonly<Record<TargetKind, Resource>> = {
  Deployment: DEPLOYMENTS,
  StatefulSet: STATEFUL_SETS,
  DaemonSet: DAEMON_SETS,
  ReplicaSet: REPLICA_SETS,
  Job: JOBS,
  CronJob: CRON_JOBS,
};
