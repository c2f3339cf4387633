/** Two runs, or two commits, side by side: judged as npm run judge and npm run compare do it. */

import { UsageError } from '../../../core/errors.ts';
import type { RunDocument, SideName } from '../../../documents/run.ts';
import type { VerdictDocument } from '../../../documents/verdict.ts';
import { titleOf } from '../../../judge/effect-text.ts';
import { judgeRun } from '../../../judge/judge-run.ts';
import { judgeTwoRuns } from '../../../judge/two-runs.ts';
import { perStore, Recent } from './cache.ts';
import type { CompareMetric, CompareOptions, CompareSide, CompareView, ViewContext } from './data-types.ts';
import { notCounted, sideValues } from './metric-values.ts';
import { type ReadRun, RUN_ID, readRun } from './run-data.ts';
import { oneCommit } from './runs-data.ts';

const MOST_COMPARED = 200;
const keptOf = perStore(() => new Recent<{ version: string; view: CompareView }>(MOST_COMPARED));

/** UsageError `there is no ...` (404), or why they cannot be compared (400). `a` is before, `b` after. */
export function compareView({ store }: ViewContext, options: CompareOptions): CompareView {
  const { a, b, swapped } = chosen(store, options);
  const [left, right] = [readRun(store, a), readRun(store, b)];
  const version =
    left.version === undefined || right.version === undefined ? undefined : `${left.version} ${right.version}`;
  const key = `${a} ${b} ${swapped}`;
  const kept = keptOf(store).get(key);
  if (kept && kept.version === version) return kept.view;
  const view = a === b ? pairedView(left, swapped) : twoRunsView(left, right);
  return version === undefined ? view : keptOf(store).set(key, { version, view }).view;
}

type Sites = Pick<ViewContext, 'store'>['store'];

/** Ids of the runs; the same one twice where one run measured both. */
function chosen(store: Sites, { a, b, benchmark }: CompareOptions): { a: string; b: string; swapped: boolean } {
  const [left, right] = [meant(store, a), meant(store, b)];
  if ('commit' in left && 'commit' in right) return ofCommits(store, left.commit, right.commit, benchmark);
  const [first, second] = [runOf(store, left, benchmark), runOf(store, right, benchmark)];
  return { a: first, b: second, swapped: false };
}

type Meant = { run: string } | { commit: string };

/** A whole id is a run; anything else a commit if there is such a one, else the beginning of a run's id. */
function meant(store: Sites, text: string): Meant {
  if (RUN_ID.test(text.toUpperCase())) return { run: text.toUpperCase() };
  if (store.site.commits(text).length > 0) return { commit: oneCommit({ store }, text) };
  const runs = /^[0-9A-HJKMNP-TV-Z]{8,25}$/i.test(text) ? store.site.runsByPrefix(text) : [];
  if (runs.length > 1)
    throw new UsageError(
      `${JSON.stringify(text)} is the beginning of several runs: ${runs.slice(0, 3).join(', ')}; write more of it`,
    );
  if (runs.length === 0) throw new UsageError(`there is no run and no measured commit ${JSON.stringify(text)}`);
  return { run: runs[0]! };
}

function ofCommits(
  store: Sites,
  a: string,
  b: string,
  benchmark: string | undefined,
): { a: string; b: string; swapped: boolean } {
  const { site } = store;
  const both = site.runWithBoth(b, a, benchmark);
  if (both !== undefined) return { a: both, b: both, swapped: false };
  const reversed = site.runWithBoth(a, b, benchmark);
  if (reversed !== undefined) return { a: reversed, b: reversed, swapped: true };
  const second = runOf(store, { commit: b }, benchmark);
  return {
    a: runOf(store, { commit: a }, benchmark ?? readRun(store, second).run.benchmark),
    b: second,
    swapped: false,
  };
}

function runOf({ site }: Sites, what: Meant, benchmark: string | undefined): string {
  if ('run' in what) return what.run;
  const found = site.runOfCommit(what.commit, benchmark);
  if (found === undefined)
    throw new UsageError(
      `there is no run${benchmark === undefined ? '' : ` of ${benchmark}`} whose candidate is the commit ${what.commit}`,
    );
  return found;
}

function pairedView({ run, latency }: ReadRun, swapped: boolean): CompareView {
  if (!run.sides.baseline)
    throw new UsageError(`both are the same run, ${run.run_id}, which has one side: there is nothing to compare`);
  const verdict = run.verdict ?? judgeRun(run);
  return {
    ...compared(verdict, run.benchmark, { run, side: 'baseline' }, { run, side: 'candidate' }),
    ...(swapped ? { swapped: true as const } : {}),
    latency: {
      a: latency.find(({ side }) => side === 'baseline') ?? null,
      b: latency.find(({ side }) => side === 'candidate') ?? null,
    },
  };
}

function twoRunsView(left: ReadRun, right: ReadRun): CompareView {
  const candidate = ({ latency }: ReadRun) => latency.find(({ side }) => side === 'candidate') ?? null;
  return {
    ...compared(
      judgeTwoRuns(left.run, right.run),
      right.run.benchmark,
      { run: left.run, side: 'candidate' },
      { run: right.run, side: 'candidate' },
    ),
    latency: { a: candidate(left), b: candidate(right) },
  };
}

interface Chosen {
  run: RunDocument;
  side: SideName;
}

function compared(verdict: VerdictDocument, benchmark: string, a: Chosen, b: Chosen): Omit<CompareView, 'latency'> {
  return {
    schema: 'mayfly.site-compare/v1',
    benchmark,
    kind: verdict.kind,
    a: sideOf(a),
    b: sideOf(b),
    verdict,
    metrics: metricsOf(verdict, a, b),
  };
}

function sideOf({ run, side }: Chosen): CompareSide {
  const { ref, commit, subject } = run.sides[side]!;
  return {
    run_id: run.run_id,
    side,
    ref,
    commit,
    ...(subject === undefined ? {} : { subject }),
    started_at: run.started_at,
    status: run.status,
  };
}

/** Metrics of which either side has a value, primary ones first. */
function metricsOf(verdict: VerdictDocument, a: Chosen, b: Chosen): CompareMetric[] {
  const judged = new Map(verdict.metrics.map((metric) => [metric.name, metric]));
  const all = new Map([...a.run.metrics, ...b.run.metrics].map((metric) => [metric.name, metric]));
  const [whyA, whyB] = [notCounted(a.run), notCounted(b.run)];
  return [...all.values()]
    .sort((one, other) => Number(other.primary) - Number(one.primary))
    .flatMap(({ name, unit, better, primary, margin }) => {
      const [left, right] = [sideValues(a.run, a.side, name, whyA), sideValues(b.run, b.side, name, whyB)];
      if (left.dots.length + right.dots.length === 0 && !primary) return [];
      return [
        {
          name,
          title: titleOf(name),
          unit,
          better,
          primary,
          margin,
          judged: judged.get(name) ?? null,
          a: left,
          b: right,
        },
      ];
    });
}
