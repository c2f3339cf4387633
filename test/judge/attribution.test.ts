import t from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import { normal } from '../../scripts/dev/perf/verdict-models.ts';
import type { RoundDocument, SideName } from '../../scripts/documents/run.ts';
import { attributionOf } from '../../scripts/judge/attribution.ts';
import { judgeRun } from '../../scripts/judge/judge-run.ts';
import { attributionLines } from '../../scripts/report/attribution-text.ts';
import { verdictMarkdown } from '../../scripts/report/markdown.ts';
import { verdictText } from '../../scripts/report/verdict-text.ts';
import { makeComparison, makeRound } from '../run-document.ts';

type Hops = Record<string, number>;

/** A round whose hops take so many seconds, and whose services so many seconds of CPU. */
function roundOf(side: SideName, round: number, hops: Hops | null, cpu: Hops | null = null): RoundDocument {
  const total = hops ? Object.values(hops).reduce((sum, one) => sum + one, 0) : 0;
  return {
    ...makeRound(side, round, {}),
    ...(hops
      ? {
          traces: {
            sampling: 0.1,
            traces: 90,
            complete: 90,
            holes: 0,
            unfinished: 0,
            spans: 270,
            total_avg: total,
            hops: Object.entries(hops).map(([hop, path]) => ({
              hop,
              calls: 1,
              self_avg: path,
              self_p95: path,
              path_avg: path,
              share: path / total,
            })),
          },
        }
      : {}),
    ...(cpu
      ? {
          services: Object.entries(cpu).map(([service, cpu_seconds_per_request]) => ({
            service,
            cpu_seconds_per_request,
          })),
        }
      : {}),
  };
}

/** Rounds of two hops and three services with noise; the host drifts, both sides alike. `more`: what the candidate adds. */
function simulated(seed: number, rounds: number, more: { hop?: number; cpu?: number }) {
  const random = generator(seed, 1);
  const noise = (size: number) => Math.exp(size * normal(random));
  return Array.from({ length: rounds }, (_, i) => {
    const host = noise(0.2);
    const side = (name: SideName, hop = 0, cpu = 0) => [
      roundOf(
        name,
        i + 1,
        { producer: 0.002 * host * noise(0.03), consumer: 0.003 * host * noise(0.03) + hop },
        { producer: 0.0008 * host * noise(0.01), consumer: 0.0011 * host * noise(0.01) * (1 + cpu) },
      ),
    ];
    return { candidate: side('candidate', more.hop, more.cpu), baseline: side('baseline') };
  });
}

t.test('5 ms more in one hop are found in that hop, and nothing in the other', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const { latency } = attributionOf(simulated(seed, 12, { hop: 0.005 }))!;
    const [first, second] = latency!.hops;
    t.equal(first!.hop, 'consumer');
    t.ok(Math.abs(first!.change_s - 0.005) < 0.0005, `within a tenth: ${first!.change_s}`);
    t.ok(Math.abs(second!.change_s) < 0.0005);
    t.ok(Math.abs(latency!.total.change_s - 0.005) < 0.0005);
    t.equal(latency!.observations, 12);
  }
});

t.test('the intervals hold what they should, 95 times in 100', async (t) => {
  const runs = 1000;
  let held = 0;
  let elsewhere = 0;
  for (let seed = 1; seed <= runs; seed++) {
    const { latency } = attributionOf(simulated(seed, 10, { hop: 0.0001 }))!;
    const of = (name: string) => latency!.hops.find(({ hop }) => hop === name)!;
    if (of('consumer').low! <= 0.0001 && of('consumer').high! >= 0.0001) held++;
    if (of('producer').low! > 0 || of('producer').high! < 0) elsewhere++;
  }
  // 95 % +- 4 standard errors of a share of 1000; the exact test's own level at 10 rounds is 95.1 %
  t.ok(held / runs > 0.925, `held in ${held} of ${runs}`);
  t.ok(elsewhere / runs < 0.075, `a change elsewhere in ${elsewhere} of ${runs}`);
});

