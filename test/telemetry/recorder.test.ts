/** The rows: exact text, pages, files, time. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { sample, startDuration, stopDuration } from '../../telemetry/src/measure.ts';
import { isOn, record, recordAt } from '../../telemetry/src/recorder.ts';
import { type Options, start, stop } from '../../telemetry/src/session.ts';
import { readStrict } from './strict-files.ts';

const HEADER = 'Timepoint, Measurement, Label, PID\n';
const PID = process.pid;

/** Starts in a new folder; stops with the test at the latest. */
function begin(t: Test, options: Options = {}): string {
  const dir = t.testdir();
  t.ok(start({ dir, runtime: false, signal: null, ...options }));
  t.teardown(stop);
  return dir;
}

/** The text of the one file of a prefix. */
function textOf(t: Test, dir: string, prefix: string): string {
  const names = readdirSync(dir).filter((name) => name.startsWith(prefix));
  t.equal(names.length, 1, names.join(' '));
  return readFileSync(join(dir, names[0]!), 'utf8');
}

/** Both clocks stand still, until the test turns them. */
function stopClocks(t: Test, epochMs: number): { nowMs: number; epochMs: number } {
  const clocks = { nowMs: 5000, epochMs };
  const { now } = Date;
  Date.now = () => clocks.epochMs;
  performance.now = () => clocks.nowMs;
  t.teardown(() => {
    Date.now = now;
    Reflect.deleteProperty(performance, 'now');
  });
  return clocks;
}

t.test('rows are exactly these', async (t) => {
  const clocks = stopClocks(t, 1_700_000_000_123);
  const dir = begin(t);
  const id = startDuration();
  clocks.nowMs += 0.123456;
  stopDuration('/orders [POST]', id);
  clocks.nowMs = 5000 + 877 + 0.000001;
  record('duration', 'whole second', 1);
  record('duration', 'long', 86_400.000000001);
  clocks.nowMs = 5000 + 3_600_000;
  record('duration', 'a nanosecond', 1e-9);
  record('duration', 'nothing', 0);
  record('duration', 'negative', -0.25);
  record('duration', 'more than 2^53 nanoseconds', 1e8);
  stop();
  t.equal(
    textOf(t, dir, 'duration'),
    HEADER +
      `1700000000123123456,0.000123456,"/orders [POST]",${PID}\n` +
      `1700000001000000001,1.000000000,"whole second",${PID}\n` +
      `1700000001000000001,86400.000000001,"long",${PID}\n` +
      `1700003600123000000,0.000000001,"a nanosecond",${PID}\n` +
      `1700003600123000000,0.000000000,"nothing",${PID}\n` +
      `1700003600123000000,-0.25,"negative",${PID}\n` +
      `1700003600123000000,100000000,"more than 2^53 nanoseconds",${PID}\n`,
  );
});

t.test('a value that is no duration is written as it is', async (t) => {
  const dir = begin(t);
  const values = [0, 7, 1234567890, 2 ** 53 - 1, 0.1, 1 / 3, -17, 1.5e300, 5e-324, 123456.75, 1e21];
  for (const value of values) sample('x_count', value);
  stop();
  t.same(
    readStrict(dir)[0]!.rows.map(({ value }) => value),
    values,
  );
  t.match(textOf(t, dir, 'runtime'), new RegExp(`,9007199254740991,"x_count",${PID}\n`));
});

t.test('every digit is right', async (t) => {
  const dir = begin(t);
  const nanoseconds = [1, 9, 10, 99, 999, 1000, 123_456_789, 999_999_999, 1_000_000_000, 98_765_432_109_876];
  for (let power = 0; power < 53; power++) nanoseconds.push(2 ** power, 2 ** power + 1);
  const now = performance.now();
  for (const value of nanoseconds) recordAt('duration', 'd', value / 1e9, now);
  for (const value of nanoseconds) recordAt('runtime', 'n_count', value, now);
  stop();
  const [duration, runtime] = readStrict(dir);
  t.same(
    runtime!.rows.map(({ value }) => value),
    nanoseconds,
  );
  for (const [index, row] of duration!.rows.entries())
    t.equal(row.value, Number((nanoseconds[index]! / 1e9).toFixed(9)), String(nanoseconds[index]));
});

t.test('labels: quotes are doubled, control characters are spaces, 200 characters are kept', async (t) => {
  const dir = begin(t);
  const labels: [string, string][] = [
    ['say "hello"', 'say "hello"'],
    ['two\nlines\r\tand\u0000more\u2028', 'two lines  and more '],
    ['Größe µ 😀, a comma', 'Größe µ 😀, a comma'],
    ['', ''],
    ['  spaces  ', '  spaces  '],
    ['😀'.repeat(300), '😀'.repeat(200)],
    ['"'.repeat(300), '"'.repeat(200)],
    ['\ud800 half', '\ufffd half'],
    ['\\.', '\\.'],
  ];
  for (const [given] of labels) record('duration', given, 1);
  for (const odd of [undefined, 7, null, { toString: () => 'text' }, Symbol('s'), Object.create(null)])
    record('duration', odd as string, 1);
  stop();
  t.same(
    readStrict(dir)[0]!.rows.map(({ label }) => label),
    [...labels.map(([, kept]) => kept), 'undefined', '7', 'null', 'text', 'Symbol(s)', '(other)'],
  );
});

