/** What is generated from the schemas and tables: types and reference pages. Only `npm run generate` and its test use it. */
import { compile } from 'json-schema-to-typescript';
import calibrationSchema from '../../docs/schemas/mayfly.calibration.v1.json' with { type: 'json' };
import capacitySchema from '../../docs/schemas/mayfly.capacity.v1.json' with { type: 'json' };
import queueSchema from '../../docs/schemas/mayfly.queue.v1.json' with { type: 'json' };
import runSchema from '../../docs/schemas/mayfly.run.v1.json' with { type: 'json' };
import verdictSchema from '../../docs/schemas/mayfly.verdict.v1.json' with { type: 'json' };
import schema from '../config/benchmark.schema.json' with { type: 'json' };
import { FLAGS } from '../config/flags.ts';
import {
  BUILTIN_METRICS,
  type BuiltinMetric,
  CLOSED_METRICS,
  DISTURBANCE_METRICS,
  EVENT_METRICS,
} from '../config/metric-defaults.ts';
import serviceSchema from '../config/service.schema.json' with { type: 'json' };
import triggersSchema from '../config/triggers.schema.json' with { type: 'json' };

/** A JSON schema, as far as the benchmark's one goes. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  default?: unknown;
  examples?: unknown[];
  enum?: (string | null)[];
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  oneOf?: unknown;
  dependentRequired?: unknown;
  'x-unit'?: string;
  'x-form'?: string;
  'x-rule'?: string;
  'x-default'?: string;
  'x-renamed'?: Record<string, string>;
  $defs?: Record<string, Schema>;
  $id?: string;
  title?: string;
}

/** File, from the root of the checkout, -> its content. */
export async function generatedFiles(): Promise<Record<string, string>> {
  return {
    'scripts/config/benchmark.types.ts': await typesOf(schema, 'benchmark.schema'),
    'scripts/config/service.types.ts': await typesOf(serviceSchema, 'service.schema'),
    'scripts/config/triggers.types.ts': await typesOf(triggersSchema, 'triggers.schema'),
    'scripts/documents/run.types.ts': await typesOf(runSchema, 'mayfly.run.v1'),
    'scripts/documents/verdict.types.ts': await typesOf(verdictSchema, 'mayfly.verdict.v1'),
    'scripts/documents/calibration.types.ts': await typesOf(calibrationSchema, 'mayfly.calibration.v1'),
    'scripts/documents/capacity.types.ts': await typesOf(capacitySchema, 'mayfly.capacity.v1'),
    'scripts/documents/job.types.ts': await typesOf(queueSchema, 'mayfly.queue.v1'),
    'docs/benchmark.md': benchmarkPage(),
    'docs/mayfly-yaml.md': servicePage(),
    'docs/run.md': runPage(),
    'docs/verdict-document.md': verdictPage(),
  };
}

async function typesOf(source: object, name: string): Promise<string> {
  const prepared = prepareForTypes(source as Schema) as { title: string };
  return compile(prepared as Parameters<typeof compile>[0], prepared.title, {
    bannerComment: `/* Generated from ${name}.json by \`npm run generate\`. */`,
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    format: true,
    style: { singleQuote: true, printWidth: 120 },
  });
}

/** A field with a default is always there once the file is read; rules over several fields make no type. */
function prepareForTypes(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(prepareForTypes);
  if (node === null || typeof node !== 'object') return node;
  const {
    oneOf: _rule,
    dependentRequired: _more,
    minItems: _least,
    maxItems: _most,
    ...rest
  } = node as Schema & { minItems?: number; maxItems?: number };
  const copy = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, key === 'default' ? value : prepareForTypes(value)]),
  ) as Schema;
  const filled = Object.entries(copy.properties ?? {})
    .filter(([, field]) => field.default !== undefined)
    .map(([name]) => name);
  return filled.length > 0 ? { ...copy, required: [...new Set([...(copy.required ?? []), ...filled])] } : copy;
}

