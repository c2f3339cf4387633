/** The flags of `npm run bench`: one table that parses, explains and documents them. Pure. */
import { parseArgs } from 'node:util';
import { UsageError } from '../core/errors.ts';
import { nearest } from './nearest.ts';

export interface Flag {
  name: string;
  /** What stands for the value in the help; absent for a flag without one. */
  value?: string;
  /** May be given more than once. */
  many?: boolean;
  help: string;
}

/** Of every command that gives a verdict. */
export const VERDICT_FLAGS: readonly Flag[] = [
  { name: 'strict', help: 'exit with 1 for INCONCLUSIVE too' },
  { name: 'markdown', value: 'FILE', help: 'write the verdict as the text of a pull-request comment' },
  { name: 'junit', value: 'FILE', help: 'write the verdict as JUnit XML' },
  { name: 'bmf', value: 'FILE', help: "write the candidate's figures in Bencher Metric Format" },
  { name: 'openmetrics', value: 'FILE', help: 'write verdict and figures in OpenMetrics text' },
];

/** What a suggested command needs to mean this benchmark: `shop` is what commands take without a flag. */
export const benchmarkFlag = (benchmark: string): string => (benchmark === 'shop' ? '' : ` --benchmark=${benchmark}`);

export const FLAGS: readonly Flag[] = [
  {
    name: 'benchmark',
    value: 'NAME',
    help: 'folder in benchmarks/, the path of any folder with a benchmark.yaml, or a name under which runs are kept; default shop, or the only one',
  },
  {
    name: 'commit',
    value: 'REF',
    help: 'what is measured: hash, branch, tag, HEAD or worktree (the uncommitted state); the version where nothing is built from git; default HEAD',
  },
  {
    name: 'against',
    value: 'REF',
    help: 'what it is compared with, in the same rounds: a commit, merge-base (the default for a commit that is not on the default branch), anchor (of the default branch: the first commit after its last change), master-set (the stored runs of the default branch; nothing else is measured) or none',
  },
  {
    name: 'variant',
    value: 'NAME',
    help: 'the deployment that is measured, one of variants in benchmark.yaml; default what the top of the file says (docs/deployments.md)',
  },
  {
    name: 'against-variant',
    value: 'NAME',
    help: 'the deployment that it is compared with; default the same one. Without --against it is the same commit in both',
  },
  {
    name: 'branch',
    value: 'NAME',
    help: 'the branch that the commit is for, where that is not the default one: merge-base, anchor and master set are taken of it',
  },
  {
    name: 'paths',
    value: 'PATTERN',
    many: true,
    help: 'compare only where files under it differ, such as src/**, or !docs/** to take out again; may be given many times, the last one that is for a file decides',
  },
  {
    name: 'target',
    value: 'URL',
    help: 'measure what is deployed at this address already, in place of a service that is started here: http or https, host and port; one side, a bounded load, with --commit=LABEL as the version (docs/deployments.md)',
  },
  {
    name: 'i-own-this-target',
    help: 'the address of --target is yours, or its owner knows; without it --target is refused',
  },
  { name: 'pairing', value: 'HOW', help: 'how two sides meet: auto, interleaved or alternating' },
  {
    name: 'max-rounds',
    value: 'N',
    help: 'most rounds of a comparison, which ends as soon as the verdict is clear; default 40 (alternating: 20 blocks of four)',
  },
  { name: 'max-minutes', value: 'N', help: 'begin no round after so many minutes, and say what is known by then' },
  { name: 'resume', value: 'RUN', help: 'go on with a comparison that was interrupted' },
  { name: 'master', help: 'the run joins the master set: the history of the default branch' },
  { name: 'rate', value: 'N', help: 'requests per second for each side, of a load with a constant rate' },
  {
    name: 'duration',
    value: 'TIME',
    help: 'length of the measured window: 20s, 2m, 1m30s; of a load with users the most that it may take; not of one with stages',
  },
  { name: 'warmup', value: 'TIME', help: 'load before the window, not measured' },
  {
    name: 'rounds',
    value: 'N',
    help: 'valid rounds; each starts fresh containers. For a comparison: exactly so many, judged once, at the end',
  },
  {
    name: 'label',
    value: 'KEY=VALUE',
    many: true,
    help: 'kept with the run, to find it again; may be given many times',
  },
  {
    name: 'objstore',
    value: 'FILE',
    help: 'Thanos object-store configuration to ship the metrics to; default a folder bucket',
  },
  {
    name: 'live',
    help: 'show the run in the archive while it goes on, and ship its finished blocks (always so for runs over two hours)',
  },
  {
    name: 'profile',
    help: 'profile every service with telemetry, by its own library where benchmark.yaml says nothing else, in one more round that does not count',
  },
  { name: 'no-profile', help: 'leave out the round that profiles the services' },
  {
    name: 'traces',
    value: 'SHARE',
    help: 'record this share of the traces, such as 10%, also where benchmark.yaml names none',
  },
  { name: 'no-traces', help: 'record no traces; metrics that are read from them are left out' },
  {
    name: 'log-format',
    value: 'FORMAT',
    help: 'what the services log in, and the lines that Mayfly keeps of itself: logfmt or json',
  },
  { name: 'keep', help: 'leave the stack up at the end, to look at it' },
  ...VERDICT_FLAGS,
  {
    name: 'json',
    help: 'print the run as one JSON document (schema mayfly.run/v1, the verdict in it is mayfly.verdict/v1)',
  },
  { name: 'quiet', help: 'no progress; warnings and errors only' },
  { name: 'help', help: 'this text' },
];

