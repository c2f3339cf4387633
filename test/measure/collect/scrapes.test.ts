/** Holes in the metrics of the services, and labels of theirs that Prometheus has renamed. */
import t from 'tap';
import type { Series } from '../../../scripts/measure/collect/prometheus.ts';
import { renamedLabels, scrapeHoles, warnOfRenamed } from '../../../scripts/measure/collect/scrapes.ts';
import type { ScrapeTarget, WantedTarget } from '../../../scripts/stack/scrape.ts';

const START = Date.UTC(2026, 0, 2);
const load = { startMs: START, endMs: START + 9000 };

const wanted = (side: 'candidate' | 'baseline', replica = 1): WantedTarget => ({
  targets: [`p-${side}-shop-${replica}:8080`],
  labels: { side, service: 'shop', instance: `shop-${replica}`, __metrics_path__: '/metrics', round: '3', commit: 'a' },
});
const up = (side: string, value: number, replica = 1): Series => ({
  labels: { side, service: 'shop', instance: `shop-${replica}` },
  value,
});
const seen = (side: string, error: string): ScrapeTarget => ({
  job: 'services',
  url: `http://p-${side}-shop-1:8080/metrics`,
  up: error === '',
  error,
});

async function holes(
  series: Series[],
  targets = [wanted('candidate'), wanted('baseline')],
  failing: ScrapeTarget[] = [],
) {
  const asked: unknown[] = [];
  const prometheus = {
    query: async (...given: unknown[]) => {
      asked.push(given);
      return series;
    },
    targets: async () => {
      asked.push('targets');
      return failing;
    },
  };
  return { found: await scrapeHoles(load, { round: 3, targets }, prometheus), asked };
}

t.test('a window that was scraped has none, and costs one query for both sides', async (t) => {
  const { found, asked } = await holes([up('candidate', 9), up('baseline', 8)]);
  t.strictSame(found, []);
  t.strictSame(asked, [
    ['sum by (side, service, instance) (sum_over_time(up{job=~"services|trigger",round="3"}[9000ms]))', START + 9000],
  ]);
  t.strictSame(await holes([], []), { found: [], asked: [] }, 'nothing is scraped');
});

t.test('scrapes that went wrong, or were not made, with what Prometheus says', async (t) => {
  const { found } = await holes(
    [up('candidate', 4), up('baseline', 9)],
    [wanted('candidate'), wanted('baseline'), wanted('baseline', 2)],
    [seen('candidate', 'sample limit exceeded'), seen('baseline', '')],
  );
  t.strictSame(found, [
    {
      side: 'candidate',
      hole: {
        service: 'shop',
        instance: 'shop-1',
        scraped: 4,
        of: 9,
        error: 'sample limit exceeded: at most 20000 series of a target are taken',
      },
    },
    { side: 'baseline', hole: { service: 'shop', instance: 'shop-2', scraped: 0, of: 9 } },
  ]);
});

t.test('labels that Prometheus has renamed are told once, with the metrics', async (t) => {
  const warned: string[] = [];
  const query = async (promql: string): Promise<Series[]> => {
    t.match(promql, /^group by \(__name__\) \(\{job="services",round="1",exported_\w+!=""\}\)$/);
    const names = promql.includes('exported_service')
      ? ['orders_total', 'carts_total', 'a_total', 'b\u001b[2J_total']
      : promql.includes('exported_round')
        ? ['games_total']
        : [];
    return names.map((name) => ({ labels: { __name__: name }, value: 1 }));
  };
  const said = [
    "a_total, b_total, carts_total and 1 more: their label service is Mayfly's too, so Prometheus calls theirs exported_service; a query that means it must say so",
    "games_total: their label round is Mayfly's too, so Prometheus calls theirs exported_round; a query that means it must say so",
  ];
  t.same(await renamedLabels(1, START, { query }), said);
  const ctx = { progress: { warn: (text: string) => warned.push(text) } } as never;
  await warnOfRenamed({ round: 1 }, START, { query }, ctx);
  await warnOfRenamed({ round: 2 }, START, { query }, ctx);
  t.equal(warned.length, 2);
});
