/** The shape that the small commands share: flags by a table, arguments by count, --help, and the edge of cli.ts. */
import { main, type Io } from './cli.ts';
import { helpText, parseFlags, type Flag, type GivenFlags } from './config/flags.ts';
import { EXIT, UsageError } from './errors.ts';

export interface Command {
  /** As it is called: `npm run <name>`. */
  name: string;
  about: string;
  flags?: readonly Flag[];
  /** What stands after `--` besides flags: how it is written, how many at least and at most, and where the user finds it. Absent: nothing. */
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
export function command(spec: Command, work: (io: Io, given: Given) => Promise<number>): Promise<void> {
  return main(async (io) => {
    const flags = [...(spec.flags ?? []), HELP];
    const usage = `npm run ${spec.name} -- ${spec.takes ? `${spec.takes.text} ` : ''}[flags]`;
    const { values, positionals } = parseFlags(process.argv.slice(2), flags, spec.name);
    if (values.help) {
      io.stdout(helpText(usage, spec.about, flags));
      return EXIT.pass;
    }
    const { min, max, what, hint } = spec.takes ?? { min: 0, max: 0, what: '', hint: undefined };
    if (max === 0 && positionals.length > 0) throw new UsageError(`${JSON.stringify(positionals[0])} is not a flag`, { hint: `usage: ${usage}` });
    if (positionals.length < min || positionals.length > max) {
      throw new UsageError(`${spec.name} needs ${what}, got ${positionals.length}`, { hint: `usage: ${usage}${hint ? `; ${hint}` : ''}` });
    }
    return work(io, { values, positionals, text: (name) => values[name]?.[0], has: (name) => values[name] !== undefined });
  });
}

/** --json of a command that prints a document of this schema. */
export const jsonFlag = (schema: string): Flag => ({ name: 'json', help: `print one JSON document (schema ${schema})` });
