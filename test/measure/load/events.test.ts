/** The generator runs code of the benchmark's author: what comes on its standard output may be anything. */
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { EventStream } from '../../../scripts/measure/load/load-events.ts';

const line = (event: object) => `${JSON.stringify(event)}\n`;
const READY = line({ event: 'ready' });
const WINDOW = line({ event: 'window', startMs: 1000, endMs: 2000 });
const FAULT = line({ event: 'fault', kind: 'usage', message: 'load.ts:1 no', hint: 'Write another.' });
const RESULT = line({
  event: 'result',
  result: { schema: 'mayfly.load/v1', sides: [{ side: 'candidate', names: [{ name: 'ä → \n 😀' }] }] },
});
const forever = new AbortController().signal;

function stream(...texts: string[]): EventStream {
  const events = new EventStream();
  for (const text of texts) events.add(text);
  return events;
}

t.test('lines split over chunks, wherever', async (t) => {
  const text = READY + WINDOW + RESULT;
  for (const size of [1, 2, 7, 64, text.length]) {
    const events = stream(
      ...Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size)),
    );
    t.same(events.find('ready'), { event: 'ready' }, `chunks of ${size}`);
    t.same(events.find('window'), { event: 'window', startMs: 1000, endMs: 2000 });
    t.match(events.find('result'), JSON.parse(RESULT));
    t.equal(events.find('ended'), undefined);
  }
});

t.test('a line is an event once it has ended', async (t) => {
  const events = stream(READY.trimEnd());
  t.equal(events.find('ready'), undefined);
  events.add('\n');
  t.ok(events.find('ready'));
});

t.test('garbage between, and what only looks like an event', async (t) => {
  const none = [
    'hello\n',
    '\n\n\n',
    '{"event":"',
    '\n',
    '{"event":"ready"\n',
    '{"event":"ready"}}\n',
    ' {"event":"ready"}\n',
    '{"event":"unheard","message":"x"}\n',
    '{"event":"toString"}\n',
    'null\n',
    '[1]\n',
    '\u0000\u001b[2J\n',
    line({ event: 'window', startMs: 'now', endMs: 2 }),
    line({ event: 'window', startMs: 1 }),
    '{"event":"window","startMs":1e999,"endMs":1}\n',
    line({ event: 'ended' }),
    line({ event: 'checked', files: null }),
    line({ event: 'checked', files: { 'load.ts': { a: 1 } } }),
    line({ event: 'checked', files: ['load.ts'] }),
    line({ event: 'fault', kind: 'other', message: 'x' }),
    line({ event: 'fault', kind: 'usage', message: { a: 1 } }),
    line({ event: 'result' }),
    line({ event: 'result', result: [] }),
    line({ event: 'result', result: null }),
  ];
  const events = stream(...none);
  for (const name of ['ready', 'checked', 'window', 'ended', 'fault', 'result'] as const)
    t.equal(events.find(name), undefined, name);
  for (const text of none) events.add(text + READY);
  t.ok(events.find('ready'), 'an event behind it is one');
});

t.test('what else an event holds is left out, and the first of a kind counts', async (t) => {
  const events = stream(line({ event: 'window', startMs: 1, endMs: 2, more: 'x'.repeat(1000) }), WINDOW);
  t.same(events.find('window'), { event: 'window', startMs: 1, endMs: 2 });
  events.add(line({ event: 'fault', kind: 'generator', message: 'x'.repeat(1e6), hint: 7 }));
  t.equal(events.find('fault')!.message.length, 2000);
  t.notOk('hint' in events.find('fault')!);
});

/** Bytes of the heap that are in use after the garbage has gone. */
function heap(): number {
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

async function bounded(t: Test, text: string, times: number): Promise<EventStream> {
  const { setFlagsFromString } = await import('node:v8');
  setFlagsFromString('--expose-gc');
  globalThis.gc ??= (await import('node:vm')).runInNewContext('gc');
  const events = new EventStream();
  const before = heap();
  for (let i = 0; i < times; i++) events.add(text);
  const grown = heap() - before;
  t.ok(grown < 24e6, `${(text.length * times) / 1e6} MB came, ${grown / 1e6} MB are kept`);
  return events;
}

t.test('a line without end is not kept, and ends with its end', async (t) => {
  const events = await bounded(t, 'x'.repeat(1 << 16), 4000);
  events.add(`{"event":"ready"}\n`);
  t.equal(events.find('ready'), undefined, 'it is the end of that line');
  events.add(READY);
  t.ok(events.find('ready'));
});

t.test('an event without end neither', async (t) => {
  const events = stream('{"event":"result","result":{"names":["');
  for (let i = 0; i < 200; i++) events.add('x'.repeat(1 << 16));
  events.add('"]}}\n');
  t.equal(events.find('result'), undefined);
  const large = stream(line({ event: 'result', result: { names: 'x'.repeat(3 << 20) } }));
  t.ok(large.find('result'), 'the result of a large run is taken');
  t.equal(
    stream(line({ event: 'result', result: { names: 'x'.repeat(5 << 20) } })).find('result'),
    undefined,
    'in one piece neither',
  );
});

t.test('events without end are not kept', async (t) => {
  await bounded(t, (READY + WINDOW + FAULT + RESULT + line({ event: 'checked', files: { a: 'b' } })).repeat(100), 3000);
});

t.test('who waits gets the event when it comes', async (t) => {
  const events = new EventStream();
  const [ready, result, again] = [
    events.wait('ready', forever),
    events.wait('result', forever),
    events.wait('ready', forever),
  ];
  events.add(READY.slice(0, 5));
  await turn();
  events.add(READY.slice(5));
  t.same(await ready, { event: 'ready' });
  t.same(await again, { event: 'ready' });
  events.add(RESULT);
  t.match(await result, { event: 'result' });
  t.match(await events.wait('result', forever), { event: 'result' }, 'and who comes later, too');
});

t.test('a fault comes before what is waited for, and instead of it', async (t) => {
  const events = stream(FAULT + READY);
  t.same(await events.wait('ready', forever), JSON.parse(FAULT));
  const late = new EventStream();
  const waiting = late.wait('result', forever);
  late.add(WINDOW + FAULT);
  t.same(await waiting, JSON.parse(FAULT));
});

t.test('an end without what is waited for', async (t) => {
  const events = stream(READY);
  const waiting = events.wait('result', forever);
  events.end();
  t.equal(await waiting, null);
  t.equal(await events.wait('window', forever), null);
  t.same(await events.wait('ready', forever), { event: 'ready' }, 'what came before is there');
  const half = stream('{"event":"ready"}');
  half.end();
  t.equal(await half.wait('ready', forever), null, 'half a line is none');
});

t.test('a stream that breaks off', async (t) => {
  const events = stream(READY);
  const waiting = events.wait('result', forever);
  events.end(new Error('the engine has gone'));
  await t.rejects(waiting, { message: 'the engine has gone' });
  t.same(await events.wait('ready', forever), { event: 'ready' });
});

t.test('an abort ends the waiting, with its reason', async (t) => {
  const stop = new AbortController();
  const events = new EventStream();
  const waiting = events.wait('ready', stop.signal);
  stop.abort(new Error('interrupted'));
  await t.rejects(waiting, { message: 'interrupted' });
  events.add(READY);
  await t.rejects(events.wait('ready', stop.signal), { message: 'interrupted' }, 'also where it is there');
  t.same(await events.wait('ready', forever), { event: 'ready' });
});
