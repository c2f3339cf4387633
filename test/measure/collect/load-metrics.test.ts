import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  exactLatency,
  iterations,
  maxInFlight,
  requestDuration,
} from '../../../scripts/measure/collect/load-metrics.ts';
import { sideResult } from '../../run-document.ts';

const ROOT = join(import.meta.dirname, '../../..');
const summary = (name: string) =>
  JSON.parse(readFileSync(join(ROOT, `test/fixtures/k6-summary-${name}.json`), 'utf8')).metrics;

t.test('a metric is selected under both its names', async (t) => {
  t.equal(
    requestDuration('run_id="a",side="candidate"'),
    '{__name__=~"mayfly_request_duration_seconds|k6_http_req_duration_seconds",run_id="a",side="candidate"}',
  );
  t.equal(
    iterations('scenario="measure"'),
    '{__name__=~"mayfly_iterations_total|k6_iterations_total",scenario="measure"}',
  );
  t.equal(maxInFlight('side!=""'), '{__name__=~"mayfly_max_in_flight|k6_vus_max",side!=""}');
});

t.test('no other reader of runs knows the names of before', async (t) => {
  const readers = [
    'grafana/src',
    'scripts/report',
    'scripts/archive',
    'scripts/service',
    'scripts/judge',
    'scripts/store',
  ];
  const files = readers.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  t.ok(files.length > 50);
  t.same(
    files.filter((file) => /k6/i.test(readFileSync(join(ROOT, file), 'utf8'))),
    [],
  );
});

t.test('the exact latency of a side', async (t) => {
  const shares = [0, 0.5, 0.9, 0.95, 0.99, 0.999, 1];
  const latency = exactLatency({ signals: {}, load: sideResult('candidate', 0.002) }, 'candidate')!;
  t.equal(latency.requests, 4000);
  t.same(
    latency.quantiles.map(({ share }) => share),
    shares,
  );
  t.same(latency.quantiles.slice(0, 2), [
    { share: 0, seconds: 0.0004 },
    { share: 0.5, seconds: 0.002 },
  ]);
  const old = exactLatency({ signals: {}, k6: summary('interleaved') }, 'baseline')!;
  t.equal(old.requests, 2000);
  t.same(
    old.quantiles.map(({ share }) => share),
    shares,
  );
  t.equal(old.quantiles[1]!.seconds * 1000, 0.434216, 'milliseconds are seconds');
});

t.test(
  'there is none of a side without an answer, of another load generator, of a round without a result',
  async (t) => {
    t.equal(exactLatency({ load: { ...sideResult('candidate'), latency: null } }, 'candidate'), null);
    t.equal(exactLatency({ signals: {}, load: null }, 'candidate'), null);
    t.equal(exactLatency({ signals: {}, k6: null }, 'candidate'), null);
    t.equal(exactLatency({ k6: summary('solo') }, 'baseline'), null);
    for (const nothing of [null, undefined, {}]) t.equal(exactLatency(nothing, 'candidate'), null);
  },
);
