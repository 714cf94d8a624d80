/** `npm run up`: a cluster with sshaccess and the demo on it, left running. Twice is harmless, and fast. */
import { relative } from 'node:path';
import { messageOf } from '../../scripts/machine/errors.ts';
import { step } from '../../scripts/machine/progress.ts';
import { deployDemo, firstLogin, forgetHostKeys, sshArguments, writeEnvironment, type Demo } from './demo.ts';
import { demoCluster } from './places.ts';
import { findCluster, provideCluster } from './provide.ts';

async function up(): Promise<void> {
  const begin = performance.now();
  const running = await findCluster(demoCluster);
  if (running === undefined) await forgetHostKeys();
  const cluster = running ?? (await provideCluster(demoCluster));
  await writeEnvironment(cluster);
  const demo = await deployDemo(cluster);
  const environment = await writeEnvironment(cluster, demo);
  const login = await step('first login', () => firstLogin(demo.root, demo.endpoint));
  const total = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(summary(demo, relative(process.cwd(), environment)));
  console.log(`${running === undefined ? 'cold' : 'warm'} start: ${total} s; first login: ${login.toFixed(2)} s`);
}

function summary(demo: Demo, environment: string): string {
  const line = (login: Demo['root']): string => `  ssh ${sshArguments(login, demo.endpoint).join(' ')}`;
  return `
The demo is up. Log in as root:
${line(demo.root)}
or as the limited user:
${line(demo.limited)}

Everything else:
  . ${environment}; export KUBECONFIG
  $KUBECTL get sshaccess -A
  $KUBECTL -n acme describe sshaccess hello
  $KUBECTL -n acme logs deploy/hello -c sshaccess     # the audit trail
  curl through the tunnel: ssh -L 8080:127.0.0.1:8080 …, then curl http://127.0.0.1:8080
  npm run load -- IMAGE.tar                           # bring an image of yours into the cluster
  npm run down                                        # remove every trace
`;
}

try {
  await up();
} catch (error) {
  console.error(`\nnpm run up: ${messageOf(error)}`);
  process.exitCode = 1;
}