/** Which fields of `load` go together: check.ts refuses the others. */
const LOADS = [
  'Which fields go together:',
  '',
  ...table(
    ['load', 'needs', 'may have', 'model'],
    [
      ['a constant rate', '`script`, `rate`, `duration`', '`arrivals`, `warmup`', 'open'],
      ['a rate that moves', '`script`, `stages`', '`rate`, `arrivals`, `warmup`', 'open'],
      ['requests as they were recorded', '`schedule`', '`script`, `duration`, `warmup`', 'open'],
      ['a number of users', '`script`, `users`', '`iterations`, `think`, `duration`', 'closed'],
      ['several of these side by side', '`script`, `scenarios`, `duration`', '`warmup`', 'each its own'],
      [
        'another load generator',
        '`image`, `command`, `requests`, `rate`, `duration`',
        '`scrape`, `failed`, `dropped`, `warmup`',
        'open',
      ],
    ],
  ),
  '',
  'Each needs `target` and may have `max_in_flight` (of scenarios each its own); all but another load generator may have `timeout` and `workers`.',
  '',
  'A schedule:',
  '',
  '```',
  'at,method,path,name,body',
  '0,GET,/products,products,',
  '0.25,GET,/products/7,product,',
  '1.4,POST,/orders,order,"{""product"": 7}"',
  '```',
  '',
  'The same request in a file of JSON lines: `{"at": 1.4, "method": "POST", "path": "/orders", "name": "order", "body": "{\\"product\\": 7}"}`.',
  '',
];

function benchmarkPage(): string {
  const root = schema as Schema;
  return [
    '<!-- Generated from scripts/config/benchmark.schema.json, triggers.schema.json, metric-defaults.ts and flags.ts by `npm run generate`. -->',
    '# benchmark.yaml',
    '',
    'A benchmark is a folder `benchmarks/<name>/` with a `benchmark.yaml`, the Compose file of the services under test and a load script. This page lists every field of `benchmark.yaml`. Defaults stand in the file only where they differ.',
    '',
    'Durations are written `500ms`, `20s`, `2m`, `1m30s` or `1h`; shares as a number from 0 to 1 or as a percentage, `0.5%`.',
    '',
    ...section('The file', root, root),
    ...section('build/&lt;name&gt;', deref({ $ref: '#/$defs/build' }, root), root),
    ...section('build/&lt;name&gt;/git', deref({ $ref: '#/$defs/git' }, root), root),
    ...section('load', deref({ $ref: '#/$defs/load' }, root), root),
    ...LOADS,
    ...section('load/stages/&lt;n&gt;', deref({ $ref: '#/$defs/stage' }, root), root),
    ...section('load/scenarios/&lt;name&gt;', deref({ $ref: '#/$defs/scenario' }, root), root),
    ...section('load/scrape', deref({ $ref: '#/$defs/load' }, root).properties!.scrape!, root),
    ...section('scrape/&lt;n&gt;', deref({ $ref: '#/$defs/scrape' }, root), root),
    ...section('telemetry/&lt;n&gt;', deref({ $ref: '#/$defs/telemetry' }, root), root),
    ...section('telemetry/&lt;n&gt;/profile/pprof', deref({ $ref: '#/$defs/profile' }, root).properties!.pprof!, root),
    ...section('broker', deref({ $ref: '#/$defs/broker' }, root), root),
    ...section('triggers.yaml', deref({ $ref: '#/$defs/trigger' }, triggersSchema), triggersSchema),
    ...section('traces', deref({ $ref: '#/$defs/traces' }, root), root),
    ...section('balancer', deref({ $ref: '#/$defs/balancer' }, root), root),
    ...section('autoscale', deref({ $ref: '#/$defs/autoscale' }, root), root),
    ...section('variants/&lt;name&gt;', deref({ $ref: '#/$defs/variant' }, root), root),
    ...section('disturbances/&lt;n&gt;', deref({ $ref: '#/$defs/disturbance' }, root), root),
    ...section('metrics/&lt;n&gt;', deref({ $ref: '#/$defs/metric' }, root), root),
    ...section('metrics/&lt;n&gt;/telemetry', deref({ $ref: '#/$defs/ofTelemetry' }, root), root),
    ...section('metrics/&lt;n&gt;/cpu', deref({ $ref: '#/$defs/ofCpu' }, root), root),
    ...section('metrics/&lt;n&gt;/trace', deref({ $ref: '#/$defs/ofTrace' }, root), root),
    ...section('comparison', deref({ $ref: '#/$defs/comparison' }, root), root),
    ...section('jobs', deref({ $ref: '#/$defs/jobs' }, root), root),
    ...section('allow', deref({ $ref: '#/$defs/allow' }, root), root),
    '## Built-in metrics',
    '',
    ...builtinTable(BUILTIN_METRICS),
    '',
    'Where the benchmark names a `broker`, also:',
    '',
    ...builtinTable(EVENT_METRICS),
    '',
    'Where `load` has `users`, also:',
    '',
    ...builtinTable(CLOSED_METRICS),
    '',
    'Where it has `scenarios`, the same of each, under its name: `uploads_p95` in place of `iteration_p95`.',
    '',
    'Where it names `disturbances`, also:',
    '',
    ...builtinTable(DISTURBANCE_METRICS),
    '',
    '## The Compose file',
    '',
    "It describes services only: their images, settings, health checks and limits. Everything that two runs side by side could share, and every privilege, is refused with a sentence that says what to do instead: networks, ports, fixed names, devices, host folders outside of the benchmark's folder or writable, external volumes, capabilities other than a few harmless ones, variables other than `${MAYFLY_IMAGE_<NAME>}`. A service that others wait for to end is [one-shot](writing-a-benchmark.md#what-must-be-done-before-it-starts).",
    '',
    '## Flags of npm run bench',
    '',
    'They lay over the file, for one run.',
    '',
    ...table(
      ['flag', 'what'],
      FLAGS.map(({ name, value, help }) => [`\`--${name}${value ? `=${value}` : ''}\``, help]),
    ),
    '',
  ].join('\n');
}

