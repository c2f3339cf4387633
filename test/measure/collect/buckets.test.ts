/** Classic histograms with other bounds on each side. */
import t from 'tap';
import type { SideName } from '../../../scripts/documents/run.ts';
import { bucketSelectors, incomparableBuckets } from '../../../scripts/measure/collect/buckets.ts';
import { QueryRefused } from '../../../scripts/measure/collect/prometheus.ts';
import { makeRound } from '../../run-document.ts';

const P95 = 'histogram_quantile(0.95, sum by (le) (rate(shop_seconds_bucket{$selector}[$window])))';

t.test('the buckets that a query makes quantiles of', async (t) => {
  t.same(bucketSelectors(P95), ['shop_seconds_bucket{$selector}']);
  t.same(bucketSelectors('histogram_fraction(0, 0.2, a_bucket {$selector, route=~"/x{2}"})'), [
    'a_bucket {$selector, route=~"/x{2}"}',
  ]);
  t.same(bucketSelectors('histogram_quantile(0.5, {__name__="a_bucket",$selector}) / b{$selector}'), [
    '{__name__="a_bucket",$selector}',
  ]);
  t.same(bucketSelectors(`${P95} / ${P95}`), ['shop_seconds_bucket{$selector}'], 'each once');
  t.same(bucketSelectors('histogram_quantile(0.5, a{$selector}) # a_bucket{$selector}'), [], 'a native one has none');
  t.same(bucketSelectors('sum(rate(a_bucket{le="0.5",$selector}[$window]))'), [], 'one bound is no quantile');
  t.same(bucketSelectors(`${P95} - sum(a_bucket{$selector,le="0.5"})`), ['shop_seconds_bucket{$selector}']);
});

const rounds = [makeRound('candidate', 1, {}), makeRound('baseline', 2, {})];

async function found(le: Record<SideName, string[] | Error>) {
  const asked: [string, number][] = [];
  const query = async (promql: string, at: number | undefined) => {
    asked.push([promql, at!]);
    const bounds = le[promql.includes('side="candidate"') ? 'candidate' : 'baseline'];
    if (bounds instanceof Error) throw bounds;
    return bounds.map((one) => ({ labels: { le: one }, value: 1 }));
  };
  const metrics = [
    { name: 'search_p95', promql: P95 },
    { name: 'hits', promql: 'sum(hits{$selector})' },
    { name: 'cpu' },
  ];
  return { found: [...(await incomparableBuckets(metrics, rounds, { query }))], asked };
}

t.test('bounds that differ are named, of each side', async (t) => {
  const { found: differ, asked } = await found({
    candidate: ['0.1', '0.2', '+Inf'],
    baseline: ['0.1', '0.25', '0.5', '+Inf'],
  });
  t.same(differ, [
    [
      'search_p95',
      'the bucket bounds of shop_seconds_bucket differ, so its quantiles are of two scales: le 0.2 in the candidate alone, 0.25 and 0.5 in the baseline alone',
    ],
  ]);
  t.same(asked, [
    [
      'count by (le) (last_over_time(shop_seconds_bucket{side="candidate",round="1"}[20000ms]))',
      Date.parse('2026-01-02T03:04:21.000Z'),
    ],
    [
      'count by (le) (last_over_time(shop_seconds_bucket{side="baseline",round="2"}[20000ms]))',
      Date.parse('2026-01-02T03:04:22.000Z'),
    ],
  ]);
  const many = await found({ candidate: ['1', '2', '3', '4', '5', '6', '7'], baseline: ['+Inf'] });
  t.match(many.found[0]![1], /: le 1, 2, 3, 4, 5 and 2 more in the candidate alone, \+Inf in the baseline alone$/);
});

t.test('the same bounds, in whatever order and writing; none on a side; a query that is refused', async (t) => {
  t.same((await found({ candidate: ['0.5', '1', '+Inf'], baseline: ['+Inf', '1.0', '5e-1'] })).found, []);
  t.same((await found({ candidate: ['0.5', '+Inf'], baseline: [] })).found, [], 'that is a metric without a value');
  t.same((await found({ candidate: new QueryRefused('no'), baseline: ['1'] })).found, []);
  await t.rejects(found({ candidate: new Error('gone'), baseline: ['1'] }), /gone/);
});
