/** What `helm template` makes of the chart. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { Pod } from '../../webhook/pod.ts';
import { demo } from './demo.ts';

export const chart = fileURLToPath(new URL('../../charts/sshaccess', import.meta.url));

const Rendered = z.looseObject({ kind: z.string(), metadata: z.looseObject({ name: z.string() }) });
export type Rendered = z.infer<typeof Rendered>;
const Template = z.looseObject({
  metadata: z.object({
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: Pod.shape.spec,
});
const Deployment = z.object({ spec: z.object({ template: Template }) });

/** As text; each of `set` as for `helm --set`. */
export function template(...set: readonly string[]): string {
  const values = set.flatMap((value) => ['--set', value]);
  return execFileSync(demo().helm, ['template', 'sshaccess', chart, '--namespace', 'system', ...values], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** helm takes its second, and tests ask for the same again. */
const known = new Map<string, Rendered[]>();

export function render(...set: readonly string[]): Rendered[] {
  const key = JSON.stringify(set);
  const objects = known.get(key) ?? objectsOf(template(...set));
  known.set(key, objects);
  return objects;
}

const objectsOf = (text: string): Rendered[] =>
  parseAllDocuments(text)
    .map((document): unknown => document.toJS())
    .filter((object) => object !== null)
    .map((object) => Rendered.parse(object));

export function find(objects: readonly Rendered[], kind: string, name: string): Rendered {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`the chart renders no ${kind} ${name}`);
  return found;
}

/** The template of a Deployment's pods. */
export const podTemplate = (objects: readonly Rendered[], name: string): z.infer<typeof Template> =>
  Deployment.parse(find(objects, 'Deployment', name)).spec.template;