const builtinTable = (metrics: readonly BuiltinMetric[]): string[] =>
  table(
    ['name', 'unit', 'better', 'margin', 'what'],
    metrics.map(({ name, unit, better, margin, ownOnly, description }) => [
      `\`${name}\``,
      unit,
      better,
      `${margin * 100}%`,
      `${description}${ownOnly ? ' (own generator only)' : ''}`,
    ]),
  );

function servicePage(): string {
  const root = serviceSchema as Schema;
  return [
    '<!-- Generated from scripts/config/service.schema.json by `npm run generate`. -->',
    '# mayfly.yaml',
    '',
    'The file of `npm run serve`, at the top of the checkout (or `--config=FILE`). [service.md](service.md) explains the server. Without the file it only shows the web site.',
    '',
    ...section('The file', root, root),
    ...section('repositories/&lt;OWNER/NAME&gt;', deref({ $ref: '#/$defs/repository' }, root), root),
    ...section('repositories/&lt;OWNER/NAME&gt;/labels', deref({ $ref: '#/$defs/labels' }, root), root),
    ...section('repositories/&lt;OWNER/NAME&gt;/conclusions', deref({ $ref: '#/$defs/conclusions' }, root), root),
    ...section('alerts/&lt;n&gt;', deref({ $ref: '#/$defs/alert' }, root), root),
  ].join('\n');
}

