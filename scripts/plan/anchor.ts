/**
 * The commit that a branch is measured against: which ones come into question, from what is stored, and which of them is
 * still part of the branch.
 */
import type { Context } from '../app/context.ts';
import { MayflyError } from '../core/errors.ts';
import { shortCommit } from '../engine/names.ts';
import { type Commit, describeCommit, findCommit } from './commit.ts';
import { isAncestor, isShallow } from './merge-base.ts';

/** A commit that may be the anchor, and the host on which it would be by itself. */
interface Possible {
  commit: string;
  host_id: string;
}

/** Whose anchor it is; `branch`: absent for the default one. `variant`: absent for none. */
interface Line {
  benchmark: string;
  branch?: string | undefined;
  variant?: string | undefined;
  host_id: string;
}

/**
 * The commits that may be the anchor, the best first. Of this host: those that begin a new level (the first commit after
 * a confirmed change, or one whose regression somebody has accepted), the last one first; then what its first run was
 * measured against, then the commits of its runs, the oldest first. Then the same of the other hosts, the one that was
 * measured on last first: a new host, or one whose kernel or engine was changed, goes on from there, or a commit that
 * came in between would be what all others are measured against.
 */
function possibleAnchors({ benchmark, branch, variant, host_id }: Line, store: Context['store']): Possible[] {
  const runs = store
    .runs({ benchmark, master: true, branch, variant, limit: 1_000_000 })
    .filter(({ status, commit }) => status === 'complete' && !commit.startsWith('worktree-'));
  const points = store.changePoints(benchmark).filter((point) => point.branch === branch && point.variant === variant);
  const accepted = new Set(
    store.acceptances
      .ofBenchmark(benchmark, variant)
      .filter(({ verdict }) => verdict === 'REGRESSION')
      .map(({ commit, landed }) => landed ?? commit),
  );
  const hosts = new Set([host_id, ...runs.map((run) => run.host_id)]); // the newest run first
  return [...hosts].flatMap((host) => {
    const own = runs.filter((run) => run.host_id === host).toReversed();
    const levels = [
      ...points.filter((point) => point.host_id === host).map(({ commit, at }) => ({ commit, at })),
      ...own.filter(({ commit }) => accepted.has(commit)).map(({ commit, started_at: at }) => ({ commit, at })),
    ].sort((a, b) => (a.at < b.at ? 1 : -1));
    const first = own[0]?.against;
    const all = [
      ...levels.map(({ commit }) => commit),
      ...(first === undefined ? [] : [first]),
      ...own.map(({ commit }) => commit),
    ];
    return [...new Set(all)].map((commit) => ({ commit, host_id: host }));
  });
}

/** The anchor, and what has to be said of it: where it is not the one that it was, and why. */
export interface Anchor {
  /** Undefined: there is none. */
  commit: string | undefined;
  note?: string;
}

/**
 * The anchor for a candidate. One that is no part of its branch any more, since a force push has removed it, is passed
 * over. `source`: the candidate's commit; absent where nothing is built from git, and nobody can know.
 */
export async function findAnchor(
  line: Line,
  candidate: string,
  source: Commit | undefined,
  ctx: Context,
): Promise<Anchor> {
  const possible = possibleAnchors(line, ctx.store);
  const [best] = possible;
  if (!best) return { commit: undefined };
  const shallow = source !== undefined && (await isShallow(source.repository, ctx));
  const found = await firstOf(possible, ({ commit }) =>
    source === undefined ? true : shallow ? isThere(commit, source, ctx) : isRelated(commit, source, ctx),
  );
  const gone = `the anchor ${shortCommit(best.commit)} is not in the history of ${shortCommit(candidate)} any more (a force push has removed it)`;
  if (!found) return { commit: undefined, note: `${gone}, nor is any other commit that was measured` };
  if (found.commit !== best.commit)
    return { commit: found.commit, note: `${gone}: the anchor is ${shortCommit(found.commit)} now` };
  if (found.host_id === line.host_id) return { commit: found.commit };
  return {
    commit: found.commit,
    note: `the first run on this host (${line.host_id}): it is measured against ${shortCommit(found.commit)}, the anchor on the host ${found.host_id}, so that no change in between is lost`,
  };
}

/**
 * The commit of the branch that was measured last, of those that the candidate was made from, on whatever host; undefined
 * where there is none.
 */
export async function lastMeasured(
  { benchmark, branch, variant }: Omit<Line, 'host_id'>,
  { repository, commit }: Commit,
  ctx: Context,
): Promise<Commit | undefined> {
  const measured = ctx.store
    .runs({ benchmark, master: true, branch, variant, limit: MOST_LOOKED_AT })
    .filter((run) => run.status === 'complete' && run.commit !== commit);
  const tip = commit.startsWith('worktree-') ? 'HEAD' : commit;
  const found = await firstOf([...new Set(measured.map((run) => run.commit))], (one) =>
    isAncestor(repository, one, tip, ctx),
  );
  return found === undefined ? undefined : describeCommit(repository, found, ctx);
}

/** A commit that was measured longer ago is not looked for. */
const MOST_LOOKED_AT = 100;

async function firstOf<T>(all: readonly T[], fits: (one: T) => Promise<boolean> | boolean): Promise<T | undefined> {
  for (const one of all) if (await fits(one)) return one;
  return undefined;
}

/** One comes after the other; an older candidate may be measured against a newer anchor. */
async function isRelated(anchor: string, { repository, commit }: Commit, ctx: Context): Promise<boolean> {
  const tip = commit.startsWith('worktree-') ? 'HEAD' : commit;
  return (await isAncestor(repository, anchor, tip, ctx)) || isAncestor(repository, tip, anchor, ctx);
}

/** Whether it can be had at all: a clone whose history was cut off does not know what comes after what. */
async function isThere(anchor: string, { repository }: Commit, ctx: Context): Promise<boolean> {
  try {
    await findCommit(repository, anchor, ctx);
    return true;
  } catch (error) {
    if (error instanceof MayflyError && error.missing === anchor) return false;
    throw error;
  }
}
