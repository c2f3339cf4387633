import t from 'tap';
import type { RoundDocument, RunDocument } from '../../scripts/documents/run.ts';
import { autoscaleLines } from '../../scripts/report/autoscale-text.ts';

const decision = (at_s: number, replicas: number, desired: number) => ({
  at_s,
  replicas,
  utilisation: 0.6,
  desired,
  why: `ceil(<${replicas}>) = ${desired}`,
});
const round = (number: number, autoscale: RoundDocument['autoscale'], side = 'candidate') =>
  ({ side, round: number, valid: true, reasons: [], window_s: 20, samples: {}, autoscale }) as unknown as RoundDocument;
const scaled = (settled_s: number | null, replicas_avg: number) => ({
  service: 'api',
  decisions: [decision(0, 2, 2), decision(6, 2, 4), decision(8, 4, 4)],
  replicas_avg,
  settled_s,
});
const run = (...rounds: RoundDocument[]) =>
  ({
    rounds,
    sides: { candidate: { deployment: { autoscale: { target: 0.5 } } } },
  }) as unknown as RunDocument;

t.test('what the autoscaler did is a sentence for each side', async (t) => {
  t.strictSame(autoscaleLines(run(round(1, undefined))), []);
  t.strictSame(autoscaleLines(run(round(1, scaled(6, 3.4)), round(2, scaled(null, 3)))), [
    'candidate: 2 to 4 replicas of api, 3.2 on average; 2 changes in 2 rounds; settled after 6.0 s; not settled in 1 round',
  ]);
  const still = { service: 'api', decisions: [decision(0, 2, 2)], replicas_avg: 2, settled_s: 0 };
  t.strictSame(autoscaleLines(run(round(1, still, 'baseline'))), [
    'baseline: 2 replicas of api, 2.0 on average; 0 changes in 1 round',
  ]);
});
