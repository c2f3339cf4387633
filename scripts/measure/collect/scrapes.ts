/** What Prometheus' scrapes of the services lack in a round, and labels of theirs that it has renamed. */
import type { Context } from '../../app/context.ts';
import { OWN_LABELS } from '../../config/own-labels.ts';
import { plainText } from '../../core/text.ts';
import type { RoundDocument, SideName } from '../../documents/run.ts';
import type { Sides } from '../../stack/run-stack.ts';
import { unreached } from '../../stack/scrape.ts';
import type { LoadResult } from '../load/generator.ts';
import type { PrometheusClient } from './prometheus.ts';

type Hole = NonNullable<RoundDocument['holes']>[number];

/** prometheus/prometheus.yml: scrape_interval. */
const INTERVAL_S = 1;
/** A scrape more or less at the edges of a window is no hole. */
const EDGE = 1;
/** Metrics that are named of those with a label that was renamed. */
const MOST_NAMED = 3;

/** Targets of each side that were scraped less often than the window has time for: one query, for both sides. */
export async function scrapeHoles(
  { startMs, endMs }: Pick<LoadResult, 'startMs' | 'endMs'>,
  { round, targets }: Pick<Sides, 'round' | 'targets'>,
  prometheus: Pick<PrometheusClient, 'query' | 'targets'>,
): Promise<{ side: SideName; hole: Hole }[]> {
  const of = Math.floor((endMs - startMs) / 1000 / INTERVAL_S);
  if (of <= EDGE || targets.length === 0) return [];
  const keyOf = ({ side, service, instance }: Record<string, string>) => `${side} ${service} ${instance}`;
  const range = `${Math.round(endMs - startMs)}ms`;
  const series = await prometheus.query(
    `sum by (side, service, instance) (sum_over_time(up{job=~"services|trigger",round="${round}"}[${range}]))`,
    endMs,
  );
  const scraped = new Map(series.map(({ labels, value }) => [keyOf(labels), value]));
  const instances = Map.groupBy(targets, ({ labels }) => keyOf(labels));
  const holes = [...instances].flatMap(([key, [first, ...more]]) => {
    const wanted = of * (1 + more.length);
    const found = scraped.get(key) ?? 0;
    return found < wanted - EDGE * (1 + more.length) ? [{ first: first!, found, wanted }] : [];
  });
  if (holes.length === 0) return [];
  const failing = unreached(targets, await prometheus.targets());
  return holes.map(({ first: { targets: addresses, labels }, found, wanted }) => {
    const error = failing.find(
      ({ side, what }) =>
        side === labels.side &&
        what === `${labels.service}:${addresses[0]!.split(':').at(-1)}${labels.__metrics_path__}`,
    )?.error;
    return {
      side: labels.side,
      hole: {
        service: labels.service,
        instance: labels.instance ?? labels.service,
        scraped: Math.round(found),
        of: wanted,
        ...(error ? { error: error.slice(0, 300) } : {}),
      },
    };
  });
}

/** A sentence for each label of Mayfly's own that the services' metrics have too; in the first round. */
export async function renamedLabels(
  round: number,
  atMs: number,
  prometheus: Pick<PrometheusClient, 'query'>,
): Promise<string[]> {
  const found = await Promise.all(
    OWN_LABELS.map(async (label) => {
      const selector = `{job="services",round="${round}",exported_${label}!=""}`;
      return { label, series: await prometheus.query(`group by (__name__) (${selector})`, atMs) };
    }),
  );
  return found
    .filter(({ series }) => series.length > 0)
    .map(({ label, series }) => {
      const names = [...new Set(series.map(({ labels }) => plainText(labels.__name__ ?? '')))].sort();
      const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
      return `${names.slice(0, MOST_NAMED).join(', ')}${more}: their label ${label} is Mayfly's too, so Prometheus calls theirs exported_${label}; a query that means it must say so`;
    });
}

/** Warns of them once, when the first round has been scraped. */
export async function warnOfRenamed(
  { round }: Pick<Sides, 'round'>,
  atMs: number,
  prometheus: Pick<PrometheusClient, 'query'>,
  ctx: Pick<Context, 'progress'>,
): Promise<void> {
  if (round !== 1) return;
  for (const warning of await renamedLabels(round, atMs, prometheus)) ctx.progress.warn(warning);
}
