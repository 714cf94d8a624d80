import * as z from 'zod';

/** A piece of a Kubernetes structural schema (OpenAPI v3 without references, unions and `additionalProperties: false`). */
export type StructuralSchema = Record<string, unknown>;

/** What OpenAPI allows and a structural schema does not. */
const FORBIDDEN = ['anyOf', 'oneOf', 'allOf', 'not', '$ref', 'const', '$schema'];

function clean(schema: Record<string, unknown>): void {
  // z.int() bounds itself to ±(2^53 − 1); Kubernetes says the same with a format.
  if (schema['type'] === 'integer' && schema['minimum'] === Number.MIN_SAFE_INTEGER) {
    delete schema['minimum'];
    delete schema['maximum'];
    schema['format'] = 'int64';
  }
  // z.int32() bounds itself to ±2^31; the same holds for it.
  if (schema['type'] === 'integer' && schema['minimum'] === -(2 ** 31)) {
    delete schema['minimum'];
    delete schema['maximum'];
    schema['format'] = 'int32';
  }
  // Where a CEL rule says the same in a sentence, the user need not read an expression.
  if (schema['x-kubernetes-validations'] !== undefined) delete schema['pattern'];
  // The API server knows date-time itself; zod's expression for it is 400 characters long.
  if (schema['format'] === 'date-time') delete schema['pattern'];
  if (schema['additionalProperties'] === false) delete schema['additionalProperties'];
}

/**
 * Turns a zod schema into a structural schema for a CRD.
 * @throws Error where the schema uses what the API server would refuse, naming it.
 */
export function structuralSchema(schema: z.core.$ZodType): StructuralSchema {
  const generated: StructuralSchema = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    // Fields with a default may be left out by the user.
    io: 'input',
    reused: 'inline',
    override: ({ jsonSchema }) => clean(jsonSchema),
  });
  delete generated['$schema'];
  const text = JSON.stringify(generated);
  const offender = FORBIDDEN.find((word) => text.includes(`"${word}":`));
  if (offender !== undefined)
    throw new Error(`${offender} cannot stand in a structural schema; write the zod schema without it`);
  return generated;
}