t.test('+2 % of CPU in one of the services is put on it', async (t) => {
  const { cpu } = attributionOf(simulated(7, 40, { cpu: 0.02 }))!;
  const [first] = cpu!.services;
  t.equal(first!.service, 'consumer');
  t.ok(first!.low! > 0 && first!.high! < 2 * 0.02 * 0.0011, `${first!.low} to ${first!.high}`);
});

t.test('where there are no values there is nothing: too few rounds have no interval', async (t) => {
  const pair = (round: number, own: Hops | null, other: Hops | null, cpu: Hops | null = null) => ({
    candidate: [roundOf('candidate', round, own, cpu)],
    baseline: [roundOf('baseline', round, other, cpu)],
  });
  t.equal(attributionOf([]), undefined);
  t.equal(attributionOf([pair(1, null, null)]), undefined);
  t.equal(attributionOf([pair(1, { a: 1 }, null)]), undefined, 'one side alone');
  t.equal(attributionOf([pair(1, null, null, { shop: 1 })]), undefined, 'of one service there are no parts');
  t.strictSame(
    attributionOf([pair(1, { a: 1, b: 2 }, { a: 1 }), pair(2, null, { a: 1 })]),
    {
      latency: {
        observations: 1,
        total: { change_s: 2, low: null, high: null },
        hops: [
          { hop: 'b', change_s: 2, low: null, high: null },
          { hop: 'a', change_s: 0, low: null, high: null },
        ],
      },
    },
    'a hop that the other side does not have took no time there',
  );
});

t.test('alternating: the mean of both rounds of a side in a block', async (t) => {
  const { latency } = attributionOf([
    {
      candidate: [roundOf('candidate', 1, { a: 3 }), roundOf('candidate', 4, { a: 5 })],
      baseline: [roundOf('baseline', 2, { a: 1 }), roundOf('baseline', 3, { a: 2 })],
    },
  ])!;
  t.equal(latency!.total.change_s, 2.5);
});

t.test('a report names the hop and the service where it is worse or better, and only there', async (t) => {
  const run = makeComparison(1.2);
  for (const [i, round] of run.rounds.entries()) {
    const isCandidate = round.side === 'candidate';
    const made = roundOf(
      round.side,
      round.round,
      { producer: 0.001, consumer: isCandidate ? 0.0071 : 0.003, 'trigger\u202e': isCandidate ? 0.0012 : 0.001 },
      { producer: 0.0005, consumer: isCandidate ? 0.001021 + i * 1e-9 : 0.001 },
    );
    Object.assign(round, { traces: made.traces, services: made.services });
  }
  const verdict = { ...judgeRun(run), verdict: 'REGRESSION' as const };
  const lines = attributionLines(verdict);
  t.match(lines, [
    /^consumer: \+4\.10 ms of \+4\.30 ms of a request, by its traces/,
    /^consumer: \+21\.0 µs of \+21\.0 µs of CPU per request/,
  ]);
  t.equal(lines.length, 2, 'the trigger has 5 % of it: too little to be named');
  const text = verdictText(verdict, { color: false });
  t.ok(text.includes(`Where the change is, in the mean:\n  ${lines[0]}\n`), text);
  t.match(
    verdictMarkdown(verdict, run, []),
    /Where the change is, in the mean:\n\n- consumer: \\?\+4\.10 ms of \+4\.30 ms/,
  );
  t.strictSame(attributionLines({ ...verdict, verdict: 'PASS' }), []);
  t.notMatch(verdictText({ ...verdict, verdict: 'PASS' }, { color: false }), /Where the change is/);
  t.strictSame(attributionLines({ verdict: 'REGRESSION' }), [], 'without values');
  const few = {
    ...verdict.attribution!,
    latency: { ...verdict.attribution!.latency!, hops: [{ hop: 'a', change_s: 0.004, low: -0.001, high: 0.009 }] },
  };
  t.match(
    attributionLines({ verdict: 'REGRESSION', attribution: few }),
    [/^consumer: .*CPU/],
    'what is not sure is not named',
  );
});
