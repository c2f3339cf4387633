/** Whether a round meets the objectives, and who is to blame where it does not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { compile } from '../../../scripts/config/schema.ts';
import type { Load } from '../../../scripts/config/types.ts';
import type { CapacityDocument } from '../../../scripts/documents/capacity.ts';
import type { InvalidCode, Metric } from '../../../scripts/documents/run.ts';
import { capacityText } from '../../../scripts/report/capacity-text.ts';
import { loadAt } from '../../../scripts/studies/capacity/capacity-measure.ts';
import { judgeProbe } from '../../../scripts/studies/capacity/capacity-probe.ts';
import { aConfig } from '../../fixtures/plan.ts';
import { makeRound, makeRun } from '../../run-document.ts';

const metric = (name: string, better: 'lower' | 'higher' = 'lower'): Metric => ({
  name,
  unit: 's',
  better,
  primary: false,
  margin: 0.01,
});
const plan = (objectives: Record<string, number>) =>
  ({
    config: {
      objectives,
      metrics: [metric('latency_p95'), metric('failed_requests'), metric('request_rate', 'higher')],
      load: { rate: 100, maxInFlight: 25 },
      allow: { saturation: 0.85 },
    },
    cpusets: { services: '1-2', loadgen: '0', metrics: '0' },
    host: { cores: 4 },
  }) as any;
const GOOD = {
  latency_avg: 0.01,
  latency_p95: 0.02,
  response_p95: 0.021,
  failed_requests: 0,
  request_rate: 100,
  cpu_seconds_per_request: 0.001,
};
const judge = (
  values: Record<string, number>,
  codes: InvalidCode[] = [],
  objectives: Record<string, number> = { latency_p95: 0.05, failed_requests: 0 },
) =>
  judgeProbe(
    makeRound(
      'candidate',
      1,
      { ...GOOD, ...values },
      codes.map((code) => ({ code, message: code })),
    ),
    plan(objectives),
  );

t.test('met', async (t) => {
  t.same(judge({}), { outcome: 'met' });
  t.same(judge({ latency_p95: 0.05, response_p95: 0.05 }), { outcome: 'met' }, 'the limit itself');
  t.same(
    judge({}, ['start-lag', 'throttled', 'host-steal', 'host-load', 'no-samples']),
    { outcome: 'met' },
    'what disturbs a comparison, where the objectives hold all the same',
  );
});

t.test('not met', async (t) => {
  t.match(judge({ latency_p95: 0.051 }), {
    outcome: 'failed',
    why: 'latency p95 51.0 ms, at most 50.0 ms is asked for',
  });
  t.match(judge({ response_p95: 0.2 }), { outcome: 'failed', why: /p95 from the scheduled start 200 ms/ });
  t.match(judge({ request_rate: 90 }, [], { request_rate: 95 }), { outcome: 'failed', why: /at least 95/ });
  t.match(judge({}, [], { latency_p99: 1 }), { outcome: 'failed', why: 'latency p99 has no value' });
  for (const code of ['dropped-iterations', 'rate-missed', 'out-of-memory', 'restarted'] as const)
    t.same(judge({}, [code]), { outcome: 'failed', why: code });
  for (const code of ['not-drained', 'events-lost', 'dead-lettered', 'records-missing'] as const)
    t.same(judge({}, [code, 'start-lag']), { outcome: 'failed', why: code }, 'a rate at which events stay behind');
  t.match(judge({ failed_requests: 0.001 }, ['failed-requests']), { outcome: 'failed', why: /^errors 0\.1/ });
  t.same(
    judge({ failed_requests: 0.001 }, ['failed-requests'], { latency_p95: 1 }),
    { outcome: 'failed', why: 'failed-requests' },
    'without an objective as many may fail as in any round',
  );
  t.same(judge({ failed_requests: 0.001 }, ['failed-requests'], { failed_requests: 0.01 }), { outcome: 'met' });
});

t.test('the load generator is the limit only where the service is not', async (t) => {
  t.same(judge({ response_p95: 0.2 }, ['start-lag']), { outcome: 'generator', why: 'start-lag' });
  t.same(judge({ request_rate: 80 }, ['dropped-iterations', 'rate-missed', 'start-lag']), {
    outcome: 'generator',
    why: 'start-lag',
  });
  t.match(
    judge({ latency_p95: 0.2, response_p95: 0.2 }, ['start-lag']),
    { outcome: 'failed', why: /latency p95/ },
    'the service is slow',
  );
  t.match(
    judge({ response_p95: 0.2, cpu_seconds_per_request: 0.018 }, ['start-lag']),
    { outcome: 'failed' },
    '90 % of its two CPUs are used',
  );
  t.match(
    judge({ response_p95: 0.2, latency_avg: 0.2 }, ['start-lag'], { response_p95: 0.05 }),
    { outcome: 'failed' },
    '20 of 25 requests are under way',
  );
  t.match(judge({}, ['start-lag', 'restarted']), { outcome: 'failed', why: 'restarted' });
  const { latency_avg, latency_p95, response_p95, cpu_seconds_per_request, ...rest } = GOOD;
  t.match(
    judgeProbe(
      makeRound('candidate', 1, { ...rest, request_rate: 0 }, [{ code: 'generator-failed', message: 'k6 ended' }]),
      plan({ latency_p95: 0.05 }),
    ),
    { outcome: 'generator', why: 'k6 ended' },
  );
});

t.test('a disturbed probe says nothing', async (t) => {
  t.same(judge({ latency_p95: 0.2 }, ['host-steal']), { outcome: 'disturbed', why: 'host-steal' });
  t.same(judge({ response_p95: 0.2 }, ['start-lag', 'host-load']), { outcome: 'disturbed', why: 'host-load' });
});

t.test('more requests may be under way at a higher rate', async (t) => {
  const { load } = aConfig();
  const at = (rate: number, maxInFlight: number): Load => ({
    ...load,
    rate,
    model: { kind: 'open', arrivals: 'constant', rate, durationS: 10 },
    maxInFlight,
  });
  t.same(
    [1, 100, 1000.5].map((rate) => loadAt(load, rate)),
    [at(1, 25), load, at(1000.5, 251)],
  );
  t.equal(loadAt({ ...load, maxInFlight: 1 }, 4).maxInFlight, 10);
});

t.test('in words, and as the schema has it', async (t) => {
  const validate = compile(
    JSON.parse(readFileSync(join(import.meta.dirname, '../../../docs/schemas/mayfly.capacity.v1.json'), 'utf8')),
  );
  const text = (laid: Partial<CapacityDocument>, sure = true) => {
    const capacity: CapacityDocument = {
      schema: 'mayfly.capacity/v1',
      capacity: 1230,
      fails_at: 1250,
      limited_by: 'objectives',
      objectives: { latency_p95: 0.05, failed_requests: 0 },
      probes: [
        { rate: 1250, met: false, why: 'latency p95 61.0 ms, at most 50.0 ms is asked for', round: 2 },
        { rate: 1230, met: true, round: 1 },
      ],
      ...laid,
    };
    t.ok(validate(JSON.parse(JSON.stringify(capacity))), JSON.stringify(validate.errors));
    return capacityText(makeRun({ capacity }), { color: false, sure });
  };
  t.match(
    text({}),
    /^capacity: 1,230 requests\/s; 1,250 requests\/s \(1\.6 % more\) does not meet the objectives\nshop at HEAD \(a{12}\): Make search faster\nobjectives: latency p95 at most 50\.0 ms, errors at most 0 %\n.*2 probes/,
  );
  t.match(text({}), /1,230 requests\/s +met +1\n1,250 requests\/s +not met +2 +latency p95 61\.0 ms/);
  t.match(
    text({ limited_by: 'generator' }),
    /^capacity: at least 1,230 requests\/s: at 1,250 requests\/s the load generator is the limit/,
  );
  t.match(text({ limited_by: 'cap', fails_at: null }), /^capacity: at least 1,230 requests\/s, the highest rate/);
  t.match(text({ capacity: null, fails_at: 1.5 }), /^capacity: not even 1\.5 requests\/s meets/);
  t.match(text({ capacity: null }, false), /^capacity: not found/);
  t.match(text({}, false), /^capacity: about 1,230/);
  t.notOk(validate({ schema: 'mayfly.capacity/v1', capacity: -1 }));
});
