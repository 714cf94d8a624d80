/**
 * NetworkPolicies of the chart and of docs/network-policies.md: taken by the API server, and about the right pods and ports.
 * That they do what they say: network-policies-enforced.e2e.ts.
 */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { SSH_PORT } from '../crds/index.ts';
import { find, podTemplate, render } from './support/chart.ts';
import { demo } from './support/demo.ts';
import { kubectl, list, tryKubectl } from './support/kubectl.ts';
import { tenantPolicies } from './support/tenant-policies.ts';

const Selector = z.object({
  matchLabels: z.record(z.string(), z.string()).default({}),
  matchExpressions: z
    .array(z.object({ key: z.string(), operator: z.enum(['In', 'Exists']), values: z.array(z.string()).default([]) }))
    .default([]),
});
const Peer = z.object({
  namespaceSelector: Selector.optional(),
  podSelector: Selector.optional(),
  ipBlock: z.object({ cidr: z.string() }).optional(),
});
const Port = z.object({
  protocol: z.string(),
  port: z.union([z.string(), z.int()]),
  endPort: z.int().optional(),
});
const Rule = z.object({ ports: z.array(Port) });
const Policy = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    podSelector: Selector,
    policyTypes: z.array(z.string()),
    ingress: z.array(Rule.extend({ from: z.array(Peer).optional() })),
    egress: z.array(Rule.extend({ to: z.array(z.unknown()).optional() })).default([]),
  }),
});
type Policy = z.infer<typeof Policy>;

/** As `kubectl -l` has it. */
const asText = ({ matchLabels, matchExpressions }: z.infer<typeof Selector>): string =>
  [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values }) =>
      operator === 'Exists' ? key : `${key} in (${values.join(',')})`,
    ),
  ].join(',');

describe.each(['operator', 'webhook', 'piper'])('the policy of the %s', (program) => {
  const policyOf = (...set: readonly string[]): Policy =>
    Policy.parse(find(render('networkPolicy.enabled=true', ...set), 'NetworkPolicy', `sshaccess-${program}`));
  const portsOf = (rules: readonly z.infer<typeof Rule>[]) => rules.map(({ ports }) => ports.map(({ port }) => port));

  test('selects the pods of its Deployment, in both directions', () => {
    const { podSelector, policyTypes } = policyOf().spec;
    expect(podSelector.matchLabels).toEqual(podTemplate(render(), `sshaccess-${program}`).metadata.labels);
    expect(policyTypes).toEqual(['Ingress', 'Egress']);
  });

  test('lets nobody in but at the port that is its purpose; metrics are for those who are named', () => {
    const entrances = { operator: [], webhook: [['https']], piper: [['ssh']] };
    const purpose = z.array(z.array(z.string())).parse(Reflect.get(entrances, program));
    expect(portsOf(policyOf().spec.ingress)).toEqual(purpose);
    const scraped = policyOf('networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus').spec.ingress;
    expect(portsOf(scraped)).toEqual([...purpose, ['health']]);
    expect(scraped.at(-1)?.from).toMatchObject([{ podSelector: { matchLabels: { app: 'prometheus' } } }]);
    for (const { port } of scraped.flatMap(({ ports }) => ports)) {
      const { containers } = podTemplate(render(), `sshaccess-${program}`).spec;
      expect(JSON.stringify(containers)).toContain(`"name":${JSON.stringify(port)}`);
    }
  });

  test('lets it out to the API server, and to pods that opted in where that is its purpose', () => {
    const pods = program === 'webhook' ? [] : [[SSH_PORT]];
    const { egress } = policyOf('watchNamespaces={a,b}', 'networkPolicy.apiServer.cidrs={192.0.2.1/32}').spec;
    expect(portsOf(egress)).toEqual([[443, 6443], ...pods]);
    expect(egress[0]?.to).toEqual([{ ipBlock: { cidr: '192.0.2.1/32' } }]);
    if (pods.length > 0) expect(JSON.stringify(egress[1]?.to)).toContain('["a","b"]');
  });
});

test('F2: the webhook is for those who are named, where somebody names them, and the others stay open', () => {
  const fromOf = (program: string, ...set: readonly string[]) =>
    Policy.parse(
      find(render('networkPolicy.enabled=true', ...set), 'NetworkPolicy', `sshaccess-${program}`),
    ).spec.ingress.map(({ from }) => from);
  const named = 'networkPolicy.webhookFrom[0].ipBlock.cidr=192.0.2.1/32';
  expect(fromOf('webhook', named)).toEqual([[{ ipBlock: { cidr: '192.0.2.1/32' } }]]);
  expect([fromOf('webhook'), fromOf('piper', named)]).toEqual([[undefined], [undefined]]);
});

describe('the documents for tenants', () => {
  const ofTenants = tenantPolicies();
  const policies = ofTenants.map((yaml) => Policy.parse(parse(yaml)));

  test('are taken by the API server', async () => {
    for (const yaml of ofTenants) {
      const { code, stderr } = await tryKubectl(['apply', '--dry-run=server', '-n', 'acme', '-f', '-'], yaml);
      expect([code, stderr]).toEqual([0, '']);
    }
  });

  test('are about the pods with ssh, and let in the piper and the operator, wherever these run', async () => {
    const namesOf = async (...selection: string[]): Promise<string[]> =>
      (await kubectl('get', 'pods', '-o', 'name', ...selection)).trim().split('\n').toSorted();
    const namespace = ['-n', demo().systemNamespace];
    const ours = await Promise.all(
      ['piper', 'operator'].map((program) => namesOf(...namespace, '-l', `app.kubernetes.io/component=${program}`)),
    );
    for (const { spec } of policies) {
      expect(await namesOf('-n', 'acme', '-l', asText(spec.podSelector))).toEqual(await namesOf('-n', 'acme'));
      const [peer] = spec.ingress[0]?.from ?? [];
      const Named = z.object({ metadata: z.object({ name: z.string() }) });
      const places = await list(Named, 'namespaces', '-l', asText(Selector.parse(peer?.namespaceSelector)));
      expect(places.map(({ metadata }) => metadata.name)).toEqual([demo().systemNamespace]);
      const allowed = await namesOf(...namespace, '-l', asText(Selector.parse(peer?.podSelector)));
      expect(allowed).toEqual(ours.flat().toSorted());
    }
  });

  test('open or leave open what they say: the one port, or every port but for the others', () => {
    const [one, all] = policies.map(({ spec }) =>
      spec.ingress.map(({ from, ports }) => ({
        from: from === undefined ? 'everybody' : 'us',
        ports: ports.map(({ protocol, port, endPort = port }) => `${protocol} ${port}-${endPort}`),
      })),
    );
    const ssh = { from: 'us', ports: [`TCP ${SSH_PORT}-${SSH_PORT}`] };
    expect(one).toEqual([ssh]);
    const others = ['TCP 1-2221', 'TCP 2223-65535', 'UDP 1-65535', 'SCTP 1-65535'];
    expect(all).toEqual([ssh, { from: 'everybody', ports: others }]);
  });
});
