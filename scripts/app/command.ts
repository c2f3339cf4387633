/** The shape that the small commands share: flags by a table, arguments by count, --help, and the edge of cli.ts. */

import { type Flag, type GivenFlags, helpText, parseFlags } from '../config/flags.ts';
import { nearest } from '../config/nearest.ts';
import { type Io, main } from '../core/cli.ts';
import { EXIT, UsageError } from '../core/errors.ts';

export interface Command {
  /** As it is called: `npm run <name>`. */
  name: string;
  about: string;
  flags?: readonly Flag[];
  /**
   * What stands after `--` besides flags: how it is written, how many at least and at most, and where the user finds
   * it. Absent: nothing.
   */
  takes?: { text: string; min: number; max: number; what: string; hint?: string };
}

export interface Given {
  /** The values of a flag in order; undefined where it was not given. */
  values: GivenFlags['values'];
  positionals: string[];
  /** The only value of a flag. */
  text(name: string): string | undefined;
  has(name: string): boolean;
}

const HELP: Flag = { name: 'help', help: 'this text' };

/** Runs a command: prints its help, refuses what it does not take, and ends the process with what `work` returns. */
export function command(spec: Command, work: Work): Promise<void> {
  return main((io) =>
    runCommand(spec, { called: `npm run ${spec.name} --`, help: spec.name }, process.argv.slice(2), io, work),
  );
}

type Work = (io: Io, given: Given) => Promise<number>;

/** One of the commands behind a first word; its `name` is that word. */
export interface Subcommand extends Command {
  work: Work;
}

/**
 * Runs the command that the first argument names. Each has flags and a help of its own; --help alone lists them all.
 * UsageError for an unknown word.
 */
export function commands(name: string, about: string, subcommands: readonly Subcommand[]): Promise<void> {
  return main(async (io) => {
    const [word, ...rest] = process.argv.slice(2);
    if (word === '--help' || word === '-h') {
      io.stdout(listText(name, about, subcommands));
      return EXIT.pass;
    }
    const names = subcommands.map((one) => one.name);
    const wanted = subcommands.find((one) => one.name === word);
    if (wanted)
      return runCommand(
        { ...wanted, name: `${name} ${word}` },
        { called: `npm run ${name} -- ${word}`, help: name },
        rest,
        io,
        wanted.work,
      );
    const near = word && nearest(word, names);
    const what =
      word === undefined
        ? `${name} needs to know what to do`
        : `${name} cannot ${JSON.stringify(word)}${near ? ` (did you mean ${near}?)` : ''}`;
    throw new UsageError(what, { hint: `One of ${names.join(', ')}; npm run ${name} -- --help explains them.` });
  });
}

function listText(name: string, about: string, subcommands: readonly Subcommand[]): string {
  const written = subcommands.map((one) => `${one.name}${one.takes ? ` ${one.takes.text}` : ''}`);
  const width = Math.max(...written.map((text) => text.length));
  const lines = subcommands.map((one, i) => `  ${written[i]!.padEnd(width)}  ${one.about}`);
  return [
    `usage: npm run ${name} -- COMMAND [flags]`,
    '',
    about,
    '',
    ...lines,
    '',
    `npm run ${name} -- COMMAND --help lists the flags of one.`,
    '',
  ].join('\n');
}

/** `called`: how the user calls it. `help`: the command whose --help is pointed to after a wrong flag. */
async function runCommand(
  spec: Command,
  { called, help }: { called: string; help: string },
  args: string[],
  io: Io,
  work: Work,
): Promise<number> {
  const flags = [...(spec.flags ?? []), HELP];
  const usage = `${called} ${spec.takes ? `${spec.takes.text} ` : ''}[flags]`;
  const { values, positionals } = parseFlags(args, flags, help);
  if (values.help) {
    io.stdout(helpText(usage, spec.about, flags));
    return EXIT.pass;
  }
  const { min, max, what, hint } = spec.takes ?? { min: 0, max: 0, what: '', hint: undefined };
  if (max === 0 && positionals.length > 0)
    throw new UsageError(`${JSON.stringify(positionals[0])} is not a flag`, { hint: `usage: ${usage}` });
  if (positionals.length < min || positionals.length > max) {
    throw new UsageError(`${spec.name} needs ${what}, got ${positionals.length}`, {
      hint: `usage: ${usage}${hint ? `; ${hint}` : ''}`,
    });
  }
  return work(io, {
    values,
    positionals,
    text: (name) => values[name]?.[0],
    has: (name) => values[name] !== undefined,
  });
}

/** --json of a command that prints a document of this schema. */
export const jsonFlag = (schema: string): Flag => ({
  name: 'json',
  help: `print one JSON document (schema ${schema})`,
});

/** The value of a flag that takes a whole number; UsageError where it is none or out of bounds. */
export function wholeNumber(
  flag: string,
  text: string | undefined,
  { least, most, fallback }: { least: number; most: number; fallback: number },
): number {
  if (text === undefined) return fallback;
  if (/^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
  throw new UsageError(`--${flag} must be a whole number from ${least} to ${most}, got ${JSON.stringify(text)}`);
}

/** The value of --limit. */
export const limitOf = (text: string | undefined, fallback: number): number =>
  wholeNumber('limit', text, { least: 1, most: 999_999, fallback });

/** Which archive a command means. */
export const ARCHIVE_FLAG: Flag = { name: 'archive', value: 'NAME', help: 'which archive; default `default`' };
