/** The events of a run: its tables, the sentence on what is not as it should be, and what is said of records. */
import t from 'tap';
import type { EventsDocument, RoundDocument, SideName } from '../../scripts/documents/run.ts';
import { verdictMarkdown } from '../../scripts/report/markdown.ts';
import {
  eventNotes,
  eventProblems,
  eventRows,
  eventTables,
  hopRows,
  triggerRows,
} from '../../scripts/report/run-events-text.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import { makeEvents } from '../events/document.ts';
import { makeComparison, makeJudged, makeRound, makeRun } from '../run-document.ts';

const round = (number: number, side: SideName, changes: Partial<EventsDocument> = {}, valid = true): RoundDocument => ({
  ...makeRound(side, number, {}),
  valid,
  events: makeEvents(changes),
});
const alone = (...rounds: RoundDocument[]) => makeRun({ rounds });
const { candidate } = makeRun().sides;
const pair = (...rounds: RoundDocument[]) => makeRun({ rounds, sides: { candidate, baseline: candidate } });

t.test('sums over the rounds that count; of backlog and drain the greatest', async (t) => {
  const run = alone(
    round(1, 'candidate', { duplicated: 2, drain_s: 0.25 }),
    round(2, 'candidate', { sent: 2000, backlog: { peak: 31, points: [] } }),
    round(3, 'candidate', { lost: 7 }, false),
  );
  t.strictSame(
    eventRows(run).map(({ title, values }) => [title, values.candidate, values.baseline]),
    [
      ['sent', '3,000', null],
      ['deliveries', '3,200', null],
      ['delivered', '3,200', null],
      ['duplicated', '2', null],
      ['out of order', '0', null],
      ['lost', '0', null],
      ['dead-lettered', '0', null],
      ['refused', '0', null],
      ['unrouted', '0', null],
      ['greatest backlog', '31', null],
      ['longest drain', '250 ms', null],
    ],
  );
  const spoilt = alone(round(1, 'candidate', { lost: 7, pending: 3, unsent: 1, drained: false, drain_s: null }, false));
  const value = (title: string) => eventRows(spoilt).find((row) => row.title === title)?.values.candidate;
  t.equal(value('lost'), '7', 'where no round counts, those that there are say why');
  t.equal(value('longest drain'), 'not drained');
  t.strictSame([value('under way at the end'), value('offered, nothing known')], ['3', '1']);
  t.equal(value('rejected by the sink'), undefined, 'there were none');
  t.strictSame(eventRows(makeRun()), []);
});

t.test('hops: the median over rounds, and of two sides the median of the changes within rounds', async (t) => {
  const hops = (producer: number, consumer: number): Partial<EventsDocument> => ({
    hops: [
      { hop: 'producer', count: 1, avg: producer, p95: 2 * producer },
      { hop: 'consumer', count: 1, avg: consumer, p95: 3 * consumer },
    ],
    delivery: { count: 1, avg: producer + consumer, med: 1, p90: 1, p95: 0.5, p99: 1, max: 1 },
  });
  const run = pair(
    ...[1, 2, 3].flatMap((n) => [
      round(n, 'candidate', hops(0.001 * n, 0.011 * n)),
      round(n, 'baseline', hops(0.001 * n, 0.01 * n)),
    ]),
  );
  t.strictSame(hopRows(run, true), [
    ['producer', '2.00 ms', '2.00 ms', '0.00 %', '4.00 ms', '4.00 ms', '0.00 %'],
    ['consumer', '22.0 ms', '20.0 ms', '+10.00 %', '66.0 ms', '60.0 ms', '+10.00 %'],
    ['all of them', '24.0 ms', '22.0 ms', '+9.09 %', '500 ms', '500 ms', '0.00 %'],
  ]);
  t.strictSame(hopRows(alone(round(1, 'candidate', hops(0.001, 0.01))), false)[0], ['producer', '1.00 ms', '2.00 ms']);
  const without = { hops: [] };
  t.strictSame(hopRows(alone(round(1, 'candidate', without)), false), []);
  t.strictSame(hopRows(pair(round(1, 'candidate', hops(0.001, 0.01)), round(1, 'baseline', without)), true)[0], [
    'producer',
    '1.00 ms',
    '-',
    '-',
    '2.00 ms',
    '-',
    '-',
  ]);
});

