/** `npm run generate`: the tables of docs/crd.md, from the CustomResourceDefinition. `--check` writes nothing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { cell, fillDocument, table } from './generated-document.ts';
import { projectFolder } from './places.ts';

type Schema = {
  type?: string | undefined;
  description?: string | undefined;
  default?: unknown;
  enum?: unknown[] | undefined;
  required?: string[] | undefined;
  properties?: Record<string, Schema> | undefined;
  items?: Schema | undefined;
};
const Schema: z.ZodType<Schema> = z.lazy(() =>
  z.object({
    type: z.string().optional(),
    description: z.string().optional(),
    default: z.unknown().optional(),
    enum: z.array(z.unknown()).optional(),
    required: z.array(z.string()).optional(),
    properties: z.record(z.string(), Schema).optional(),
    items: Schema.optional(),
  }),
);
const Definition = z.object({
  spec: z.object({ versions: z.tuple([z.object({ schema: z.object({ openAPIV3Schema: Schema }) })]) }),
});

const file = join(projectFolder, 'charts/sshaccess/crds/sshaccesses.yaml');
const [{ schema }] = Definition.parse(parse(readFileSync(file, 'utf8'))).spec.versions;

/** Fields below it, in the order in which they stand there, parents first. */
function rows(parent: Schema, path: string): string[][] {
  return Object.entries(parent.properties ?? {}).flatMap(([name, field]) => {
    const place = path === '' ? name : `${path}.${name}`;
    const inner = field.items ?? field;
    const isRequired = parent.required?.includes(name) === true;
    const notes = [
      field.description,
      valuesOf(inner),
      field.default === undefined ? undefined : `Default: \`${JSON.stringify(field.default)}\`.`,
    ];
    return [
      [
        `\`${place}\``,
        typeOf(field),
        isRequired ? 'yes' : '',
        cell(notes.filter((note) => note !== undefined).join(' ')),
      ],
      ...rows(inner, field.items === undefined ? place : `${place}[]`),
    ];
  });
}

const typeOf = ({ type = 'any', items }: Schema): string => (items === undefined ? type : `${items.type ?? 'any'}[]`);

const valuesOf = ({ enum: values }: Schema): string | undefined =>
  values === undefined ? undefined : `One of ${values.map((value) => `\`${String(value)}\``).join(', ')}.`;

const tableOf = (part: string): string => {
  const found = schema.openAPIV3Schema.properties?.[part];
  if (found === undefined) throw new Error(`the definition has no ${part}`);
  return table(['field', 'type', 'required', 'meaning'], rows(found, ''));
};

await fillDocument('docs/crd.md', { spec: tableOf('spec'), status: tableOf('status') });
