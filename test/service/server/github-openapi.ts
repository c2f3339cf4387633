/**
 * GitHub's own description of its API (package @octokit/openapi): what it knows, and whether a request or an answer
 * keeps to it.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';

type Schema = Record<string, unknown>;
interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema: Schema;
}
interface Content {
  content?: Record<string, { schema: Schema; examples?: Record<string, { $ref?: string; value?: unknown }> }>;
}
interface Description {
  paths: Record<
    string,
    Record<
      string,
      {
        operationId: string;
        parameters?: ({ $ref: string } | Parameter)[];
        requestBody?: Content & { required?: boolean };
        responses: Record<string, Content & { $ref?: string }>;
      }
    >
  >;
  components: Record<string, Record<string, unknown>>;
}

/** A method and path that GitHub knows, with what the path says. */
export interface Operation {
  /** As in the description: `checks/create`. */
  id: string;
  method: string;
  template: string;
  params: Record<string, string>;
}

const file = createRequire(import.meta.url).resolve('@octokit/openapi/generated/api.github.com.json');
const description = JSON.parse(readFileSync(file, 'utf8')) as Description;
const METHODS = new Set(['get', 'post', 'patch', 'put', 'delete']);
const templates = Object.entries(description.paths).map(([template, item]) => ({
  template,
  parts: template.split('/'),
  methods: Object.keys(item).filter((method) => METHODS.has(method)),
}));

/** The operation of a request; where several fit, the one with the most fixed words. */
export function findOperation(method: string, path: string): Operation | undefined {
  const parts = path.split('/').map(decodeURIComponent);
  const fits = templates.filter(
    ({ parts: own, methods }) =>
      methods.includes(method.toLowerCase()) &&
      own.length === parts.length &&
      own.every((part, i) => (part.startsWith('{') ? parts[i] !== '' : part === parts[i])),
  );
  const [best] = fits.toSorted((a, b) => fixed(b.parts) - fixed(a.parts));
  if (!best) return undefined;
  const params = Object.fromEntries(
    best.parts.flatMap((part, i) => (part.startsWith('{') ? [[part.slice(1, -1), parts[i]!]] : [])),
  );
  return { id: at(best.template, method).operationId, method: method.toLowerCase(), template: best.template, params };
}

const fixed = (parts: string[]) => parts.filter((part) => !part.startsWith('{')).length;
const at = (template: string, method: string) => description.paths[template]![method.toLowerCase()]!;

/** What is wrong with a request, one sentence each. `body`: parsed JSON, undefined where there was none. */
export function requestFaults(
  { template, method, params }: Operation,
  query: URLSearchParams,
  body: unknown,
): string[] {
  const { parameters = [], requestBody } = at(template, method);
  const known = parameters.map((one) => ('$ref' in one ? (lookUp(one.$ref) as Parameter) : one));
  const unknown = [...query.keys()]
    .filter((name) => !known.some((one) => one.in === 'query' && one.name === name))
    .map((name) => `the query parameter ${name} is not known`);
  const wrong = known
    .filter((one) => one.in !== 'header')
    .flatMap((one) => {
      const value = one.in === 'path' ? params[one.name] : (query.get(one.name) ?? undefined);
      if (value === undefined) return one.required ? [`the ${one.in} parameter ${one.name} is missing`] : [];
      return faults(
        `parameter ${template} ${method} ${one.in} ${one.name}`,
        { type: 'object', properties: { value: one.schema } },
        { value },
        forText,
      ).map((text) => `${one.in} parameter ${one.name}: ${text}`);
    });
  const schema = requestBody?.content?.['application/json']?.schema;
  if (!schema) return [...unknown, ...wrong, ...(body === undefined ? [] : ['a body is not known'])];
  if (body === undefined) return [...unknown, ...wrong, ...(requestBody.required ? ['the body is missing'] : [])];
  return [
    ...unknown,
    ...wrong,
    ...unknownFields(schema, body),
    ...faults(`body ${template} ${method}`, schema, body).map((text) => `body: ${text}`),
  ];
}

