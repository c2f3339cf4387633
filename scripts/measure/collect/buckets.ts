/**
 * Classic histograms whose bounds differ between the sides: a quantile lies between two bounds, wherever they are, so
 * figures of the two sides are of two scales. Asked once in a comparison, of the first round of each side.
 */
import type { Metric, RoundDocument, SideName } from '../../documents/run.ts';
import { fillPromql } from '../../engine/names.ts';
import { type PrometheusClient, QueryRefused } from './prometheus.ts';

/** Bounds of one side that are named. */
const MOST_NAMED = 5;

type Asked = Pick<Metric, 'name' | 'promql'>;
type Window = Pick<RoundDocument, 'side' | 'round' | 'started_at' | 'window_s'>;

/** `name{...}` or `{...}`; a text in it may hold a brace. */
const SELECTOR = /(?:[a-zA-Z_:][\w:]*\s*)?\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|[^}"'`])*\}/g;

/** The selectors of buckets that a query makes quantiles of; not those that name their bound. */
export function bucketSelectors(promql: string): string[] {
  const text = promql.replace(/("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|#.*$/gm, '$1');
  if (!/\bhistogram_(quantiles?|fraction)\s*\(/.test(text)) return [];
  const selectors = text.match(SELECTOR);
  const ofBuckets = (selectors ?? []).filter(
    (selector) => /_bucket\b/.test(selector) && !/[{,\s]le\s*(=|!)/.test(selector),
  );
  return [...new Set(ofBuckets)];
}

/** Why the values of a metric cannot be compared, by its name: its buckets have other bounds on each side. */
export async function incomparableBuckets(
  metrics: readonly Asked[],
  rounds: readonly Window[],
  prometheus: Pick<PrometheusClient, 'query'>,
): Promise<Map<string, string>> {
  const asked = metrics.flatMap(({ name, promql }) =>
    bucketSelectors(promql ?? '').map((selector) => ({ name, selector })),
  );
  const found = await Promise.all(
    asked.map(async ({ name, selector }) => {
      const bounds = await Promise.all(
        rounds.map(async (round) => [round.side, await boundsOf(selector, round, prometheus)] as const),
      );
      return { name, words: differingBounds(selector, Object.fromEntries(bounds)) };
    }),
  );
  return new Map(found.flatMap(({ name, words }) => (words === null ? [] : [[name, words]])));
}

async function boundsOf(
  selector: string,
  { side, round, started_at, window_s }: Window,
  prometheus: Pick<PrometheusClient, 'query'>,
): Promise<number[]> {
  const query = fillPromql(`count by (le) (last_over_time(${selector}[$window]))`, side, round, window_s);
  const series = await prometheus.query(query, Date.parse(started_at) + window_s * 1000).catch((error) => {
    if (error instanceof QueryRefused) return []; // what the metric itself is told for
    throw error;
  });
  return series.flatMap(({ labels }) => (labels.le === undefined ? [] : [boundIn(labels.le)])).sort((a, b) => a - b);
}

/** Clients write the same bound in several ways: `1`, `1.0`. */
const boundIn = (le: string): number => (le === '+Inf' ? Infinity : Number(le));

/** Null where they are the same, or where a side has no buckets: that is told as a metric without a value. */
function differingBounds(selector: string, { candidate = [], baseline = [] }: Partial<Record<SideName, number[]>>) {
  if (candidate.length === 0 || baseline.length === 0) return null;
  const [own, other] = [
    candidate.filter((one) => !baseline.includes(one)),
    baseline.filter((one) => !candidate.includes(one)),
  ];
  if (own.length === 0 && other.length === 0) return null;
  const alone = [
    ...(own.length > 0 ? [`${boundsText(own)} in the candidate alone`] : []),
    ...(other.length > 0 ? [`${boundsText(other)} in the baseline alone`] : []),
  ];
  return `the bucket bounds of ${nameIn(selector)} differ, so its quantiles are of two scales: le ${alone.join(', ')}`;
}

const nameIn = (selector: string): string => /[a-zA-Z_:][\w:]*_bucket\b/.exec(selector)![0];

function boundsText(bounds: readonly number[]): string {
  const named = bounds.slice(0, MOST_NAMED).map((bound) => (bound === Infinity ? '+Inf' : String(bound)));
  const left = bounds.length - named.length;
  if (left > 0) return `${named.join(', ')} and ${left} more`;
  return named.length > 1 ? `${named.slice(0, -1).join(', ')} and ${named.at(-1)}` : named[0]!;
}
