/** What a service calls: startDuration, stopDuration, time, @timed, sample. */
import t, { type Test } from 'tap';
import { sample, startDuration, stopDuration, time, timed } from '../../telemetry/src/measure.ts';
import { start, stop } from '../../telemetry/src/session.ts';
import { runService } from './service.ts';
import { readStrict, type StrictRow } from './strict-files.ts';

function begin(t: Test): { dir: string; rows: (prefix?: string) => StrictRow[] } {
  const dir = t.testdir();
  t.ok(start({ dir, runtime: false, signal: null }));
  t.teardown(stop);
  const rows = (prefix = 'duration') => {
    stop();
    return readStrict(dir)
      .filter((file) => file.prefix === prefix)
      .flatMap((file) => file.rows);
  };
  return { dir, rows };
}

t.test('nested and concurrent durations are told apart', async (t) => {
  const { rows } = begin(t);
  const outer = startDuration();
  const work = async (label: string, turns: number) => {
    const id = startDuration();
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    stopDuration(label, id);
  };
  await Promise.all([work('slow', 30), work('fast', 3), work('middle', 12)]);
  stopDuration('outer', outer);
  const found = rows();
  t.same(
    found.map(({ label }) => label),
    ['fast', 'middle', 'slow', 'outer'],
    'in the order of their ends',
  );
  const of = (label: string) => found.find((row) => row.label === label)!.value;
  t.ok(of('fast') < of('middle') && of('middle') < of('slow') && of('slow') < of('outer'));
  t.ok(of('fast') > 0);
});

t.test('time() passes on what a function gives, and what it throws', async (t) => {
  const { rows } = begin(t);
  const failure = new Error('of the service');
  t.equal(
    time('sync', () => 7),
    7,
  );
  t.throws(() =>
    time('sync throws', () => {
      throw failure;
    }),
  );
  t.equal(await time('async', async () => 'value'), 'value');
  await t.rejects(
    time('async rejects', async () => {
      throw failure;
    }),
    failure,
  );
  t.equal(
    time('null', () => null),
    null,
  );
  t.same(
    rows().map(({ label }) => label),
    ['sync', 'sync throws', 'async', 'async rejects', 'null'],
  );
});

t.test('a promise is timed until it is settled', async (t) => {
  const { rows } = begin(t);
  const { promise, resolve } = Promise.withResolvers<string>();
  const timedPromise = time('promise', () => promise);
  stopDuration('before', startDuration());
  resolve('done');
  t.equal(await timedPromise, 'done');
  t.same(
    rows().map(({ label }) => label),
    ['before', 'promise'],
  );
});

t.test('what only has a then() is handed on untouched: to call that may begin its work', async (t) => {
  const { rows } = begin(t);
  let began = 0;
  const lazy = { then: () => void began++ };
  t.equal(
    time('lazy', () => lazy),
    lazy,
  );
  t.equal(began, 0);
  t.equal(rows().length, 1);
});

t.test('a rejection that nobody takes is still one that nobody takes', async (t) => {
  const { stderr, code } = await runService(
    `start({ dir: ${JSON.stringify(t.testdir())}, runtime: false }); time('x', async () => { throw new Error('lost'); });`,
  );
  t.equal(code, 1);
  t.match(stderr, /Error: lost/);
});

t.test('off: a function is called, and nothing else', async (t) => {
  const promise = Promise.resolve(1);
  t.equal(
    time('x', () => promise),
    promise,
  );
  t.equal(startDuration(), 0);
  stopDuration('x', 0);
  stopDuration('x', 5);
});

t.test('a duration that was open when recording stopped is none afterwards', async (t) => {
  const { dir, rows } = begin(t);
  const id = startDuration();
  stop();
  t.ok(start({ dir, runtime: false, signal: null }));
  stopDuration('stale', id);
  stopDuration('new', startDuration());
  t.same(
    rows().map(({ label }) => label),
    ['new'],
  );
});

t.test('values of the service go to the runtime file', async (t) => {
  const { rows } = begin(t);
  sample('queue_count', 12);
  t.match(rows('runtime'), [{ label: 'queue_count', value: 12 }]);
});

t.test('unknown ids are ignored and told once', async (t) => {
  const dir = t.testdir();
  const { stderr, code } = await runService(`
    start({ dir: ${JSON.stringify(dir)}, runtime: false });
    const id = startDuration();
    stopDuration('once', id);
    stopDuration('once', id);
    stopDuration('never', 12345);
    stopDuration('nothing', undefined);
    stopDuration('big', 5n);
    stop();`);
  t.equal(code, 0);
  t.match(
    stderr,
    /^mayfly-telemetry: stopDuration\("once", \d+\): no duration with this id is open\. It is ignored\. Give it what startDuration\(\) has returned, once \(told once\)\n$/,
  );
  t.same(
    readStrict(dir).flatMap(({ rows }) => rows.map(({ label }) => label)),
    ['once'],
  );
});

t.test('very many at once: the oldest are given up, which is told once', async (t) => {
  const dir = t.testdir();
  const { stderr } = await runService(`
    start({ dir: ${JSON.stringify(dir)}, runtime: false });
    const ids = Array.from({ length: 16390 }, () => startDuration());
    for (const [index, id] of ids.entries()) if (index >= 6) stopDuration('kept', id);
    stop();`);
  t.equal(
    stderr,
    'mayfly-telemetry: 16384 durations are open at once: the one that has been open longest is given up. ' +
      'Does every startDuration() have its stopDuration()? (told once)\n',
  );
  t.equal(readStrict(dir)[0]!.rows.length, 16_384);
});

t.test('labels and values that cannot be recorded are told once', async (t) => {
  const { stderr } = await runService(`
    start({ dir: ${JSON.stringify(t.testdir())} , runtime: false });
    for (let index = 0; index < 1010; index++) sample('label ' + index, index);
    sample('rate_ratio', 0 / 0);
    sample('rate_ratio', 1 / 0);
    stop();`);
  t.equal(
    stderr,
    'mayfly-telemetry: more than 1000 labels: the rest are recorded as "(other)". The first of them is "label 1000". ' +
      'A label is a route or a kind of work, never an id (told once)\n' +
      'mayfly-telemetry: a value of "rate_ratio" is NaN: left out. Record finite numbers (told once)\n',
  );
});

t.test('@timed is for methods', async (t) => {
  t.throws(
    () => timed('x')((() => 1) as never, { kind: 'field', name: 'total' }),
    new TypeError('@timed is for methods: total is a field'),
  );
});
