/** The commits between a good and a bad one, and which of them are another build. */

import type { Context } from '../../app/context.ts';
import type { Config } from '../../config/types.ts';
import { UsageError } from '../../core/errors.ts';
import { shortCommit } from '../../engine/names.ts';
import { type Commit, findCommit } from '../../plan/commit.ts';
import { complaint, git } from '../../plan/git.ts';
import type { BisectCommit } from '../../report/bisect-text.ts';

type Surroundings = Pick<Context, 'paths' | 'progress' | 'signal'>;

/**
 * The good commit and all after it up to the bad one, oldest first, along first parents: merged branches count as one.
 */
export async function listCommits(
  config: Config,
  refs: { good: string; bad: string },
  ctx: Surroundings,
): Promise<BisectCommit[]> {
  const repository = repositoryOf(config);
  const good = await oneCommit('good', refs.good, repository, ctx);
  const bad = await oneCommit('bad', refs.bad, repository, ctx);
  if (good.commit === bad.commit)
    throw new UsageError(`--good and --bad are the same commit, ${shortCommit(good.commit)}`, {
      hint: 'Name an older commit with --good.',
    });
  const isAncestor = await git(good.repository, ['merge-base', '--is-ancestor', good.commit, bad.commit], ctx);
  if (isAncestor.exitCode !== 0) {
    throw new UsageError(
      `--good=${refs.good} (${shortCommit(good.commit)}) is not an ancestor of --bad=${refs.bad} (${shortCommit(bad.commit)})`,
      {
        hint: 'Name a commit before the bad one, for example their merge-base; a shallow clone needs `git fetch --unshallow` first.',
      },
    );
  }
  const range = `${good.commit}..${bad.commit}`;
  const listed = await lines(
    good.repository,
    ['--reverse', `--format=${FIELDS.join('%x00')}`, '--end-of-options', range, '--'],
    ctx,
  );
  const changing = new Set(await changingCommits(good.repository, range, config, ctx));
  const [first] = await lines(
    good.repository,
    ['-1', `--format=${FIELDS.join('%x00')}`, '--end-of-options', good.commit, '--'],
    ctx,
  );
  return number([first!, ...listed].map(parse), changing);
}

const FIELDS = ['%H', '%P', '%aI', '%s'];
type Listed = Omit<BisectCommit, 'build'> & { parent: string };

function parse(line: string): Listed {
  const [commit, parents, author_date, ...subject] = line.split('\0');
  return { commit: commit!, parent: parents!.split(' ')[0]!, author_date: author_date!, subject: subject.join(' ') };
}

/**
 * Neighbours whose build context is the same are one build: 0 is that of the good commit. What does not follow its
 * neighbour (the good one lies on a merged branch) counts as another.
 */
function number(listed: readonly Listed[], changing: ReadonlySet<string>): BisectCommit[] {
  let build = 0;
  return listed.map(({ parent, ...commit }, i) => {
    if (i > 0 && (changing.has(commit.commit) || parent !== listed[i - 1]!.commit)) build++;
    return { ...commit, build };
  });
}

function repositoryOf({ builds, benchmark, file }: Config): string {
  const repositories = new Set(
    Object.values(builds).flatMap((recipe) => (recipe.kind === 'git' ? [recipe.repository] : [])),
  );
  if (repositories.size === 1) return repositories.values().next().value!;
  if (repositories.size === 0)
    throw new UsageError(
      `${file}: nothing is built from git here, so there are no commits between two versions of ${benchmark}`,
      { hint: 'Compare two versions: npm run bench -- --commit=NEW --against=OLD.' },
    );
  throw new UsageError(
    `${file}: ${benchmark} is built from ${repositories.size} git repositories, whose commits have no common order`,
    { hint: 'Search in a benchmark that is built from one of them.' },
  );
}

function oneCommit(flag: 'good' | 'bad', ref: string, repository: string, ctx: Surroundings): Promise<Commit> {
  if (/^worktree(-|$)/.test(ref))
    throw new UsageError(`--${flag}=${ref} is no commit`, { hint: 'Commit the changes, and name the commit.' });
  return findCommit(repository, ref, ctx);
}

/**
 * Commits whose build context is not that of their first parent. All of them, where a build takes more than git
 * folders.
 */
async function changingCommits(
  folder: string,
  range: string,
  { builds }: Config,
  ctx: Surroundings,
): Promise<string[]> {
  const recipes = Object.values(builds);
  const byCommit = recipes.some(
    (recipe) => recipe.kind === 'command' || (recipe.kind === 'image' && recipe.image.includes('${commit}')),
  );
  const contexts = recipes.flatMap((recipe) =>
    recipe.kind === 'git' ? [recipe.context.replace(/^\.\//, '').replace(/\/$/, '')] : [],
  );
  const paths = byCommit || contexts.includes('.') ? [] : contexts.map((context) => `:(top,literal)${context}`);
  // Of a whole repository a commit that changes no file is the same build too, which only a path tells.
  return lines(
    folder,
    ['--format=%H', '--end-of-options', range, '--', ...(byCommit ? [] : paths.length > 0 ? paths : [':(top)'])],
    ctx,
  );
}

/** What git log says of the first parents, line by line. */
async function lines(folder: string, args: string[], ctx: Surroundings): Promise<string[]> {
  const done = await git(folder, ['log', '--first-parent', '--no-show-signature', ...args], ctx);
  if (done.exitCode !== 0)
    throw new UsageError(`git could not list the commits of ${folder}: ${complaint(done)}`, {
      hint: 'Does `git log` work there?',
    });
  return done.stdout.split('\n').filter(Boolean);
}
