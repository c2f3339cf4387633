/**
 * The search for the first slow commit: comparisons of `npm run bench`, one after the other, kept in the store after
 * each.
 */

import type { Context } from '../../app/context.ts';
import { sweepLeftovers } from '../../archive/recovery/leftovers.ts';
import type { Config } from '../../config/types.ts';
import { firstLine, MayflyError, NothingToCompare, original, UsageError } from '../../core/errors.ts';
import type { RunDocument } from '../../documents/run.ts';
import { shortCommit } from '../../engine/names.ts';
import { bench } from '../../pipeline.ts';
import { type BisectComparison, type BisectDocument, commitLine, type Judged } from '../../report/bisect-text.ts';
import { boundsOf, type Found, type Next, stepsLeft } from './bisect-search.ts';
import { commitsOf, findings, foundBy, judgedBy, metricsOf, nextStep } from './judged.ts';
import { isUnbuildable } from './unbuildable.ts';

/** The label of every run of a bisection. */
export const LABEL = 'bisect';

type Step = Extract<Next, { step: 'compare' }>;

/**
 * Goes on with a bisection until it has its answer; the same document, if it had one. `config`: of its benchmark with
 * its flags.
 */
export async function searchOn(begun: BisectDocument, config: Config, ctx: Context): Promise<BisectDocument> {
  let bisection = begun;
  // ends the record of a comparison whose process is dead: only then it can be gone on with
  if (!bisection.answer) await sweepLeftovers(ctx);
  while (!bisection.answer) {
    const step = nextStep(bisection);
    bisection =
      step.step === 'end' ? { ...bisection, answer: step.answer } : await compare(bisection, step, config, ctx);
    ctx.store.saveBisection({
      bisection_id: bisection.bisection_id,
      benchmark: bisection.benchmark,
      state: bisection.answer ? 'done' : 'running',
      document: bisection,
    });
  }
  return bisection;
}

/** Makes a comparison and lays what it found to the rest. */
async function compare(bisection: BisectDocument, step: Step, config: Config, ctx: Context): Promise<BisectDocument> {
  announce(bisection, step, ctx);
  const pair = commitsOf(bisection, step);
  const wanted = bisection.judged ?? (bisection.metric === null ? null : { name: bisection.metric });
  const metrics = wanted ? metricsOf(config.metrics, wanted) : config.metrics;
  const known = { ...pair, why: step.why };
  try {
    const run = await runOf(
      { ...config, commit: pair.candidate, against: pair.baseline, metrics },
      bisection.bisection_id,
      ctx,
    );
    const judged = bisection.judged ?? judgedBy(run.verdict!);
    const comparison = { ...known, ...readRun(run, judged) };
    if (comparison.found === 'skipped')
      ctx.progress.warn(`${shortCommit(pair.candidate)} is skipped: ${run.verdict!.verdict}, ${run.verdict!.summary}`);
    return {
      ...bisection,
      judged: comparison.found === 'slow' ? judged : bisection.judged,
      comparisons: [...bisection.comparisons, comparison],
    };
  } catch (error) {
    if (error instanceof NothingToCompare) {
      const same = { found: 'fast' as const, verdict: 'PASS' as const, run_id: null, change: 0, words: error.message };
      return { ...bisection, comparisons: [...bisection.comparisons, { ...known, ...same }] };
    }
    // The bad commit itself must be one that can be measured, and the good one has been by then.
    if (step.why === 'whole' || !(await isUnbuildable(error, pair.candidate, ctx))) throw error;
    const words = firstLine(error);
    ctx.progress.warn(`${shortCommit(pair.candidate)} is skipped: ${words}`);
    return {
      ...bisection,
      comparisons: [
        ...bisection.comparisons,
        { ...known, found: 'skipped', verdict: null, run_id: null, change: null, words },
      ],
    };
  }
}

/**
 * The run of a comparison: one that ended without being written down, one that was interrupted and goes on, or a new
 * one.
 */
async function runOf(config: Config, id: string, ctx: Context): Promise<RunDocument> {
  const runs = ctx.store.runs({ benchmark: config.benchmark, labels: { [LABEL]: id } });
  const before = runs.find(({ commit, against }) => commit === config.commit && against === config.against);
  if (before && (before.status === 'complete' || before.status === 'invalid') && before.verdict)
    return ctx.store.run(before.run_id);
  if (!before || before.observations === 0) return bench(config, ctx);
  return bench({ ...config, resume: before.run_id }, ctx).catch((error) => {
    if (!(error instanceof UsageError)) throw error;
    ctx.progress.warn(`${error.message}: it is measured anew`);
    return bench(config, ctx);
  });
}

function readRun(
  { run_id, verdict }: RunDocument,
  judged: Judged | null,
): Pick<BisectComparison, 'found' | 'verdict' | 'run_id' | 'change' | 'words'> {
  const metric = judged && verdict!.metrics.find(({ name }) => name === judged.name);
  // Without a metric that became worse there is nothing to search by: values that vary more have no direction.
  const found: Found = judged || verdict!.verdict !== 'REGRESSION' ? foundBy(verdict!) : 'skipped';
  return {
    found,
    verdict: verdict!.verdict,
    run_id,
    change: metric?.change ?? null,
    words: metric && verdict!.verdict !== 'INVALID' ? metric.words : verdict!.summary,
  };
}

function announce(bisection: BisectDocument, step: Step, ctx: Context): void {
  const last = bisection.commits.at(-1)!.build;
  const known = findings(bisection);
  const { candidate, baseline } = commitsOf(bisection, step);
  const done = bisection.comparisons.length;
  const { low, high } = boundsOf(last, known);
  const left =
    step.why === 'verify' ? 'verifies the answer' : `${high - low} ${high - low === 1 ? 'commit' : 'commits'} left`;
  ctx.progress.info(
    `comparison ${done + 1} of about ${done + stepsLeft(last, known)}, ${left}: ${commitLine(bisection, candidate)}, against ${shortCommit(baseline)}`,
  );
}

/** Says how to go on after a failure or an interrupt, and throws it again. */
export function sayHowToGoOn(
  error: unknown,
  { bisection_id, comparisons }: BisectDocument,
  ctx: Pick<Context, 'progress'>,
): never {
  if (original(error) instanceof MayflyError)
    ctx.progress.warn(
      `bisection ${bisection_id} is kept (${comparisons.length} compared); to go on: npm run bisect -- --resume=${bisection_id}`,
    );
  throw error;
}
