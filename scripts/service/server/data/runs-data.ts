/** Lists: of runs, and of what changed. */
import { UsageError } from '../../../core/errors.ts';
import type { ChangesView, RunsOptions, RunsView, ViewContext } from './data-types.ts';
import { needBenchmark } from './history-data.ts';
import { RUN_ID } from './run-data.ts';

export const MOST_LISTED = 200;

/** Newest first, page by page. UsageError for a commit that was never measured, and for an `after` that is no run. */
export function runsView(
  { store }: ViewContext,
  { benchmark, commit, host, variant, master, status, limit = 50, after }: RunsOptions,
): RunsView {
  if (after !== undefined && (!RUN_ID.test(after) || !store.site.runsByPrefix(after).includes(after)))
    throw new UsageError(`there is no run ${JSON.stringify(after)} to go on after`);
  const most = Math.min(Math.max(1, limit), MOST_LISTED);
  const runs = store.site.runLines({
    benchmark,
    host_id: host,
    variant,
    master,
    status,
    limit: most + 1,
    after,
    ...(commit === undefined ? {} : { commit: oneCommit({ store }, commit) }),
  });
  const page = runs.slice(0, most);
  return {
    schema: 'mayfly.site-runs/v1',
    runs: page,
    ...(runs.length > page.length ? { next: page.at(-1)!.run_id } : {}),
  };
}

/**
 * The one commit that a hash, the beginning of one, or a ref means; UsageError where there is none or more than one.
 */
export function oneCommit({ store }: Pick<ViewContext, 'store'>, text: string): string {
  const found = store.site.commits(text);
  if (found.length === 0) throw new UsageError(`there is no run of a commit ${JSON.stringify(text)}`);
  if (found.length > 1)
    throw new UsageError(
      `${JSON.stringify(text)} is the beginning of several commits: ${found.slice(0, 3).join(', ')}${found.length > 3 ? ', ...' : ''}; write more of it`,
    );
  return found[0]!;
}

/** Of all benchmarks, or one. UsageError where there is no such benchmark. */
export function changesView(ctx: ViewContext, benchmark?: string): ChangesView {
  if (benchmark !== undefined) needBenchmark(ctx, benchmark);
  const names = benchmark === undefined ? ctx.store.site.benchmarks().map(({ name }) => name) : [benchmark];
  return {
    schema: 'mayfly.site-changes/v1',
    change_points: ctx.store.changePoints(benchmark),
    suspected: names.flatMap((name) => ctx.store.suspectedChanges(name)),
  };
}
