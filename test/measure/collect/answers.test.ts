/** What came back, as it is stored of a round. */
import t from 'tap';
import { answersOf } from '../../../scripts/measure/collect/answers.ts';

t.test('most frequent first, and bounded: the names and the answers are of code that nobody here wrote', async (t) => {
  const answers = Array.from({ length: 500 }, (_, i) => ({
    status: i,
    failure: i === 7 ? 'x'.repeat(1000) : null,
    count: 1 + i,
    bytes: 10 + i / 3,
    deviation: 1 / 3,
    ...(i === 499 ? { types: Array.from({ length: 9 }, (_, j) => ({ type: `text/${j}`, count: 9 - j })) } : {}),
  }));
  const names = Array.from({ length: 150 }, (_, i) => ({
    name: `${i} ${'y'.repeat(500)}`,
    requests: 1 + i,
    failed: 0,
    latency: null,
    answers: i === 149 ? answers : [],
  }));
  const kept = answersOf({ requests: 5, failed: 1, names });
  t.match(kept, { requests: 5, failed: 1, names: { length: 100 } });
  const [first] = kept.names;
  t.equal(first!.name.length, 200);
  t.strictSame(
    [first!.requests, first!.answers.length, first!.answers[0]],
    [
      150,
      30,
      {
        status: 499,
        failure: null,
        count: 500,
        bytes: 176.333,
        deviation: 0.333,
        types: [9, 8, 7, 6, 5].map((count, j) => ({ type: `text/${j}`, count })),
      },
    ],
  );
  t.ok(JSON.stringify(kept).length < 50_000);
  const { failure } = answersOf({ requests: 1, failed: 1, names: [{ ...names[0]!, answers: answers.slice(7, 8) }] })
    .names[0]!.answers[0]!;
  t.equal(failure!.length, 100);
  t.same(
    answersOf({ requests: 5, failed: 1, names: names.slice(0, 1).map(({ answers: _, ...one }) => one) }).names[0]!
      .answers,
    [],
    'of another generator there are none',
  );
});