/** The page of the printed document: the same walk over its schema. */
function runPage(): string {
  const root = runSchema as Schema;
  const of = (name: string) => deref({ $ref: `#/$defs/${name}` }, root);
  const inner = (name: string) => root.properties![name]!;
  const part = partOf(root);
  return [
    '<!-- Generated from docs/schemas/mayfly.run.v1.json by `npm run generate`. -->',
    '# The run document, mayfly.run/v1',
    '',
    'The JSON schema is [schemas/mayfly.run.v1.json](schemas/mayfly.run.v1.json). The built-in metrics are listed in [benchmark.md](benchmark.md), the words in [glossary.md](glossary.md).',
    '',
    'npm prints two lines of its own before the output of a command; `npm run -s bench -- --json` leaves them out. Progress and errors go to standard error.',
    '',
    ...part('The document', root),
    ...part('sides/&lt;side&gt;', of('side')),
    ...part('host', of('host')),
    ...part('load', inner('load')),
    ...part('load/scenarios/&lt;n&gt;', inner('load').properties!.scenarios!.items!),
    ...part('cpusets', inner('cpusets')),
    ...part('metrics/&lt;n&gt;', of('metric')),
    ...part('metrics/&lt;n&gt;/telemetry', of('metric').properties!.telemetry!),
    ...part('metrics/&lt;n&gt;/trace', of('metric').properties!.trace!),
    ...part('rounds/&lt;n&gt;', of('round')),
    ...part('rounds/&lt;n&gt;/reasons/&lt;n&gt;', of('round').properties!.reasons!.items!),
    ...part('rounds/&lt;n&gt;/samples/&lt;name&gt;', of('sample')),
    ...part('rounds/&lt;n&gt;/failures/&lt;n&gt;', of('round').properties!.failures!.items!),
    ...part('rounds/&lt;n&gt;/telemetry', of('round').properties!.telemetry!),
    ...part(
      'rounds/&lt;n&gt;/telemetry/labels/&lt;n&gt;',
      of('round').properties!.telemetry!.properties!.labels!.items!,
    ),
    ...part('rounds/&lt;n&gt;/services/&lt;n&gt;', of('round').properties!.services!.items!),
    ...part('rounds/&lt;n&gt;/events', of('events')),
    ...['backlog', 'delivery'].flatMap((name) =>
      part(`rounds/&lt;n&gt;/events/${name}`, of('events').properties![name]!),
    ),
    ...['hops', 'triggers'].flatMap((name) =>
      part(`rounds/&lt;n&gt;/events/${name}/&lt;n&gt;`, of('events').properties![name]!.items!),
    ),
    ...part('rounds/&lt;n&gt;/traces', of('traces')),
    ...part('rounds/&lt;n&gt;/traces/hops/&lt;n&gt;', of('traces').properties!.hops!.items!),
    ...part('rounds/&lt;n&gt;/traces/kept', of('traces').properties!.kept!),
    ...part('rounds/&lt;n&gt;/traces/zipkin', of('traces').properties!.zipkin!),
    ...part('rounds/&lt;n&gt;/traces/measuring', of('traces').properties!.measuring!),
    ...part('comparison', of('comparison')),
    ...part('capacity', of('capacity')),
    ...part('capacity/probes/&lt;n&gt;', of('probe')),
    ...part('archive', of('archive')),
    ...part('archive/requests', of('requests')),
  ].join('\n');
}

function verdictPage(): string {
  const root = verdictSchema as Schema;
  const of = (name: string) => deref({ $ref: `#/$defs/${name}` }, root);
  const inMetric = (name: string) => of('metric').properties![name]!;
  const part = partOf(root);
  return [
    '<!-- Generated from docs/schemas/mayfly.verdict.v1.json by `npm run generate`. -->',
    '# The verdict document, mayfly.verdict/v1',
    '',
    'The JSON schema is [schemas/mayfly.verdict.v1.json](schemas/mayfly.verdict.v1.json). How a verdict is reached is explained in [verdict.md](verdict.md), the words in [glossary.md](glossary.md).',
    '',
    ...part('The document', root),
    ...part('candidate, baseline', of('commit')),
    ...part('method', of('method')),
    ...part('metrics/&lt;n&gt;', of('metric')),
    ...['interval', 'worse', 'p', 'dispersion'].flatMap((name) => part(`metrics/&lt;n&gt;/${name}`, inMetric(name))),
    ...part('attribution/latency', of('attribution').properties!.latency!),
    ...part('attribution/latency/hops/&lt;n&gt;', of('attribution').properties!.latency!.properties!.hops!.items!),
    ...part('attribution/cpu', of('attribution').properties!.cpu!),
    ...part('attribution/cpu/services/&lt;n&gt;', of('attribution').properties!.cpu!.properties!.services!.items!),
    ...part('calibration', of('calibration')),
    ...part('calibration/false_alarms', of('calibration').properties!.false_alarms!),
  ].join('\n');
}

