/** What every command that gives a verdict does with it: the files that were asked for, and the exit code. */
import { randomUUID } from 'node:crypto';
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { VerdictOutputs } from '../config/flags.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import type { RunDocument } from '../documents/run.ts';
import type { Verdict, VerdictDocument } from '../documents/verdict.ts';
import { verdictBmf } from '../report/bmf.ts';
import { verdictJunit } from '../report/junit.ts';
import { verdictMarkdown } from '../report/markdown.ts';
import { verdictOpenMetrics } from '../report/openmetrics.ts';

type Format = keyof VerdictOutputs['files'];

/** Exit code of a command that ends with this verdict. `strict`: what is not decided fails too. */
export function exitCodeOf(verdict: Verdict, strict: boolean): number {
  if (verdict === 'INVALID') return EXIT.invalid;
  return verdict === 'REGRESSION' || (verdict === 'INCONCLUSIVE' && strict) ? EXIT.regression : EXIT.pass;
}

/**
 * Throws a UsageError where a file could not be written, before anything is measured for it. Files are named from
 * `cwd`.
 */
export function checkVerdictFiles(outputs: VerdictOutputs, cwd: string): void {
  const taken = new Map<string, Format>();
  for (const [format, file] of filesOf(outputs)) {
    const target = targetOf(format, file, cwd);
    const other = taken.get(target);
    if (other)
      throw new UsageError(`--${other} and --${format} name the same file ${JSON.stringify(file)}`, {
        hint: 'Give each format a file of its own.',
      });
    taken.set(target, format);
  }
}

/**
 * Writes every file that was asked for, whole: nobody reads half of one. `links`: URLs of the run. `failure`: what is said
 * of a candidate that is not well, the sentence and then what its containers say; it fails, whatever was judged by then.
 */
export function writeVerdictFiles(
  outputs: VerdictOutputs,
  cwd: string,
  verdict: VerdictDocument,
  run: RunDocument,
  links: readonly string[],
  failure?: string,
): void {
  const texts: Record<Format, () => string> = {
    markdown: () => verdictMarkdown(verdict, run, links, failure),
    junit: () => verdictJunit(verdict, run, outputs.strict, failure),
    bmf: () => verdictBmf(verdict, run),
    openmetrics: () => verdictOpenMetrics(verdict, failure !== undefined),
  };
  for (const [format, file] of filesOf(outputs)) {
    const target = targetOf(format, file, cwd);
    const temporary = temporaryBeside(target);
    try {
      writeFileSync(temporary, texts[format]());
      renameSync(temporary, target);
    } finally {
      rmSync(temporary, { force: true });
    }
  }
}

const filesOf = ({ files }: VerdictOutputs) => Object.entries(files) as [Format, string][];
const temporaryBeside = (target: string) => join(dirname(target), `.${basename(target).slice(0, 100)}.${randomUUID()}`);

/** The absolute path behind links; UsageError where nothing can be written there. */
function targetOf(format: Format, file: string, cwd: string): string {
  const refuse = (what: string, cause?: unknown) =>
    new UsageError(`--${format}=${file}: ${what}`, {
      hint: 'Name a file in a folder that is there and may be written to.',
      cause,
    });
  const path = resolve(cwd, file);
  const seen = (path: string) => {
    try {
      return statSync(path, { throwIfNoEntry: false });
    } catch (cause) {
      throw refuse(`it cannot be reached (${(cause as NodeJS.ErrnoException).code})`, cause);
    }
  };
  const there = seen(path);
  if (there?.isDirectory()) throw refuse('it is a folder');
  if (there && !there.isFile()) throw refuse('it is not a file');
  if (/[/\\]$/.test(file)) throw refuse('it names a folder');
  if (!seen(dirname(path))?.isDirectory()) throw refuse(`there is no folder ${JSON.stringify(dirname(file))}`);
  const target = there ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path));
  const probe = temporaryBeside(target);
  try {
    writeFileSync(probe, '', { flag: 'wx' }); // rights alone do not tell: a read-only disk, a full one, /proc
    rmSync(probe);
  } catch (cause) {
    throw refuse(`nothing can be written to its folder (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  return target;
}
