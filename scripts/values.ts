/**
 * `npm run generate`: the table of docs/values.md and the descriptions in the chart's values.schema.json, from the comments of its
 * values.yaml, the one place where a value is explained. `--check` writes nothing.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isNode, isScalar, parseDocument, type YAMLMap } from 'yaml';
import * as z from 'zod/mini';
import { cell, fillDocument, table, writeGenerated } from './generated-document.ts';
import { projectFolder } from './places.ts';

const schemaFile = 'charts/sshaccess/values.schema.json';
const valuesFile = 'charts/sshaccess/values.yaml';
/** They have settings in common: what the first one's comments explain is explained for all. */
const PROGRAMS = ['operator', 'webhook', 'piper'];

const Schema = z.looseObject({
  $ref: z.optional(z.string()),
  description: z.optional(z.string()),
  type: z.optional(z.union([z.string(), z.array(z.string())])),
  enum: z.optional(z.array(z.string())),
  minimum: z.optional(z.number()),
  maximum: z.optional(z.number()),
  items: z.optional(z.looseObject({ type: z.optional(z.string()) })),
  properties: z.optional(z.record(z.string(), z.unknown())),
});
type Schema = z.infer<typeof Schema>;

/** A value, or a section of values: those have no default. */
interface Entry {
  readonly path: string;
  readonly comment: string;
  readonly schema: Schema;
  readonly standard: string | undefined;
}

/** All below this map, sections before what is in them. */
function entriesOf(map: YAMLMap, schema: Schema, place = ''): Entry[] {
  const properties = new Map(Object.entries(schema.properties ?? {}));
  const entries = map.items.flatMap(({ key, value }, index): Entry[] => {
    if (!isScalar(key)) throw new Error(`${valuesFile}: a key of ${place} is no word`);
    const path = `${place}${String(key.value)}`;
    // The parser gives a comment above the first key to the map.
    const written = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined) ?? '';
    const comment = written.replaceAll(/\s*\n\s*/g, ' ').trim();
    const own = Schema.safeParse(properties.get(String(key.value)));
    if (!own.success) throw new Error(`${path} is in ${valuesFile}, and not in ${schemaFile}`);
    properties.delete(String(key.value));
    if (isMap(value) && own.data.properties !== undefined) {
      const section = { path, comment, schema: own.data, standard: undefined };
      return [section, ...entriesOf(value, own.data, `${path}.`)];
    }
    return [{ path, comment, schema: own.data, standard: JSON.stringify(isNode(value) ? value.toJSON() : value) }];
  });
  for (const path of properties.keys()) {
    if (`${place}${path}` !== 'global')
      throw new Error(`${place}${path} is in ${schemaFile}, and not in ${valuesFile}`);
  }
  return entries;
}

/** Its comment; else what the first program with that setting says; else what its section says. */
function description(entry: Entry, all: readonly Entry[]): string {
  const [program = '', ...setting] = entry.path.split('.');
  const alike = PROGRAMS.includes(program) ? PROGRAMS.map((each) => [each, ...setting].join('.')) : [];
  const section = entry.path.slice(0, entry.path.lastIndexOf('.'));
  const sources = [entry.path, ...alike, ...(entry.standard === undefined ? [] : [section])];
  const comments = sources.map((path) => all.find((other) => other.path === path)?.comment ?? '');
  const found = comments.find((comment) => comment !== '') ?? '';
  if (found === '' && entry.standard !== undefined) throw new Error(`${valuesFile} does not say what ${entry.path} is`);
  return found;
}

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.join(', ');
  if (schema.$ref !== undefined) return schema.$ref.replace('#/$defs/', '');
  if (schema.type === 'array') return `list of ${schema.items?.type ?? 'integer'}s`;
  const name = [schema.type].flat().join(' or ');
  if (schema.minimum === undefined) return name;
  const end = schema.maximum === undefined ? ' or more' : ` to ${schema.maximum}`;
  return `${name}, ${schema.minimum}${end}`;
}

function described(schema: Schema, descriptions: ReadonlyMap<string, string>, path = ''): unknown {
  const { description: _, properties, ...rest } = schema;
  const text = descriptions.get(path) ?? '';
  const below = Object.entries(properties ?? {}).map(([name, value]) => [
    name,
    described(Schema.parse(value), descriptions, path === '' ? name : `${path}.${name}`),
  ]);
  return {
    ...(text === '' ? {} : { description: text }),
    ...rest,
    ...(properties === undefined ? {} : { properties: Object.fromEntries(below) }),
  };
}

const read = (file: string): string => readFileSync(join(projectFolder, file), 'utf8');
const schema = Schema.parse(JSON.parse(read(schemaFile)));
const { contents } = parseDocument(read(valuesFile));
if (!isMap(contents)) throw new Error(`${valuesFile} is no map`);
const entries = entriesOf(contents, schema);
const descriptions = new Map(entries.map((entry) => [entry.path, description(entry, entries)]));

await writeGenerated(schemaFile, JSON.stringify(described(schema, descriptions)));
await fillDocument('docs/values.md', {
  values: table(
    ['value', 'type', 'default', 'what it is'],
    entries.flatMap(({ path, schema: own, standard }) =>
      standard === undefined
        ? []
        : [[`\`${path}\``, typeOf(own), `\`${standard}\``, cell(descriptions.get(path) ?? '')]],
    ),
  ),
});
