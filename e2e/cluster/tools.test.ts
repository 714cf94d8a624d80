import { expect, test } from 'vitest';
import { linkerFlags, outputOf } from './tools.ts';

test('Kubernetes is stamped with the version that go.mod pins', () => {
  const flags = linkerFlags('require (\n\tk8s.io/kubernetes v1.35.4\n)\n');
  expect(flags).toContain('version.gitVersion=v1.35.4');
  expect(flags).toContain('version.gitMajor=1');
  expect(flags).toContain('version.gitMinor=35');
});

test('other modules are only stripped', () => {
  expect(linkerFlags('require helm.sh/helm/v4 v4.3.1\n')).toBe('-s -w');
});

test('a major version is no program name', () => {
  expect(outputOf('go.etcd.io/etcd/server/v3')).toBe('server');
  expect(outputOf('k8s.io/kubernetes/cmd/kubelet')).toBe('kubelet');
});
