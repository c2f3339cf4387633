/** Data against a JSON schema, with messages for people. The only file that knows ajv. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import schema from './benchmark.schema.json' with { type: 'json' };
import type { BenchmarkSpec } from './benchmark.types.ts';
import { didYouMean } from './nearest.ts';
import serviceSchema from './service.schema.json' with { type: 'json' };
import type { ServiceSpec } from './service.types.ts';
import triggersSchema from './triggers.schema.json' with { type: 'json' };
import type { TriggersSpec } from './triggers.types.ts';
import type { YamlPath } from './yaml-file.ts';

/** What is wrong at one place of the data. */
export interface SchemaFault {
  path: YamlPath;
  text: string;
}

/**
 * Annotations of our own: the unit and the form of a field for messages, a rule over several fields, a default in
 * words, fields that once had another name.
 */
const ANNOTATIONS = ['x-unit', 'x-form', 'x-rule', 'x-default', 'x-renamed'];

type Checked<T> = { spec: T } | { faults: SchemaFault[] };

/**
 * Checks the content of a benchmark.yaml and fills in every default, in a copy. Gives the filled copy, or everything
 * that is wrong with the file.
 */
export const checkBenchmark = checker<BenchmarkSpec>(schema);

/** The same for a mayfly.yaml. */
export const checkService = checker<ServiceSpec>(serviceSchema);

/** The same for a triggers.yaml. */
export const checkTriggers = checker<TriggersSpec>(triggersSchema);

function checker<T>(schemaObject: object): (value: unknown) => Checked<T> {
  let compiled: ValidateFunction | undefined;
  return (value) => {
    compiled ??= compile(schemaObject);
    const copy: unknown = structuredClone(value);
    return compiled(copy) ? { spec: copy as T } : { faults: explain(compiled.errors ?? []) };
  };
}

/** Compiles a JSON schema (draft 2020-12); the validator fills in defaults. */
export function compile(schemaObject: object): ValidateFunction {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    useDefaults: true,
    allowUnionTypes: true,
    strictRequired: false,
  });
  ajv.addVocabulary(ANNOTATIONS);
  return ajv.compile(schemaObject);
}

/** Ajv's errors as sentences; those that only repeat another in more words are left out. */
function explain(errors: ErrorObject[]): SchemaFault[] {
  return errors
    .filter((error) => !error.schemaPath.includes('/oneOf/') && error.propertyName === undefined)
    .map((error) => ({ path: pathOf(error), text: textOf(error) }));
}

function pathOf(error: ErrorObject): YamlPath {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const { additionalProperty, propertyName } = error.params as Record<string, string | undefined>;
  const key =
    error.keyword === 'additionalProperties'
      ? additionalProperty
      : error.keyword === 'propertyNames'
        ? propertyName
        : undefined;
  return key === undefined ? path : [...path, key];
}

function textOf({ keyword, params, data, parentSchema }: ErrorObject): string {
  const rules = parentSchema ?? {};
  const unit = rules['x-unit'] ? ` ${rules['x-unit']}` : '';
  const got = `, got ${shown(data)}`;
  // The form of a field says more than one of its bounds.
  const form =
    rules['x-form'] &&
    [
      'type',
      'minimum',
      'maximum',
      'pattern',
      'minLength',
      'minItems',
      'maxItems',
      'minProperties',
      'maxProperties',
    ].includes(keyword);
  if (form) return `must be ${rules['x-form']}${got}`;
  switch (keyword) {
    case 'additionalProperties': {
      const known = Object.keys(rules.properties ?? {});
      const today = (rules['x-renamed'] as Record<string, string> | undefined)?.[params.additionalProperty];
      if (today !== undefined) return `is called ${today} now`;
      return `is not known${didYouMean(params.additionalProperty, known)}; allowed here: ${known.join(', ')}`;
    }
    case 'required':
      return `needs ${params.missingProperty}`;
    case 'dependentRequired':
      return `has ${params.property}, so it needs ${params.missingProperty} too`;
    case 'oneOf':
      return String(rules['x-rule']);
    case 'propertyNames':
      return `must be named with ${rules.propertyNames['x-form']}`;
    case 'type':
      return `must be ${typeNames(params.type)}${unit ? ` of${unit}` : ''}${got}`;
    case 'enum':
      return `must be ${orList(params.allowedValues)}${got}${didYouMean(String(data), params.allowedValues)}`;
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return `must be ${params.comparison} ${params.limit}${unit}${got}`;
    case 'minLength':
      return 'must not be empty';
    case 'maxLength':
      return `must have at most ${params.limit} characters, got ${String(data).length}`;
    default:
      return `is not allowed (${keyword})${got}`;
  }
}

const TYPES: Record<string, string> = {
  object: 'a map',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  null: 'nothing',
};

function typeNames(type: string | string[]): string {
  return orList([type].flat().map((name) => TYPES[name] ?? name));
}

function orList(words: string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** What the user wrote, short, with its type where that is not plain to see. */
export function shown(data: unknown): string {
  if (data === null || data === undefined) return 'nothing';
  if (typeof data === 'string') return JSON.stringify(data.length > 60 ? `${data.slice(0, 57)}...` : data);
  if (Array.isArray(data)) return `a list of ${data.length}`;
  if (typeof data === 'object')
    return Object.keys(data).length === 0 ? 'an empty map' : `a map of ${Object.keys(data).join(', ')}`;
  return String(data);
}
