import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { SetupError } from '../../scripts/machine/errors.ts';

/**
 * Everything of a native cluster that this machine's other programs can see, derived from its name alone, so that two
 * clusters never meet, and a later clone finds what an earlier one left behind. What is not listed here (iptables
 * rules, pod links, CNI state, ports, mounts) lives in the node's own namespaces, is the same in every cluster, and ends
 * with its process 1.
 */
export interface ClusterNames {
  readonly name: string;
  /** The node's files. Not in the repository: socket paths are short, and a fresh clone must find it. */
  readonly folder: string;
  /** The program of the node's process 1: how a running node is found, even when its files are gone. */
  readonly initProgram: string;
  /** In every cgroup hierarchy, or in the one of cgroup v2. */
  readonly cgroup: string;
  /** This machine's end of the link to the node; its other end is `node0` in the node's network namespace. */
  readonly hostLink: string;
  readonly hostAddress: string;
  readonly nodeAddress: string;
}

export const stateRoot = '/var/lib/sshaccess';

/**
 * Node addresses come from 198.18.0.0/15, which RFC 2544 sets aside for bench tests: no home, office or cloud network
 * routes it. A /30 for each cluster makes 32768 of them.
 */
const slots = 32768;

export function clusterNames(name: string, takenAddresses: ReadonlySet<string> = new Set()): ClusterNames {
  if (!/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    throw new SetupError(
      'CLUSTER_NAME',
      `"${name}" is no cluster name: use up to 32 of a-z, 0-9 and "-", a letter first.`,
    );
  }
  const digest = createHash('sha256').update(name).digest();
  const folder = join(stateRoot, name);
  return {
    name,
    folder,
    initProgram: join(folder, 'node-init'),
    cgroup: `sshaccess-${name}`,
    // A link name has at most 15 characters. "sah-" keeps hashed names apart from a cluster that is called like one.
    hostLink: name.length <= 12 ? `sa-${name}` : `sah-${digest.toString('hex').slice(0, 11)}`,
    ...addresses(digest.readUInt16BE(0) % slots, takenAddresses),
  };
}

function addresses(wish: number, taken: ReadonlySet<string>): Pick<ClusterNames, 'hostAddress' | 'nodeAddress'> {
  for (let step = 0; step < slots; step += 1) {
    const slot = (wish + step) % slots;
    const at = (offset: number): string => {
      const value = slot * 4 + offset;
      return `198.${18 + (value >> 16)}.${(value >> 8) & 255}.${value & 255}`;
    };
    if (!taken.has(at(1))) return { hostAddress: at(1), nodeAddress: at(2) };
  }
  throw new SetupError('NO_ADDRESS', 'Every /30 of 198.18.0.0/15 is taken on this machine; stop some clusters.');
}