/** A part of a page about a document: its fields are there always, or where there is one. */
const partOf = (root: Schema) => (title: string, node: Schema) =>
  section(title, node, root, (required) => (required ? 'always' : 'where there is one'));

/** A heading and a table of the fields. `presence`: what the third column says of fields without a default. */
function section(title: string, node: Schema, root: Schema, presence?: (required: boolean) => string): string[] {
  const rows = Object.entries(node.properties ?? {}).map(([name, field]) => {
    const full = deref(field, root);
    const required = node.required?.includes(name) ?? false;
    return [
      `\`${name}\``,
      typeText(full),
      presence?.(required) ?? (required ? 'must be given' : defaultText(full)),
      [full.description ?? '', exampleText(full)].filter(Boolean).join(' '),
    ];
  });
  const rule = node['x-rule'] ? [`It ${node['x-rule']}.`, ''] : [];
  return [
    `## ${title}`,
    '',
    node.description ?? '',
    '',
    ...rule,
    ...table(['field', 'type', presence ? 'there' : 'default', 'what'], rows),
    '',
  ];
}

/** The schema behind a reference, with what stands beside the reference laid over it. */
export function deref(node: Schema, root: Schema): Schema {
  if (!node.$ref) return node;
  const { $ref, ...beside } = node;
  const name = $ref.split('/').at(-1)!;
  return { ...root.$defs![name]!, ...beside };
}

function typeText(field: Schema): string {
  if (field.enum) return field.enum.map((word) => `\`${word}\``).join(', ');
  if (field['x-form']) return field['x-form'];
  if (field.type === 'array')
    return `list of ${field.items?.properties || field.items?.$ref ? 'maps' : field.items?.type === 'integer' ? 'whole numbers' : 'texts'}`;
  if (field.type === 'object') return 'map';
  const names: Record<string, string> = {
    integer: 'whole number',
    string: 'text',
    boolean: '`true` or `false`',
    object: 'map',
  };
  const type = [field.type]
    .flat()
    .map((name) => names[name!] ?? name)
    .join(' or ');
  return [type, field['x-unit'] && `of ${field['x-unit']}`, bounds(field)].filter(Boolean).join(' ');
}

function bounds({ minimum, exclusiveMinimum, maximum }: Schema): string {
  const parts = [
    minimum !== undefined && `>= ${minimum}`,
    exclusiveMinimum !== undefined && `> ${exclusiveMinimum}`,
    maximum !== undefined && `<= ${maximum}`,
  ];
  const text = parts.filter(Boolean).join(', ');
  return text && `(${text})`;
}

function defaultText(field: Schema): string {
  if (field['x-default']) return field['x-default'];
  if (field.default === undefined) return 'none';
  return field.default === ''
    ? 'empty'
    : `\`${typeof field.default === 'string' ? field.default : JSON.stringify(field.default)}\``;
}

function exampleText(field: Schema): string {
  if (!field.examples?.length) return '';
  return `Example: ${field.examples.map((example) => `\`${typeof example === 'string' ? example : JSON.stringify(example)}\``).join(', ')}.`;
}

/** A Markdown table. */
export function table(head: string[], rows: string[][]): string[] {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
