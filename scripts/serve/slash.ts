/** Commands in comments: /bench and what may follow it. Pure. */
import { nearest } from '../config/nearest.ts';

export type SlashCommand =
  | { kind: 'run'; benchmark?: string; against?: string; commit?: string; overrides: { rate?: string; duration?: string } }
  | { kind: 'cancel' }
  | { kind: 'help' }
  /** Not understood; the text says what and what is allowed. */
  | { kind: 'wrong'; text: string };

const KEYS = ['rate', 'duration', 'against', 'commit'] as const;
/** What git takes as the name of a commit, and nothing that a flag could be mistaken for. */
const REF = /^(?!-)[\w./@^~{}-]{1,200}$/;
const RATE = /^\d{1,6}(\.\d{1,3})?$/;
const DURATION = /^(\d{1,4}(ms|s|m|h)){1,3}$/;
const HASH = /^[0-9a-f]{7,64}$/i;

/** The command of a comment, which stands on its first line that is not empty; nothing where the comment is no command. `benchmarks`: those of the repository. */
export function parseSlash(comment: string, benchmarks: readonly string[]): SlashCommand | undefined {
  const line = comment.split(/\r?\n/).find((one) => one.trim() !== '')?.trim() ?? '';
  const [word, ...rest] = line.split(/\s+/);
  if (word !== '/bench') return undefined;
  if (rest[0] === 'help') return { kind: 'help' };
  if (rest[0] === 'cancel') return rest.length === 1 ? { kind: 'cancel' } : { kind: 'wrong', text: '`cancel` stands alone' };
  const command: SlashCommand & { kind: 'run' } = { kind: 'run', overrides: {} };
  for (const part of rest) {
    const wrong = take(part, command, benchmarks);
    if (wrong) return { kind: 'wrong', text: wrong };
  }
  return command;
}

/** Adds one word to the command; gives what is wrong with it. */
function take(part: string, command: SlashCommand & { kind: 'run' }, benchmarks: readonly string[]): string | undefined {
  const [, key, value] = /^([a-z]+)=(.*)$/s.exec(part) ?? [];
  if (key === undefined) {
    if (command.benchmark !== undefined) return `${quoted(part)} is one word too many`;
    if (!benchmarks.includes(part)) return `there is no benchmark ${quoted(part)} for this repository${meant(part, benchmarks)}; there is ${benchmarks.join(', ')}`;
    command.benchmark = part;
    return undefined;
  }
  if (!(KEYS as readonly string[]).includes(key)) return `${quoted(key)} is not known${meant(key, KEYS)}; allowed here: ${KEYS.join(', ')}`;
  const fits = { rate: RATE, duration: DURATION, against: REF, commit: HASH }[key as (typeof KEYS)[number]].test(value!);
  if (!fits) return `${key} must be ${FORM[key as (typeof KEYS)[number]]}, got ${quoted(value!)}`;
  if (key === 'against' || key === 'commit') command[key] = value!;
  else command.overrides[key as 'rate' | 'duration'] = value!;
  return undefined;
}

const FORM = { rate: 'a number of requests per second like `rate=500`', duration: 'a time like `duration=2m`', against: 'a commit, branch or tag like `against=v1.2`', commit: 'a hash of at least 7 digits like `commit=1f2e3d4`' };

const quoted = (text: string) => JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}...` : text);
const meant = (text: string, words: readonly string[]) => {
  const near = nearest(text, [...words]);
  return near ? ` (did you mean ${near}?)` : '';
};

/** The answer to /bench help. */
export function slashHelp(benchmarks: readonly string[]): string {
  return [
    'Commands, on the first line of a comment, from people with write access:',
    '',
    '| comment | what happens |',
    '| --- | --- |',
    '| `/bench` | every benchmark of this repository measures the head of this pull request against where it left the default branch |',
    `| \`/bench ${benchmarks[0] ?? 'NAME'}\` | one benchmark (${benchmarks.join(', ')}) |`,
    '| `/bench rate=500 duration=2m against=v1.2` | with another load, or against another commit |',
    '| `/bench commit=1f2e3d4` | another commit of this pull request: for a fork, the one that was read |',
    '| `/bench cancel` | ends what waits or runs for this pull request |',
    '| `/bench help` | this text |',
  ].join('\n');
}
