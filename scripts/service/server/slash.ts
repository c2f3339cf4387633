/** Commands in comments: /bench and what may follow it. Pure. */
import { didYouMean } from '../../config/nearest.ts';
import { parseDuration } from '../../config/quantities.ts';
import { shown } from '../../config/schema.ts';
import type { JobOverrides } from '../../documents/job.ts';

export type SlashCommand =
  /** `commit`: a hash or its beginning, in lower case. */
  | { kind: 'run'; benchmark?: string; against?: string; commit?: string; overrides: JobOverrides }
  | { kind: 'cancel' }
  /** `reason`: in the words of the comment; escape it. */
  | { kind: 'accept'; reason: string }
  | { kind: 'unaccept' }
  | { kind: 'help' }
  /** Not understood; the text says what and what is allowed. It repeats words of the comment: escape it. */
  | { kind: 'wrong'; text: string };

const LONGEST = 500;

/**
 * The line of a comment that holds a command: the first one that is not empty, where it begins with /bench; no more
 * than 500 characters and the one that is too many.
 */
export function commandLine(comment: string): string | undefined {
  const line =
    comment
      .split(/[\r\n]+/)
      .find((one) => one.trim() !== '')
      ?.trim() ?? '';
  return /^\/bench(?!\S)/.test(line) ? line.slice(0, LONGEST + 1) : undefined;
}

/** The command of a comment; nothing where the comment is no command. `benchmarks`: those of the repository. */
export function parseSlash(comment: string, benchmarks: readonly string[]): SlashCommand | undefined {
  const line = commandLine(comment);
  if (line === undefined) return undefined;
  if (line.length > LONGEST) return { kind: 'wrong', text: `the command has more than ${LONGEST} characters` };
  const [, ...words] = line.split(/\s+/);
  if (words[0] === 'help') return { kind: 'help' };
  if (words[0] === 'cancel' || words[0] === 'unaccept')
    return words.length === 1 ? { kind: words[0] } : { kind: 'wrong', text: `${words[0]} stands alone` };
  if (words[0] === 'accept')
    return words.length > 1
      ? { kind: 'accept', reason: words.slice(1).join(' ') }
      : { kind: 'wrong', text: 'accept needs a reason, such as /bench accept the new check is worth 3 %' };
  const command: Run = { kind: 'run', overrides: {} };
  for (const word of words) {
    const wrong = take(word, command, benchmarks);
    if (wrong) return { kind: 'wrong', text: wrong };
  }
  return command;
}

type Run = SlashCommand & { kind: 'run' };

interface Key {
  fits(value: string): boolean;
  form: string;
  get(command: Run): string | undefined;
  set(command: Run, value: string): void;
}

/** Which of them there are the worker knows. */
const isVariant = (value: string) => /^[a-z][a-z0-9-]{0,39}$/.test(value);

const KEYS: Record<string, Key> = {
  rate: {
    fits: (value) => /^\d{1,7}(\.\d{1,6})?$/.test(value) && Number(value) > 0 && Number(value) <= 1_000_000,
    form: 'a number of requests per second from 0 to 1000000, such as rate=500',
    get: ({ overrides }) => overrides.rate,
    set: ({ overrides }, value) => (overrides.rate = value),
  },
  duration: {
    fits: (value) => value.length <= 40 && (parseDuration(value) ?? 0) > 0,
    form: 'a time such as duration=2m or duration=1m30s',
    get: ({ overrides }) => overrides.duration,
    set: ({ overrides }, value) => (overrides.duration = value),
  },
  variant: {
    fits: isVariant,
    form: 'a variant of the benchmark such as variant=scaled',
    get: ({ overrides }) => overrides.variant,
    set: ({ overrides }, value) => (overrides.variant = value),
  },
  'against-variant': {
    fits: isVariant,
    form: 'a variant of the benchmark such as against-variant=single',
    get: ({ overrides }) => overrides.against_variant,
    set: ({ overrides }, value) => (overrides.against_variant = value),
  },
  against: {
    // What git takes as the name of a commit, nothing that a flag could be mistaken for, and no head of a pull request,
    // which moves.
    fits: (value) => /^(?!-)[\w./@^~{}+-]{1,200}$/.test(value) && !/(^|\/)pull\/|^worktree/.test(value),
    form: 'a commit, branch or tag such as against=v1.2',
    get: ({ against }) => against,
    set: (command, value) => (command.against = value),
  },
  commit: {
    fits: (value) => /^[0-9a-f]{7,64}$/i.test(value),
    form: 'a hash of at least 7 digits such as commit=1f2e3d4',
    get: ({ commit }) => commit,
    set: (command, value) => (command.commit = value.toLowerCase()),
  },
};

/** Adds one word to the command; gives what is wrong with it. */
function take(word: string, command: Run, benchmarks: readonly string[]): string | undefined {
  const [, name, value] = /^([a-z-]+)=(.*)$/is.exec(word) ?? [];
  if (name === undefined) return takeBenchmark(word, command, benchmarks);
  const key = Object.hasOwn(KEYS, name) ? KEYS[name]! : undefined;
  if (!key)
    return `${shown(name)} is not known${didYouMean(name, Object.keys(KEYS))}; allowed here: ${Object.keys(KEYS).join(', ')}`;
  if (key.get(command) !== undefined) return `${name} is there twice`;
  if (!key.fits(value!)) return `${name} must be ${key.form}, got ${shown(value)}`;
  key.set(command, value!);
  return undefined;
}

function takeBenchmark(word: string, command: Run, benchmarks: readonly string[]): string | undefined {
  if (command.benchmark !== undefined) return `${shown(word)} is one word too many`;
  if (!benchmarks.includes(word))
    return `there is no benchmark ${shown(word)} for this repository${didYouMean(word, [...benchmarks, 'accept', 'unaccept', 'cancel', 'help'])}; there is ${benchmarks.join(', ')}`;
  command.benchmark = word;
  return undefined;
}

/** The answer to /bench help. */
export function slashHelp(benchmarks: readonly string[]): string {
  return [
    'Commands, on the first line of a comment, from people with write access:',
    '',
    '| comment | what happens |',
    '| --- | --- |',
    '| `/bench` | every benchmark of this repository measures the head of this pull request against where it left its base |',
    `| \`/bench ${benchmarks[0] ?? 'NAME'}\` | one benchmark (${benchmarks.join(', ')}) |`,
    '| `/bench rate=500 duration=2m against=v1.2` | with another load, or against another commit |',
    '| `/bench variant=scaled against-variant=single` | two deployments of the benchmark: one commit in both, or with `against` |',
    '| `/bench commit=1f2e3d4` | another commit of this pull request; for a fork, the whole hash of the one that was read |',
    '| `/bench accept REASON` | what fails by its verdict at the head of this pull request is wanted: its check becomes a success that says who and why |',
    '| `/bench unaccept` | takes that back |',
    '| `/bench cancel` | ends what waits or runs for this pull request |',
    '| `/bench help` | this text |',
  ].join('\n');
}