/** The flags as the user gave them; numbers and durations are not checked yet. */
export interface BenchFlags {
  benchmark?: string;
  commit?: string;
  against?: string;
  variant?: string;
  againstVariant?: string;
  branch?: string;
  paths?: string[];
  /** Address of what is deployed already. */
  target?: string;
  ownsTarget?: boolean;
  pairing?: string;
  maxRounds?: string;
  maxMinutes?: string;
  resume?: string;
  master: boolean;
  rate?: string;
  duration?: string;
  warmup?: string;
  rounds?: string;
  label: string[];
  objstore?: string;
  live: boolean;
  keep: boolean;
  /** Whether the services are profiled; absent: as benchmark.yaml says. */
  profile?: boolean;
  /** Share of traces that are recorded; false: none. Absent: as benchmark.yaml says. */
  traces?: string | false;
  logFormat?: string;
  json: boolean;
  quiet: boolean;
  verdict: VerdictOutputs;
  /** The help text, where the user asked for it. */
  help?: string;
}

/** Reads the flags of `npm run bench`; throws a UsageError that names the flag and what is allowed. */
export function parseBenchArgs(args: string[]): BenchFlags {
  const given = parseFlags(args, FLAGS, 'bench');
  if (given.positionals.length > 0) {
    throw new UsageError(`${JSON.stringify(given.positionals[0])} is not a flag`, {
      hint: 'Flags are written --commit=REF; see npm run bench -- --help.',
    });
  }
  return benchFlags(given.values);
}

/** Those of `npm run bench` among the flags of a command that passes some of them on; each is checked later. */
export function benchFlags(all: GivenFlags['values'], passed: readonly string[] = Object.keys(all)): BenchFlags {
  const values = Object.fromEntries(Object.entries(all).filter(([name]) => passed.includes(name)));
  const text = (name: string) => values[name]?.[0];
  const on = (name: string) => values[name] !== undefined;
  return {
    benchmark: text('benchmark'),
    commit: text('commit'),
    against: text('against'),
    variant: text('variant'),
    againstVariant: text('against-variant'),
    branch: text('branch'),
    paths: values.paths,
    target: text('target'),
    ownsTarget: on('i-own-this-target'),
    pairing: text('pairing'),
    maxRounds: text('max-rounds'),
    maxMinutes: text('max-minutes'),
    resume: text('resume'),
    master: on('master'),
    verdict: verdictOutputs(text, on),
    rate: text('rate'),
    duration: text('duration'),
    warmup: text('warmup'),
    rounds: text('rounds'),
    label: values.label ?? [],
    objstore: text('objstore'),
    live: on('live'),
    keep: on('keep'),
    profile: chooseProfile(on),
    traces: chooseTraces(text('traces'), on('no-traces')),
    logFormat: text('log-format'),
    json: on('json'),
    quiet: on('quiet'),
    help: on('help') ? benchHelp() : undefined,
  };
}

function chooseProfile(on: (name: string) => boolean): boolean | undefined {
  if (on('profile') && on('no-profile'))
    throw new UsageError('--profile and --no-profile contradict each other', { hint: 'Leave one of them out.' });
  return on('profile') || (on('no-profile') ? false : undefined);
}

