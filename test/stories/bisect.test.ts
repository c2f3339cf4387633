/**
 * A bisection with real stacks: builds that are the same or cannot be made, a kill in the middle of its one comparison,
 * and the same command once more.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { dataFolder, engine, mayfly, nothingLeft, probeBenchmark, probeRepository, ROOT } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const service = (file: string) => readFileSync(join(ROOT, 'test/fixtures/probe/service', file), 'utf8');
/** Every request takes 20 ms of computing more. */
const SLOW = service('server.js').replace('  requests++;\n', '  requests++;\n  compute(20);\n');

t.test('killed in its comparison it goes on there, and finds what can be found', async (t) => {
  const data = dataFolder(t);
  const { folder, commits } = await probeRepository(t, [
    {},
    {},
    { Dockerfile: 'FROM scratch\nCOPY nothing /\n' },
    { Dockerfile: service('Dockerfile'), 'server.js': SLOW },
    {},
  ]);
  const benchmark = probeBenchmark(t, {
    build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } },
    load: { rate: 20, duration: '1s', warmup: '0s', max_in_flight: 40 },
    allow: { saturation: 1 },
    top: { retries: 5 },
  });
  const args = [
    `--benchmark=${benchmark}`,
    `--good=${commits[0]}`,
    '--bad=main',
    '--metric=latency_med',
    '--pairing=interleaved',
    '--max-rounds=20',
    '--json',
  ];

  const first = mayfly('bisect', args, data);
  await first.said(/begin {2}round 3 of/); // two are in the store
  first.child.kill('SIGKILL');
  await first.done;

  const second = await mayfly('bisect', args, data).done;
  t.equal(second.code, 3, second.stderr);
  t.match(second.stderr, /going on with bisection \w+, 0 compared/);
  t.match(second.stderr, /begin {2}round 3 of/);
  t.notMatch(second.stderr, /begin {2}round [12] of/, 'two rounds are not measured again');
  const bisection = JSON.parse(second.stdout);
  t.match(bisection, {
    schema: 'mayfly.bisect/v1',
    good: commits[0],
    bad: 'main',
    metric: 'latency_med',
    commits: [0, 0, 1, 2, 2].map((build, i) => ({ commit: commits[i], build, subject: `change ${i + 1}` })),
    judged: { name: 'latency_med', others: [] },
    comparisons: [
      { candidate: commits[3], baseline: commits[0], why: 'whole', found: 'slow', verdict: 'REGRESSION' },
      {
        candidate: commits[2],
        baseline: commits[0],
        why: 'search',
        found: 'skipped',
        verdict: null,
        words: /^the build of probe at .* failed/,
      },
    ],
    answer: { outcome: 'range', commits: [commits[2], commits[3]] },
  });
  t.equal(bisection.comparisons.length, 2);
  t.ok(bisection.judged.change > 0.5, `${bisection.judged.change}`);

  const shown = await mayfly('bisect', [`--resume=${bisection.bisection_id.slice(0, 20)}`], data).done;
  t.equal(shown.code, 3, shown.stderr);
  t.match(
    shown.stdout,
    /^One of these commits: .*\n {2}\w{12} {2}\d{4}-\d\d-\d\d {2}change 3\n {2}\w{12} .*change 4\n/,
  );
  t.match(shown.stdout, new RegExp(`npm run show -- ${bisection.comparisons[0].run_id}`));
  await nothingLeft(t, data, { waiting: 1 }); // the metrics of the killed process
});