t.test('triggers, where there are several', async (t) => {
  const [mail] = makeEvents({}).triggers;
  const stock = { ...mail!, trigger: 'stock', dead_lettered: 1200, attempts: 7200, dead_letters: 'after 6 attempts' };
  t.strictSame(triggerRows(alone(round(1, 'candidate'))), []);
  const run = pair(
    round(1, 'candidate', { triggers: [mail!, stock] }),
    round(2, 'candidate', { triggers: [mail!, stock] }),
    round(1, 'baseline', { triggers: [mail!, { ...mail!, trigger: 'stock' }] }),
  );
  t.strictSame(triggerRows(run), [
    ['mail, candidate', '3,200', '3,200', '0', '0', '0', '0', '3,200'],
    ['mail, baseline', '1,600', '1,600', '0', '0', '0', '0', '1,600'],
    ['stock, candidate', '3,200', '3,200', '0', '0', '0', '2,400', '14,400'],
    ['stock, baseline', '1,600', '1,600', '0', '0', '0', '0', '1,600'],
  ]);
  const unknown = alone(round(1, 'candidate', { triggers: [{ ...mail!, trigger: '' }, mail!] }));
  t.strictSame(
    triggerRows(unknown).map(([title]) => title),
    ['not known', 'mail'],
  );
});

t.test('tables for a terminal', async (t) => {
  const text = eventTables(pair(round(1, 'candidate'), round(1, 'baseline')), { color: false }).join('\n');
  t.match(text, /^events +candidate +baseline\nsent +1,000 +1,000\n/);
  t.match(
    text,
    /\n\nhop of a delivery +mean +baseline +change +p95 +baseline +change\nclient +1\.00 ms +1\.00 ms +0\.00 %/,
  );
  t.notMatch(text, /^trigger +deliveries/m);
  t.strictSame(eventTables(makeRun(), { color: false }), []);
});

t.test('one sentence for each side where something is not as it should be, in whatever round', async (t) => {
  t.strictSame(eventProblems(pair(round(1, 'candidate'), round(1, 'baseline'))), []);
  const run = pair(
    round(1, 'candidate', { lost: 1, dead_lettered: 2 }),
    round(2, 'candidate', {}),
    round(3, 'candidate', { dead_lettered: 1000, refused: 1, unrouted: 2, rejected: 3 }, false),
    round(3, 'baseline', { pending: 4 }),
  );
  t.strictSame(eventProblems(run), [
    'events of candidate, rounds 1, 3: of 3,200 deliveries 1 lost, 1,002 dead-lettered; 1 event refused; 2 events unrouted; 3 events rejected by the sink',
    'events of baseline, round 3: of 1,600 deliveries 4 under way at the end',
  ]);
  t.strictSame(eventProblems(alone(round(1, 'candidate', { unrouted: 1 }))), [
    'events of candidate, round 1: 1 event unrouted',
  ]);
});

t.test('notes, each once, with the rounds in which it was so', async (t) => {
  const note = (n: number) => ({ notes: [`mail: ${n} events dead-lettered after 6 attempts: status 500 × ${n}`] });
  const rounds = [1, 2, 3, 4, 5, 6, 7].map((n) => round(n, 'candidate', note(n + 1)));
  t.strictSame(eventNotes(alone(...rounds)), [
    'events of candidate, rounds 1, 2, 3, 4, 5 and 2 more: mail: 2 events dead-lettered after 6 attempts: status 500 × 2',
  ]);
});

t.test('show has tables and notes; a comment has the sentence', async (t) => {
  const bad = round(1, 'candidate', {
    dead_lettered: 3,
    notes: ['mail: 3 events dead-lettered after 6 attempts: \u001b[2Jno'],
  });
  const shown = runTable(alone(bad), { color: false });
  t.match(shown, /\nevents +candidate\n/);
  t.match(shown, /\nnote: events of candidate, round 1: of 1,600 deliveries 3 dead-lettered\n/);
  t.match(shown, /\nnote: events of candidate, round 1: mail: 3 events dead-lettered after 6 attempts: no\n/);
  const judged = makeJudged({});
  const rounds = [{ ...judged.rounds[0]!, events: bad.events! }, ...judged.rounds.slice(1)];
  t.match(runTable({ ...judged, rounds }, { color: false }), /\nevents +candidate +baseline\n/);
  t.match(
    verdictMarkdown(judged.verdict!, { ...judged, rounds }, []),
    /\n- events of candidate, round 1: of 1,600 deliveries 3 dead-lettered\n/,
  );
  t.notMatch(verdictMarkdown(judged.verdict!, judged, []), /events of/);
  t.notMatch(runTable(makeComparison(1), { color: false }), /events/);
});
