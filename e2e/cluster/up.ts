/** `npm run up`: a cluster with sshaccess and the demo on it, left running. Twice is harmless, and fast. */
import { relative } from 'node:path';
import { messageOf } from '../../scripts/machine/errors.ts';
import { step } from '../../scripts/machine/progress.ts';
import {
  deployDemo,
  firstLogin,
  forgetHostKeys,
  sshArguments,
  writeEnvironment,
  type Demo,
  type Login,
} from './demo.ts';
import { demoCluster } from './places.ts';
import { provideCluster } from './provide.ts';

async function up(): Promise<void> {
  const begin = performance.now();
  let start = 'warm';
  const onStart = async (): Promise<void> => {
    start = 'cold';
    await forgetHostKeys();
  };
  const cluster = await provideCluster(demoCluster, { onStart });
  await writeEnvironment(cluster);
  const demo = await deployDemo(cluster);
  const environment = await writeEnvironment(cluster, demo);
  const login = await step('first login', () => firstLogin(demo.root, demo.endpoint));
  const total = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(summary(demo, relative(process.cwd(), environment)));
  console.log(`${start} start: ${total} s; first login: ${login.toFixed(2)} s`);
}

function summary({ cluster, root, limited, endpoint }: Demo, environment: string): string {
  const ssh = (login: Login, ...options: string[]): string =>
    `  ${['ssh', ...options, ...sshArguments(login, endpoint)].join(' ')}`;
  return `
The demo is up: Deployment hello in namespace acme, without any sshd in its image. Log in as root:

${ssh(root)}

as the limited user:

${ssh(limited)}

or reach the app's own HTTP server, which listens in the pod only (then: curl http://127.0.0.1:8080/):

${ssh(root, '-N', '-L', '8080:127.0.0.1:8080')}

What to try next, after \`. ${environment}; export KUBECONFIG\`:

  $KUBECTL get sshaccess -A                               who reaches what
  $KUBECTL -n acme describe sshaccess hello               usernames, fingerprints, conditions
  $KUBECTL -n acme logs deploy/hello -c sshaccess         the audit trail
  npm run load -- IMAGE.tar                               an image of yours, into the cluster
  npm run down                                            removes all of it

KUBECONFIG=${cluster.kubeconfigPath}
`;
}

try {
  await up();
} catch (error) {
  console.error(`\nnpm run up: ${messageOf(error)}`);
  process.exitCode = 1;
}
