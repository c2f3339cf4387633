/** Merging, cutting, selecting and printing. */
import t from 'tap';
import { sizeText, Tail } from '../../scripts/logs/bound.ts';
import { lineText } from '../../scripts/logs/format.ts';
import type { LogEntry } from '../../scripts/logs/kept.ts';
import { mergeByTime } from '../../scripts/logs/merge.ts';
import { entryText, isSelected } from '../../scripts/logs/select.ts';

const gather = async <T>(lines: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const line of lines) all.push(line);
  return all;
};

t.test('streams are merged by time, stable, and one line of each is read ahead', async (t) => {
  let read = 0;
  let ended = 0;
  async function* stream(name: string, times: string[]) {
    try {
      for (const [i, time] of times.entries()) {
        read++;
        yield { time, text: `${name}${i}` };
      }
    } finally {
      ended++;
    }
  }
  const texts = async (...streams: string[][]) =>
    (await gather(mergeByTime(streams.map((times, i) => stream('abc'[i]!, times))))).map(({ text }) => text).join(' ');
  t.equal(await texts(['1', '3', '5'], ['2', '3', '3', '9'], []), 'a0 b0 a1 b1 b2 a2 b3');
  t.equal(await texts(['5', '1'], ['2', '6']), 'b0 a0 a1 b1', 'one that is not in order keeps its own');
  t.equal(await texts(), '');
  [read, ended] = [0, 0];
  for await (const line of mergeByTime([stream('a', ['1', '2', '3']), stream('b', ['1', '2', '3'])])) {
    t.equal(line.text, 'a0');
    break;
  }
  t.equal(read, 2, 'no more than the heads');
  t.equal(ended, 2, 'and both are closed');
});

t.test('against a sort of all, in any streams', async (t) => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  for (let i = 0; i < 50; i++) {
    const streams = Array.from({ length: random(6) }, (_, from) =>
      Array.from({ length: random(20) }, () => String(random(15)).padStart(2, '0'))
        .sort()
        .map((time, at) => ({ time, from, at })),
    );
    const sorted = streams.flat().sort((a, b) => a.time.localeCompare(b.time) || a.from - b.from || a.at - b.at);
    const merged = await gather(
      mergeByTime(
        streams.map(async function* (lines) {
          yield* lines;
        }),
      ),
    );
    t.same(merged, sorted);
  }
});

t.test('the last of a log within so many bytes, and what was cut', (t) => {
  const tail = new Tail<number>(100);
  for (let i = 0; i < 5000; i++) tail.push(i, 9);
  t.same(
    tail.items,
    Array.from({ length: 11 }, (_, i) => 4989 + i),
  );
  t.same(tail.cut, { lines: 4989, bytes: 4989 * 9 });
  tail.push(5000, 1000);
  t.same(tail.items, [5000], 'one that is too much alone stays');
  t.equal(tail.cut.lines, 5000);
  t.same(new Tail<number>(5).items, []);
  t.same([7, 12 * 1024, 1.5 * 1024 ** 2, 64 * 1024 ** 2].map(sizeText), ['7 bytes', '12 KiB', '1.5 MiB', '64 MiB']);
  t.end();
});

const entry = (changes: Partial<LogEntry> = {}): LogEntry => ({
  time: '2026-11-28T22:00:00.123456789Z',
  level: 'warn',
  side: 'candidate',
  round: 3,
  service: 'consumer',
  replica: 1,
  stream: 'o',
  trace: '0af7651916cd43dd8448eb211c80319c',
  msg: 'order placed',
  fields: [
    ['service', 'consumer'],
    ['round', 'seven'],
    ['order', 7],
  ],
  ...changes,
});

t.test('a line as it is printed', (t) => {
  t.equal(
    entryText(entry(), 'logfmt'),
    'ts=2026-11-28T22:00:00.123456789Z level=warn side=candidate round=3 service=consumer trace=0af7651916cd43dd8448eb211c80319c msg="order placed" own_round=seven order=7',
  );
  t.same(JSON.parse(entryText(entry({ replica: 2, side: null, trace: null, level: null }), 'json')), {
    ts: '2026-11-28T22:00:00.123456789Z',
    round: 3,
    service: 'consumer',
    replica: 2,
    msg: 'order placed',
    own_round: 'seven',
    order: 7,
  });
  t.end();
});

t.test('nothing that is printed acts on a terminal', (t) => {
  const nasty = 'a\u001b[2J\r\n\u009b1m\u202e\u2028\ttext';
  for (const format of ['logfmt', 'json'] as const) {
    const text = lineText(
      [
        ['msg', nasty],
        ['k\u001b y="', { deep: nasty }],
      ],
      format,
    );
    t.notMatch(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, format);
  }
  t.equal(JSON.parse(lineText([['msg', nasty]], 'json')).msg, nasty, 'and it is still there');
  t.equal(
    lineText(
      [
        ['a', ''],
        ['b', 'x=y'],
        ['c', 'plain'],
        ['d', true],
        ['e', null],
      ],
      'logfmt',
    ),
    'a="" b="x=y" c=plain d=true',
  );
  t.end();
});

t.test('lines are selected by each of what is asked for', (t) => {
  const trace = '0af7651916cd43dd8448eb211c80319c';
  for (const wanted of [
    {},
    { side: 'candidate' },
    { service: 'consumer', round: 3 },
    { level: 'info' },
    { level: 'warn' },
    { trace },
    { trace: trace.slice(0, 8) },
    { since: '2026-11-28T22:00:00.123456789Z' },
  ] as const)
    t.ok(isSelected(entry(), wanted), JSON.stringify(wanted));
  for (const other of [
    { side: 'baseline' },
    { service: 'producer' },
    { round: 4 },
    { level: 'error' },
    { trace: trace.slice(8) },
    { since: '2026-11-28T22:00:00.123456790Z' },
  ] as const)
    t.notOk(isSelected(entry(), other), JSON.stringify(other));
  t.notOk(isSelected(entry({ level: null }), { level: 'debug' }), 'without a level');
  t.ok(isSelected(entry({ trace: null, msg: `failed in ${trace.toUpperCase()}` }), { trace }), 'in its text');
  t.notOk(
    isSelected(entry({ trace: null, msg: 'deadbeef' }), { trace: 'deadbeef' }),
    'a beginning is not looked for there',
  );
  t.end();
});
