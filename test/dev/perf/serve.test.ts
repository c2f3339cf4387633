/**
 * What npm run perf:serve stands on: a store whose copies are whole runs, and latency that counts from the scheduled
 * time.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { drive } from '../../../scripts/dev/perf/open-load.ts';
import { asComparison } from '../../../scripts/dev/perf/serve-disturb.ts';
import { BENCHMARKS, fillStore, METRICS, ROUNDS } from '../../../scripts/dev/perf/serve-store.ts';
import { judgeRun } from '../../../scripts/judge/judge-run.ts';
import { sideInBlock } from '../../../scripts/judge/observations.ts';
import { openStore } from '../../../scripts/store/db.ts';
import { makeRound, makeRun } from '../../run-document.ts';

t.test('the made-up store holds whole runs, each with its own commits and a verdict', async (t) => {
  const file = join(t.testdir(), 'mayfly.db');
  const { runs } = fillStore(file, 100, Date.parse('2026-06-01T00:00:00.000Z'));
  const store = openStore(file);
  t.teardown(() => store.close());
  t.same([...runs.keys()], BENCHMARKS);
  const all = [...runs.values()].flat();
  t.equal(new Set(all).size, 100);
  t.same(
    store
      .stored()
      .map(({ run_id }) => run_id)
      .sort(),
    all.sort(),
  );
  const commits = new Set<string>();
  for (const id of all) {
    const run = store.run(id);
    commits.add(run.sides.candidate.commit);
    t.equal(run.rounds.length, 2 * ROUNDS);
    t.ok(
      run.rounds.every(
        ({ samples, started_at }) =>
          Object.keys(samples).length === METRICS && started_at > run.started_at && started_at < run.finished_at!,
      ),
    );
    t.match(run.verdict, { run_id: id, benchmark: run.benchmark, metrics: { length: METRICS } });
    t.equal(store.details(id).filter(({ detail }) => detail !== null).length, 2 * ROUNDS);
  }
  t.equal(commits.size, 100);
  const master = store.masterRuns('shop', 'perf-serve');
  t.ok(master.length > 30 && master.length < 50, 'one in four is of a pull request');
});

t.test('a server that stalls shows in the latency of every request that was due meanwhile', async (t) => {
  const STALL_MS = 600;
  let first = 0;
  const server = createServer((_, response) => {
    first ||= Date.now();
    // Nothing is answered before the stall is over.
    setTimeout(() => response.end('x'), Math.max(0, first + STALL_MS - Date.now()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const times = await drive(() => ({ url }), { rate: 100, seconds: 1 });
  t.equal(times.requests, 100);
  t.ok(times.max >= STALL_MS * 0.9, `${times.max} ms`);
  t.ok(times.p50 >= 40, `half of the requests were due in the stall: ${times.p50} ms`);
});

t.test(
  'rounds with and without the load are judged as two sides: a load that costs a tenth is found, none is not',
  async (t) => {
    const judged = (factor: number) => {
      const rounds = Array.from({ length: 40 }, (_, number) => {
        const block = Math.floor(number / 4) + 1;
        const side = sideInBlock(block, number % 4);
        const cpu = 0.0004 * (1 + 0.001 * ((number * 7) % 5)) * (side === 'candidate' ? factor : 1);
        return { ...makeRound(side, number + 1, { cpu_seconds_per_request: cpu, latency_med: 0.001 }), block };
      });
      return judgeRun(asComparison(makeRun(), rounds, 10));
    };
    t.match(judged(1.1), {
      verdict: 'REGRESSION',
      summary: /CPU per request: (9\.\d|10\.\d) % more/,
      observations: 10,
    });
    t.equal(judged(1).verdict, 'PASS');
  },
);