function chooseTraces(share: string | undefined, none: boolean): string | false | undefined {
  if (share !== undefined && none)
    throw new UsageError('--traces and --no-traces contradict each other', { hint: 'Leave one of them out.' });
  return none ? false : share;
}

/** What a command that gives a verdict does with it. */
export interface VerdictOutputs {
  /** Exit code 1 for INCONCLUSIVE. */
  strict: boolean;
  /** Format -> file, as the user wrote it. */
  files: Partial<Record<'markdown' | 'junit' | 'bmf' | 'openmetrics', string>>;
}

/** Reads VERDICT_FLAGS. */
export function verdictOutputs(
  text: (name: string) => string | undefined,
  on: (name: string) => boolean,
): VerdictOutputs {
  const files = (['markdown', 'junit', 'bmf', 'openmetrics'] as const).flatMap((format) =>
    text(format) === undefined ? [] : [[format, text(format)!] as const],
  );
  return { strict: on('strict'), files: Object.fromEntries(files) };
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
  const options = Object.fromEntries(
    flags.map(({ name, value }) => [name, { type: value ? ('string' as const) : ('boolean' as const) }]),
  );
  const expanded = args.map((arg) => (arg === '-h' ? '--help' : arg));
  const { tokens } = parseArgs({ args: expanded, options, strict: false, tokens: true, allowPositionals: true });
  const given: GivenFlags = { values: {}, positionals: [] };
  for (const token of tokens) {
    if (token.kind === 'positional') given.positionals.push(token.value);
    if (token.kind === 'option') take(token, flags, given, `see npm run ${command} -- --help`);
  }
  return given;
}

function take(
  token: { name: string; rawName: string; value?: string; inlineValue?: boolean },
  flags: readonly Flag[],
  given: GivenFlags,
  hint: string,
): void {
  const flag = flags.find(({ name }) => token.rawName === `--${name}`);
  if (!flag) {
    const near = nearest(
      token.name,
      flags.map(({ name }) => name),
    );
    throw new UsageError(`${token.rawName} is not a flag${near ? ` (did you mean --${near}?)` : ''}`, { hint });
  }
  const { name, value, many } = flag;
  if (!value && token.inlineValue)
    throw new UsageError(`--${name} takes no value, got ${JSON.stringify(token.value)}`, { hint });
  // Without a strict mode the parser takes the next flag for a value.
  const swallowed = !token.inlineValue && /^--?[a-z]/i.test(token.value ?? '');
  if (value && (!token.value || swallowed))
    throw new UsageError(`--${name} needs a value: --${name}=${value}`, { hint });
  if (given.values[name] && !many) throw new UsageError(`--${name} is given twice`, { hint });
  given.values[name] = [...(given.values[name] ?? []), ...(value ? [token.value!] : [])];
}

/** ["team=web"] -> { team: 'web' }; throws a UsageError where one is not KEY=VALUE or is there twice. */
export function parseLabels(given: string[]): Record<string, string> {
  const labels = new Map<string, string>();
  for (const text of given) {
    const [, key, value] = /^([A-Za-z_][A-Za-z0-9_.-]{0,62})=([^\p{Cc}]{0,200})$/u.exec(text) ?? [];
    if (key === undefined)
      throw new UsageError(
        `--label must be KEY=VALUE, with letters, digits and _ . - in the key, got ${JSON.stringify(text)}`,
      );
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
  return helpText(
    'npm run bench -- [flags]',
    "Builds a benchmark's services at a commit, measures them in a throw-away stack, compares them with a baseline, stores and prints the result.",
    FLAGS,
    [
      'Examples:',
      '  npm run bench -- --commit=HEAD',
      '  npm run bench -- --commit=my-branch --against=main',
      '  npm run bench -- --benchmark=uploads --variant=scaled --against-variant=single',
      '  npm run bench -- --commit=HEAD --max-minutes=10 --markdown=comment.md --junit=report.xml',
      '  npm run bench -- --benchmark=caddy --commit=v2.10.0',
      '  npm run bench -- --target=https://staging.example.org --i-own-this-target --commit=v41 --rate=20',
      '',
      'Exit codes: 0 PASS, IMPROVEMENT, INCONCLUSIVE, or measured alone; 1 REGRESSION; 2 wrong flags or files; 3 INVALID: too few valid rounds; 4 engine, build or stack failed; 130 interrupted.',
      'The fields of benchmark.yaml: docs/benchmark.md. The printed document: docs/run.md.',
    ],
  );
}
