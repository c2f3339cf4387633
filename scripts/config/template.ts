/** Makes the folder of a new benchmark from a template: benchmarks/templates/ has one folder for each. */
import { cpSync, existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { imageVariable } from './compose-check.ts';
import { topOf } from './identity.ts';
import { didYouMean } from './nearest.ts';
import { shown } from './schema.ts';

/** What is asked for; `folder` counts from `cwd`, and is that of the benchmarks of the checkout where absent. */
export interface Wanted {
  name: string;
  template: string | undefined;
  folder?: string | undefined;
}

/** A benchmark that was made. */
export interface Made {
  name: string;
  dir: string;
  /** Its files, from its folder. */
  files: string[];
  /** As --benchmark takes it. */
  benchmark: string;
  /** The root of the repository that it lies in; null where it lies in none. */
  repository: string | null;
}

/** Longer ones, and others, are no name of an image. */
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const LONGEST = 40;

/** Names of the templates. */
export const templates = (root: string): string[] => readdirSync(join(root, 'benchmarks', 'templates')).sort();

/** Throws a UsageError, and makes nothing, where something is asked for that cannot be. */
export function makeBenchmark(wanted: Wanted, { root, cwd }: { root: string; cwd: string }): Made {
  const { name } = wanted;
  if (!NAME.test(name) || name.length > LONGEST)
    throw new UsageError(
      `the name of a benchmark must be lower-case letters and digits, joined by -, starting with a letter, at most ${LONGEST}; got ${shown(name)}`,
    );
  const template = chooseTemplate(wanted.template, templates(root));
  const dir = join(chooseParent(wanted.folder, { root, cwd }), name);
  if (/\s/.test(dir))
    throw new UsageError(`the path of a benchmark must have no space in it, got ${shown(dir)}`, {
      hint: 'benchmark.yaml takes none in the path of a repository. Take another --folder.',
    });
  if (existsSync(dir))
    throw new UsageError(`${dir} is there already; nothing was changed`, {
      hint: 'Take another name, another --folder, or remove it first.',
    });
  const top = topOf(dir);
  const isOwn = dir === join(realpathSync(root), 'benchmarks', name);
  const made: Made = { name, dir, files: [], benchmark: isOwn ? name : dir, repository: top };
  const values = {
    name,
    image: `\${${imageVariable(name)}}`,
    repository: inYaml(top === realpathSync(root) ? '.' : (top ?? dir)),
    context: inYaml(join(top === null ? '' : relative(top, dir), 'service')),
    benchmark: inShell(made.benchmark),
  };
  try {
    cpSync(join(root, 'benchmarks', 'templates', template), dir, { recursive: true, errorOnExist: true, force: false });
    made.files = filesOf(dir);
    for (const file of made.files)
      writeFileSync(join(dir, file), filled(readFileSync(join(dir, file), 'utf8'), values));
  } catch (error) {
    rmSync(dir, { recursive: true, force: true }); // it was not there before
    throw error;
  }
  return made;
}

function chooseTemplate(asked: string | undefined, names: string[]): string {
  const hint = `Templates: ${names.join(', ')}.`;
  if (asked === undefined) throw new UsageError('--template must say what it is made from', { hint });
  if (names.includes(asked)) return asked;
  throw new UsageError(`there is no template ${shown(asked)}${didYouMean(asked, names)}`, { hint });
}

function chooseParent(folder: string | undefined, { root, cwd }: { root: string; cwd: string }): string {
  if (folder === undefined) return join(realpathSync(root), 'benchmarks');
  const parent = resolve(cwd, folder);
  if (existsSync(parent) && statSync(parent).isDirectory()) return realpathSync(parent);
  throw new UsageError(`--folder must be a folder that is there, got ${folder}`, {
    hint: `mkdir -p ${inShell(parent)}`,
  });
}

/** `{{word}}` by its value. */
function filled(text: string, values: Record<string, string>): string {
  return text.replace(/\{\{(\w+)\}\}/g, (_, word: string) => {
    if (values[word] === undefined) throw new TypeError(`a template has {{${word}}}, which has no value`);
    return values[word];
  });
}

const filesOf = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort();

const isPlain = (text: string) => /^[\w./-]+$/.test(text);
const inYaml = (text: string) => (isPlain(text) ? text : JSON.stringify(text));
const inShell = (text: string) => (isPlain(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The file of the service that a first change is tried in. */
const firstChanged = (files: string[]) =>
  files.includes('service/consumer.ts') ? 'service/consumer.ts' : 'service/server.ts';

/** What to do next, as lines that a shell takes as they are, called from the root of the checkout. */
export function nextSteps({ name, dir, files, benchmark, repository }: Made): string {
  const top = inShell(repository ?? dir);
  const path = repository === null ? '--all' : inShell(relative(repository, dir));
  const bench = `npm run bench -- --benchmark=${inShell(benchmark)}`;
  return [
    '# commit it: Mayfly builds commits',
    ...(repository === null ? [`git init --quiet ${top}`] : []),
    `git -C ${top} add ${path}`,
    `git -C ${top} commit --quiet --message=${inShell(`Benchmark ${name}`)}${repository === null ? '' : ` -- ${path}`}`,
    '# measure it once',
    `${bench} --against=none --rounds=1`,
    `# change ${basename(dir)}/${firstChanged(files)}, then compare what is not committed with what is`,
    `${bench} --commit=worktree --against=HEAD`,
  ].join('\n');
}
