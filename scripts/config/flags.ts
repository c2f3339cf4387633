/** The flags of `npm run bench`: one table that parses, explains and documents them. Pure. */
import { parseArgs } from 'node:util';
import { UsageError } from '../errors.ts';
import { nearest } from './nearest.ts';

export interface Flag {
  name: string;
  /** What stands for the value in the help; absent for a flag without one. */
  value?: string;
  /** May be given more than once. */
  many?: boolean;
  help: string;
}

export const FLAGS: readonly Flag[] = [
  { name: 'benchmark', value: 'NAME', help: 'folder in benchmarks/, or the path of any folder with a benchmark.yaml; default shop, or the only one' },
  { name: 'commit', value: 'REF', help: 'what is measured: hash, branch, tag, HEAD or worktree (the uncommitted state); the version where nothing is built from git; default HEAD' },
  { name: 'against', value: 'REF', help: 'measure this as the baseline too, in the same rounds, and print the difference' },
  { name: 'rate', value: 'N', help: 'requests per second for each side' },
  { name: 'duration', value: 'TIME', help: 'length of the measured window: 20s, 2m, 1m30s' },
  { name: 'warmup', value: 'TIME', help: 'load before the window, not measured' },
  { name: 'rounds', value: 'N', help: 'valid rounds; each starts fresh containers' },
  { name: 'label', value: 'KEY=VALUE', many: true, help: 'kept with the run, to find it again; may be given many times' },
  { name: 'objstore', value: 'FILE', help: 'Thanos object-store configuration to ship the metrics to; default a folder bucket' },
  { name: 'live', help: 'show the run in the archive while it goes on, and ship its finished blocks (always so for runs over two hours)' },
  { name: 'keep', help: 'leave the stack up at the end, to look at it' },
  { name: 'json', help: 'print the run as one JSON document (schema mayfly.run/v1)' },
  { name: 'quiet', help: 'no progress; warnings and errors only' },
  { name: 'help', help: 'this text' },
];

/** The flags as the user gave them; numbers and durations are not checked yet. */
export interface BenchFlags {
  benchmark?: string;
  commit?: string;
  against?: string;
  rate?: string;
  duration?: string;
  warmup?: string;
  rounds?: string;
  label: string[];
  objstore?: string;
  live: boolean;
  keep: boolean;
  json: boolean;
  quiet: boolean;
  /** The help text, where the user asked for it. */
  help?: string;
}

/** Reads the flags of `npm run bench`; throws a UsageError that names the flag and what is allowed. */
export function parseBenchArgs(args: string[]): BenchFlags {
  const given = parseFlags(args, FLAGS, 'bench');
  if (given.positionals.length > 0) {
    throw new UsageError(`${JSON.stringify(given.positionals[0])} is not a flag`, { hint: 'Flags are written --commit=REF; see npm run bench -- --help.' });
  }
  const text = (name: string) => given.values[name]?.[0];
  const on = (name: string) => given.values[name] !== undefined;
  return {
    benchmark: text('benchmark'), commit: text('commit'), against: text('against'),
    rate: text('rate'), duration: text('duration'), warmup: text('warmup'), rounds: text('rounds'),
    label: given.values.label ?? [], objstore: text('objstore'),
    live: on('live'), keep: on('keep'), json: on('json'), quiet: on('quiet'), help: on('help') ? benchHelp() : undefined,
  };
}

export interface GivenFlags {
  /** Flag -> its values in order; [] for one without a value. */
  values: Record<string, string[]>;
  positionals: string[];
}

/**
 * Reads the flags of any command by its table.
 * Unknown flags, a missing or superfluous value and a repeated flag are UsageErrors.
 */
export function parseFlags(args: string[], flags: readonly Flag[], command: string): GivenFlags {
  const options = Object.fromEntries(flags.map(({ name, value }) => [name, { type: value ? ('string' as const) : ('boolean' as const) }]));
  const expanded = args.map((arg) => (arg === '-h' ? '--help' : arg));
  const { tokens } = parseArgs({ args: expanded, options, strict: false, tokens: true, allowPositionals: true });
  const given: GivenFlags = { values: {}, positionals: [] };
  for (const token of tokens) {
    if (token.kind === 'positional') given.positionals.push(token.value);
    if (token.kind === 'option') take(token, flags, given, `see npm run ${command} -- --help`);
  }
  return given;
}

function take(token: { name: string; rawName: string; value?: string; inlineValue?: boolean }, flags: readonly Flag[], given: GivenFlags, hint: string): void {
  const flag = flags.find(({ name }) => token.rawName === `--${name}`);
  if (!flag) {
    const near = nearest(token.name, flags.map(({ name }) => name));
    throw new UsageError(`${token.rawName} is not a flag${near ? ` (did you mean --${near}?)` : ''}`, { hint });
  }
  const { name, value, many } = flag;
  if (!value && token.inlineValue) throw new UsageError(`--${name} takes no value, got ${JSON.stringify(token.value)}`, { hint });
  // Without a strict mode the parser takes the next flag for a value.
  const swallowed = !token.inlineValue && /^--?[a-z]/i.test(token.value ?? '');
  if (value && (!token.value || swallowed)) throw new UsageError(`--${name} needs a value: --${name}=${value}`, { hint });
  if (given.values[name] && !many) throw new UsageError(`--${name} is given twice`, { hint });
  given.values[name] = [...(given.values[name] ?? []), ...(value ? [token.value!] : [])];
}

/** ["team=web"] -> { team: 'web' }; throws a UsageError where one is not KEY=VALUE or is there twice. */
export function parseLabels(given: string[]): Record<string, string> {
  const labels = new Map<string, string>();
  for (const text of given) {
    const [, key, value] = /^([A-Za-z_][A-Za-z0-9_.-]{0,62})=([^\p{Cc}]{0,200})$/u.exec(text) ?? [];
    if (key === undefined) throw new UsageError(`--label must be KEY=VALUE, with letters, digits and _ . - in the key, got ${JSON.stringify(text)}`);
    if (labels.has(key)) throw new UsageError(`--label ${key} is given twice`);
    labels.set(key, value!);
  }
  return Object.fromEntries(labels);
}

/** The help of a command: how it is called, what it does, its flags. */
export function helpText(usage: string, about: string, flags: readonly Flag[], more: string[] = []): string {
  const written = flags.map(({ name, value }) => `--${name}${value ? `=${value}` : ''}`);
  const width = Math.max(...written.map((flag) => flag.length));
  const lines = flags.map(({ help }, i) => `  ${written[i]!.padEnd(width)}  ${help}`);
  return [`usage: ${usage}`, '', about, '', ...lines, ...(more.length ? ['', ...more] : []), ''].join('\n');
}

/** The help of `npm run bench`. */
export function benchHelp(): string {
  return helpText('npm run bench -- [flags]', 'Builds a benchmark\'s services at a commit, measures them in a throw-away stack, stores and prints the result.', FLAGS, [
    'Examples:',
    '  npm run bench -- --commit=HEAD',
    '  npm run bench -- --commit=my-branch --against=main --rounds=6',
    '  npm run bench -- --benchmark=caddy --commit=v2.10.0',
    '',
    'Exit codes: 0 measured, 2 wrong flags or files, 3 too few valid rounds, 4 engine, build or stack failed, 130 interrupted.',
    'The fields of benchmark.yaml: docs/benchmark.md. The printed document: docs/run.md.',
  ]);
}
