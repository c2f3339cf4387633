import t from 'tap';
import type { RoundDocument, RunDocument } from '../../../scripts/documents/run.ts';
import { adviceOf, advise, exceededIn, scalingOf, setBy } from '../../../scripts/studies/resources/advice.ts';
import { makeEvents } from '../../events/document.ts';
import { aRun, MIB, used } from './runs.ts';

t.test('the percentile is one that so many runs stay at or below, and the head room is laid on it', async (t) => {
  const ten = Array.from({ length: 10 }, (_, i) => (i + 1) * 10);
  t.strictSame(
    advise(ten, (value) => value),
    { p90: 90, max: 100, request: 90 * 1.15, limit: 100 * 1.15 },
  );
  t.strictSame(advise([40], Math.ceil), { p90: 40, max: 40, request: 46, limit: 46 });
  const eleven = [...ten, 1000];
  t.equal(advise(eleven, Math.ceil).p90, 100, 'ten of eleven are 91 %');
});

t.test('the peak of a run is that of its greatest replica, in any round of both sides', async (t) => {
  const runs = [100, 200].map((mib, i) =>
    aRun(`01A${i}`, [
      used(1, 'candidate', [
        { service: 'api', replica: 1, memory_peak: mib * MIB, cpu_peak: 0.1 },
        { service: 'api', replica: 2, memory_peak: 10 * MIB, cpu_peak: 0.333 },
        { service: 'db', replica: 1, memory_peak: MIB, cpu_peak: 0 },
      ]),
      used(2, 'baseline', [{ service: 'api', replica: 1, memory_peak: 50 * MIB, cpu_peak: 0.2 }]),
    ]),
  );
  const [api, db] = adviceOf(runs, null);
  t.match(api, {
    service: 'api',
    runs: 2,
    replicas: 2,
    memory: { p90: 200 * MIB, max: 200 * MIB, request: 230 * MIB, limit: 230 * MIB },
    cpu: { p90: 0.333, request: 0.39, limit: 0.39 },
    out_of_memory: 0,
  });
  t.match(db, { memory: { request: 8 * MIB }, cpu: { request: 0.01 } }, 'no less than an engine takes');
});

t.test('what was killed for its memory would have used more', async (t) => {
  const killed = (mib: number): RunDocument =>
    aRun('01A', [
      {
        ...used(1, 'candidate', [{ service: 'api', replica: 1, memory_peak: mib * MIB, cpu_peak: 0.1 }]),
        valid: false,
        reasons: [
          {
            code: 'out-of-memory',
            message: 'api went over its memory limit and the kernel killed a process of it',
          },
        ],
      },
    ]);
  t.match(adviceOf([killed(100)], null), [{ out_of_memory: 1, memory: { max: 200 * MIB } }]);
  t.match(adviceOf([killed(1000)], null), [{ memory: { max: 1200 * MIB } }]);
});

t.test('only rounds of the variant count, no probe of the capacity and no pressure that was made', async (t) => {
  const peak = (mib: number) => [{ service: 'api', replica: 1, memory_peak: mib * MIB, cpu_peak: 0.1 }];
  const pressed: RoundDocument['disturbances'] = [
    {
      kind: 'memory-pressure',
      service: 'api',
      at_s: 1,
      ended_s: 2,
      requests: 1,
      failed_requests: 0,
      recovery_s: 0,
      p99_inside: null,
      p99_outside: null,
      actions: [],
    },
  ];
  const run = aRun('01A', [
    used(1, 'candidate', peak(10)),
    used(1, 'baseline', peak(20)),
    { ...used(2, 'candidate', peak(500)), rate: 900 },
    { ...used(3, 'candidate', peak(600)), disturbances: pressed },
  ]);
  run.sides.candidate.variant = 'scaled';
  t.match(adviceOf([run], 'scaled'), [{ memory: { max: 10 * MIB } }]);
  t.match(adviceOf([run], null), [{ memory: { max: 20 * MIB } }]);
});

const COMPOSE = {
  services: {
    api: {
      deploy: { resources: { reservations: { memory: String(64 * MIB), cpus: '0.5' }, limits: { cpus: '1.5' } } },
      mem_limit: String(128 * MIB),
    },
    db: { mem_limit: String(1024 * MIB), cpus: 2 },
  },
};

t.test('what is set is read from the Compose file that the run was started with', async (t) => {
  const run = aRun('01A', [], COMPOSE);
  t.strictSame(Object.fromEntries(setBy(run, null)), {
    api: { memory: { request: 64 * MIB, limit: 128 * MIB }, cpu: { request: 0.5, limit: 1.5 } },
    db: { memory: { request: null, limit: 1024 * MIB }, cpu: { request: null, limit: 2 } },
  });
  t.equal(setBy(run, 'scaled').size, 0);
});

t.test('a run exceeds what is set by more than a request, or by reaching a limit', async (t) => {
  const one = (mib: number, cpu: number) => [{ service: 'api', replica: 3, memory_peak: mib * MIB, cpu_peak: cpu }];
  const at = (mib: number, cpu: number) =>
    exceededIn([aRun('01A', [used(1, 'candidate', one(mib, cpu))], COMPOSE)], null);
  t.strictSame(at(64, 0.5), [], 'all of a request may be used');
  t.strictSame(at(80, 0.4), [
    {
      run_id: '01A',
      side: 'candidate',
      round: 1,
      service: 'api',
      replica: 3,
      what: 'memory request',
      used: 80 * MIB,
      set: 64 * MIB,
      killed: false,
    },
  ]);
  t.match(at(122, 1.43), [
    { what: 'memory request' },
    { what: 'memory limit' },
    { what: 'cpu request' },
    { what: 'cpu limit' },
  ]);
  t.match(at(121, 1.42), [{ what: 'memory request' }, { what: 'cpu request' }], 'a limit is reached at 95 %');
  const twice = aRun('01A', [used(1, 'candidate', one(70, 0)), used(2, 'candidate', one(90, 0))], COMPOSE);
  t.match(exceededIn([twice], null), [{ round: 2, used: 90 * MIB }], 'the greatest of a run');
  t.equal(exceededIn([twice], null).length, 1);
});

t.test('what Mayfly lays beside the services is not advised on', async (t) => {
  const all = ['api', 'balancer', 'broker', 'trigger'].map((service) => ({
    ...{ service, replica: 1, memory_peak: 80 * MIB, cpu_peak: 0.1 },
  }));
  const names = (run: RunDocument) => adviceOf([run], null).map(({ service }) => service);
  const run = aRun('01A', [used(1, 'candidate', all)]);
  t.strictSame(names(run), ['api', 'broker', 'trigger'], 'a benchmark may have services of these names');
  const withEvents = aRun('01A', [{ ...used(1, 'candidate', all), events: makeEvents({}) }]);
  t.strictSame(names(withEvents), ['api']);
});

t.test('what is replicated, balanced or scaled is', async (t) => {
  const run = aRun('01A', [
    used(1, 'candidate', [
      { service: 'api', replica: 1, memory_peak: MIB, cpu_peak: 0.1 },
      { service: 'db', replica: 1, memory_peak: MIB, cpu_peak: 0.1 },
    ]),
  ]);
  t.strictSame(scalingOf(run, null, adviceOf([run], null)), { autoscale: null, replicated: [] });
  const autoscale = { service: 'api', metric: 'memory', target: 0.5, min: 2, max: 6, cooldown_s: 15 } as const;
  run.sides.candidate.deployment = { autoscale };
  t.strictSame(scalingOf(run, null, adviceOf([run], null)), { autoscale, replicated: ['api'] });
});