/** What is wrong with an answer of the stand-in itself. */
export function answerFaults({ template, method }: Operation, status: number, body: unknown): string[] {
  const response = at(template, method).responses[status];
  if (!response) return status >= 400 ? [] : [`the status ${status} is not known`];
  const schema = (response.$ref ? (lookUp(response.$ref) as Content) : response).content?.['application/json']?.schema;
  return schema ? faults(`answer ${template} ${method} ${status}`, schema, body).map((text) => `answer: ${text}`) : [];
}

/** GitHub's first example of the answer of an operation, to lay what is known over it. */
export function exampleOf(template: string, method: string, status: number): unknown {
  const { examples = {} } = at(template, method).responses[status]!.content!['application/json']!;
  const first = Object.values(examples)[0]!;
  return structuredClone(first.$ref ? (lookUp(first.$ref) as { value: unknown }).value : first.value);
}

function unknownFields(schema: Schema, body: unknown): string[] {
  const names = fieldsOf(schema);
  if (names === 'any' || typeof body !== 'object' || body === null) return [];
  return Object.keys(body)
    .filter((name) => !names.has(name))
    .map((name) => `body: the field ${name} is not known`);
}

/** Names of the fields of an object; 'any' where it is no such schema. */
function fieldsOf(schema: Schema): Set<string> | 'any' {
  const whole = typeof schema.$ref === 'string' ? (lookUp(schema.$ref) as Schema) : schema;
  const parts = (['oneOf', 'anyOf', 'allOf'] as const)
    .flatMap((word) => (whole[word] as Schema[] | undefined) ?? [])
    .map(fieldsOf);
  if (!whole.properties) return 'any';
  return new Set([...Object.keys(whole.properties), ...parts.flatMap((part) => (part === 'any' ? [] : [...part]))]);
}

const options = { strict: false, logger: false, allErrors: true } as const;
const forJson = withFormats(new Ajv(options));
/** A path or a query is text: "7" is the number 7. */
const forText = withFormats(new Ajv({ ...options, coerceTypes: true }));
const compiled = new Map<string, ValidateFunction>();

function withFormats(ajv: Ajv): Ajv {
  (addFormats as unknown as { default: (ajv: Ajv) => void }).default(ajv);
  return ajv;
}

function faults(key: string, schema: Schema, value: unknown, ajv: Ajv = forJson): string[] {
  const check = compiled.get(key) ?? ajv.compile(converted(schema, ajv) as Schema);
  compiled.set(key, check);
  return check(value)
    ? []
    : (check.errors ?? []).map(({ instancePath, message }) => `${instancePath || 'it'} ${message}`);
}

/** OpenAPI 3.0 as JSON Schema: null by `nullable`, no examples; the components that it names are made known to ajv. */
function converted(value: unknown, ajv: Ajv): unknown {
  if (Array.isArray(value)) return value.map((one) => converted(one, ajv));
  if (typeof value !== 'object' || value === null) return value;
  const {
    nullable,
    $ref,
    example: _example,
    examples: _examples,
    discriminator: _discriminator,
    ...rest
  } = value as Schema;
  if (typeof $ref === 'string') return orNull({ $ref: component($ref, ajv) }, nullable);
  const schema = Object.fromEntries(
    Object.entries(rest).map(([key, part]) => [
      key,
      key === 'properties' ? propertiesOf(part as Schema, ajv) : key === 'enum' ? part : converted(part, ajv),
    ]),
  );
  return orNull(schema, nullable);
}

/** A field may be called `example` or `nullable`. */
const propertiesOf = (properties: Schema, ajv: Ajv) =>
  Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, converted(schema, ajv)]));

const orNull = (schema: Schema, nullable: unknown): Schema =>
  nullable === true ? { anyOf: [schema, { type: 'null' }] } : schema;

const known = new Map<Ajv, Set<string>>();

function component(ref: string, ajv: Ajv): string {
  const id = `https://description.invalid/${ref.slice('#/components/'.length)}`;
  const ids = known.get(ajv) ?? new Set();
  known.set(ajv, ids);
  if (!ids.has(id)) {
    ids.add(id); // first, for components that name themselves
    ajv.addSchema({ $id: id, ...(converted(lookUp(ref), ajv) as Schema) });
  }
  return id;
}

const lookUp = (ref: string): unknown =>
  ref
    .split('/')
    .slice(1)
    .reduce<unknown>((value, part) => (value as Schema)[part.replaceAll('~1', '/').replaceAll('~0', '~')], description);