t.test('after 1,000 labels the rest are (other)', async (t) => {
  const dir = begin(t);
  for (let index = 0; index < 1005; index++) record('duration', `label ${index}`, 1);
  record('runtime', 'label 1003', 1);
  record('duration', 'label 0', 1);
  stop();
  const [duration, runtime] = readStrict(dir);
  const of = (label: string) => duration!.rows.filter((row) => row.label === label).length;
  t.equal(new Set(duration!.rows.map(({ label }) => label)).size, 1001);
  t.equal(of('(other)'), 5);
  t.equal(of('label 999'), 1);
  t.equal(of('label 0'), 2);
  t.same(
    runtime!.rows.map(({ label }) => label),
    ['(other)'],
    'labels are counted over all files',
  );
});

t.test('no row crosses a page, whatever its length, also after a flush in its middle', async (t) => {
  const dir = begin(t, { flush: { bytes: 16 * 1024 }, rotate: { bytes: 128 * 1024 } });
  let expected = 0;
  // Lengths by a fixed sequence; now and then the buffer is written as the interval does it.
  for (let index = 0; index < 6000; index++) {
    record('duration', `${index % 900} `.padEnd((index * 7919) % 230, '"'), index / 1e9);
    expected++;
    if (index % 97 === 0) {
      stop();
      t.ok(start({ dir, runtime: false, signal: null, flush: { bytes: 16 * 1024 }, rotate: { bytes: 128 * 1024 } }));
    }
  }
  stop();
  const files = readStrict(dir);
  t.equal(
    files.reduce((sum, { rows }) => sum + rows.length, 0),
    expected,
  );
  t.ok(files.every(({ bytes }) => bytes <= 128 * 1024));
});

t.test('the interval writes what is there, and goes on within the same file', async (t) => {
  const dir = begin(t, { flush: { interval: 10 } });
  for (let batch = 0; batch < 30; batch++) {
    record('duration', `batch ${batch}`.padEnd(150), batch);
    const seen = () => readStrict(dir).at(-1)?.rows.length ?? 0;
    while (seen() <= batch) await sleep(2);
  }
  stop();
  const files = readStrict(dir);
  t.equal(files.length, 1);
  t.same(
    files[0]!.rows.map(({ value }) => value),
    Array.from({ length: 30 }, (_, index) => index),
  );
});

t.test('a full buffer is written at once, in order', async (t) => {
  const dir = begin(t, { flush: { bytes: 4096, interval: 3_600_000 } });
  t.same(readdirSync(dir), [], 'no file before the first row is written');
  for (let index = 0; index < 200; index++) record('duration', 'd', index);
  t.ok(readStrict(dir)[0]!.rows.length > 100, 'before the interval');
  stop();
  t.same(
    readStrict(dir)[0]!.rows.map(({ value }) => value),
    Array.from({ length: 200 }, (_, index) => index),
  );
});

t.test('a file is finished when it is large: the next one has a higher number', async (t) => {
  const dir = begin(t, { flush: { bytes: 8192 }, rotate: { bytes: 65_536 } });
  for (let index = 0; index < 5000; index++) record('duration', 'rotated', index);
  record('runtime', 'beside_count', 1);
  stop();
  const files = readStrict(dir);
  const durations = files.filter(({ prefix }) => prefix === 'duration');
  t.ok(durations.length > 3);
  t.same(
    durations.map(({ number }) => number),
    durations.map((_, index) => index),
  );
  t.ok(durations.every(({ bytes }) => bytes <= 65_536));
  t.ok(durations.slice(0, -1).every(({ bytes }) => bytes > 65_536 - 2 * 8192));
  t.same(
    durations.flatMap(({ rows }) => rows.map(({ value }) => value)),
    Array.from({ length: 5000 }, (_, index) => index),
  );
  t.equal(files.filter(({ prefix }) => prefix === 'runtime').length, 1);
});

t.test('time never goes back, whatever the wall clock does', async (t) => {
  const clocks = stopClocks(t, 1_700_000_000_000);
  const dir = begin(t);
  record('duration', 'd', 1);
  clocks.epochMs -= 3_600_000;
  clocks.nowMs += 1;
  record('duration', 'd', 1);
  recordAt('duration', 'd', 1, clocks.nowMs - 0.5);
  clocks.nowMs += 1;
  record('runtime', 'r_count', 1);
  stop();
  const [duration, runtime] = readStrict(dir);
  const at = (offset: number) => 1_700_000_000_000_000_000n + BigInt(offset);
  t.same(
    duration!.rows.map(({ timepoint }) => timepoint),
    [at(0), at(1e6), at(1e6)],
  );
  t.equal(runtime!.rows[0]!.timepoint, at(2e6));
});

t.test('the time is that of the system', async (t) => {
  const dir = begin(t);
  const before = Date.now();
  record('duration', 'd', 1);
  const after = Date.now();
  stop();
  const ms = Number(readStrict(dir)[0]!.rows[0]!.timepoint / 1000n) / 1000;
  t.ok(ms >= before - 1 && ms <= after + 1, `${before} ${ms} ${after}`);
});

t.test('everybody may read the files, whatever the umask', async (t) => {
  const umask = process.umask(0o077);
  t.teardown(() => process.umask(umask));
  const dir = begin(t);
  record('duration', 'd', 1);
  stop();
  t.equal(statSync(join(dir, readdirSync(dir)[0]!)).mode & 0o777, 0o644);
});

t.test('what is not finite is left out', async (t) => {
  const dir = begin(t);
  for (const value of [Number.NaN, Infinity, -Infinity, undefined, 'text', 7n]) record('runtime', 'x', value as number);
  record('runtime', 'x', 1);
  stop();
  t.same(
    readStrict(dir)[0]!.rows.map(({ value }) => value),
    [1],
  );
});

t.test('off: nothing is written, no file is made', async (t) => {
  const dir = begin(t, { on: false });
  t.notOk(isOn());
  t.equal(startDuration(), 0);
  record('duration', 'd', 1);
  stop();
  record('duration', 'd', 1);
  t.same(readdirSync(dir), []);
});
