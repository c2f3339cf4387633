/** Telemetry files, byte by byte: what is a row, what is malformed, and that no split and no hostile file changes it. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { Findings } from '../../scripts/telemetry/findings.ts';
import { readTelemetry, telemetryFiles } from '../../scripts/telemetry/format.ts';
import { Labels } from '../../scripts/telemetry/labels.ts';
import { RowParser } from '../../scripts/telemetry/rows.ts';

const HEADER = 'Timepoint, Measurement, Label, PID\n';
const NOW = Date.parse('2026-06-01T00:00:00.000Z');
/** One that a double holds exactly. */
const AT = '1780000000128000000';
const AT_MS = 1780000000128;

type Row = [atMs: number, value: number, label: string, pid: number];

/** The rows and the notes of a file that comes in these pieces. */
function parsed(pieces: (string | Buffer)[], durations = true): { rows: Row[]; notes: string[] } {
  const rows: Row[] = [];
  const findings = new Findings();
  const parser = new RowParser<string>({
    file: 'f.csv',
    durations,
    labels: new Labels((label) => label),
    findings,
    row: (...row) => void rows.push(row),
    nowMs: NOW,
  });
  for (const piece of pieces) if (!parser.push(Buffer.from(piece as string))) break;
  return { rows, notes: findings.notes() };
}
const rowsOf = (lines: string, durations = true) => parsed([HEADER + lines], durations);
/** Why a line is malformed. */
const fault = (line: string) => {
  const { rows, notes } = rowsOf(`${line}\n`);
  return rows.length === 0 && notes.length === 1
    ? notes[0]!.replace('1 malformed line left out; the first one is f.csv:2: ', '')
    : `${rows.length} rows, ${notes.length} notes`;
};

t.test('a row, in every way that producers write it', async (t) => {
  const row: Row = [AT_MS, 0.000123456, '/orders [POST]', 42];
  for (const line of [
    `${AT},0.000123456,"/orders [POST]",42\n`,
    `${AT}, 0.000123456, "/orders [POST]", 42\n`,
    `${AT},      0.000123456,"/orders [POST]",42\n`,
    `${AT},0.000123456,"/orders [POST]",42\r\n`,
    `${AT} , 0.000123456 ,\t"/orders [POST]" , 42 \r\n`,
    `  ${AT},0.000123456  ,  /orders [POST]  ,42  \n`,
    `"${AT}","0.000123456","/orders [POST]","42"\n`,
    `${AT},1.23456e-4,"/orders [POST]",42\n`,
    `${AT},+123.456E-06,/orders [POST],42\n`,
    `\n   \n${AT},.000123456,"/orders [POST]",42\n\r\n`,
    `${HEADER}${AT},0.000123456000000000000000,"/orders [POST]",42\n`,
  ])
    t.strictSame(rowsOf(line), { rows: [row], notes: [] }, JSON.stringify(line));
  for (const header of [
    'Timepoint,Measurement,Label,PID\n',
    '"Timepoint","Measurement","Label","PID"\r\n',
    `\u{feff}${HEADER}`,
    ' Timepoint ,\tMeasurement , Label,PID\r\n',
  ])
    t.strictSame(
      parsed([`${header}${AT},0.000123456,"/orders [POST]",42\n`]),
      { rows: [row], notes: [] },
      JSON.stringify(header),
    );
});

t.test('labels: quotes, commas, other alphabets, and nothing that could do harm', async (t) => {
  const label = (written: string) => rowsOf(`${AT},1,${written},1\n`).rows[0]?.[2];
  t.equal(label('"say ""hi"", twice"'), 'say "hi", twice');
  t.equal(label('""'), '');
  t.equal(label('""""'), '"');
  t.equal(label('GET /"x"'), 'GET /"x"', 'a quote within is a character');
  t.equal(label('"größer 測 🚀"'), 'größer 測 🚀');
  t.equal(label('größer'), 'größer');
  t.equal(label('"a\u001b[31mb\u0000c\u009bd\u202ee\rf"'), 'a [31mb c d e f');
  t.equal(label('__proto__'), '__proto__');
  t.equal(label('"constructor"'), 'constructor');
  t.equal(label(`"${'x'.repeat(250)}"`), 'x'.repeat(200), 'cut');
  t.equal(label(`"${'🚀'.repeat(250)}"`), '🚀'.repeat(100), 'of two halves each');
  t.equal(label(`"x${'🚀'.repeat(250)}"`)?.isWellFormed(), true, 'no half of a character');
  const bytes = parsed([HEADER, Buffer.from(`${AT},1,"\xff\xfe",1\n`, 'latin1')]);
  t.equal(bytes.rows[0]![2], '\u{fffd}\u{fffd}', 'what is no UTF-8');
});

t.test('malformed lines: counted, and the first one told with its place and reason', async (t) => {
  t.equal(fault('1,2,3'), '3 fields instead of 4');
  t.equal(fault('hello'), '1 field instead of 4');
  t.equal(fault(`${AT},1,"a",1,2`), '5 fields instead of 4');
  t.equal(fault(`${AT},1,"a,1`), 'a quote is not closed, or something follows it');
  t.equal(fault(`${AT},1,"a"b,1`), 'a quote is not closed, or something follows it');
  t.equal(fault('yesterday,1,"a",1'), 'Timepoint is no time: "yesterday"');
  t.equal(fault(`-${AT},1,"a",1`), `Timepoint is no time: "-${AT}"`);
  t.equal(fault('999999999999999999999,1,"a",1'), 'Timepoint is no time: "999999999999999999999"');
  t.equal(fault(',1,"a",1'), 'Timepoint is no time: ""');
  for (const value of ['nan', 'NaN', 'inf', '-Infinity', '', '1e400', '0x10', '1_0', '1e', '.', '-', '1.2.3', '--1'])
    t.equal(fault(`${AT},${value},"a",1`), `Measurement is no finite number: ${JSON.stringify(value)}`);
  t.equal(fault(`${AT},-0.5,"a",1`), 'Measurement is a duration below zero: "-0.5"');
  t.strictSame(rowsOf(`${AT},-0.5,"a",1\n`, false).rows, [[AT_MS, -0.5, 'a', 1]], 'of a sampler it may be');
  for (const pid of ['', 'x', '-1', '1.5', '12345678901'])
    t.equal(fault(`${AT},1,"a",${pid}`), `PID is no whole number: ${JSON.stringify(pid)}`);
  t.equal(fault(`${AT},1,"${'x'.repeat(70_000)}",1`), 'longer than 65,536 bytes');
  t.equal(fault(`\u001b[2J\u0007${'z'.repeat(100)},1,"a",1`), `Timepoint is no time: " [2J ${'z'.repeat(35)}"`);

  const { rows, notes } = rowsOf(`${AT},1,"a",1\nbad\n${AT},nan,"a",1\n\n${AT},2,"a",1\n`);
  t.strictSame(
    rows.map(([, value]) => value),
    [1, 2],
    'the rest is kept',
  );
  t.strictSame(notes, ['2 malformed lines left out; the first one is f.csv:3: 1 field instead of 4']);
});

t.test('a last line without a newline is not complete: neither read nor malformed', async (t) => {
  for (const end of [`${AT},2,"b",4`, `${AT},2,"b`, `${AT}`, 'x'])
    t.strictSame(rowsOf(`${AT},1,"a",1\n${end}`), { rows: [[AT_MS, 1, 'a', 1]], notes: [] }, end);
  for (const file of ['', 'Timepoint, Mea', HEADER.trimEnd(), HEADER])
    t.strictSame(parsed([file]), { rows: [], notes: [] }, JSON.stringify(file));
});

t.test('other clocks and units are taken, and told', async (t) => {
  const { rows, notes } = rowsOf(
    [
      '1780000000,1,"s",1',
      '1780000000.5,1,"s",1',
      '1780000000123,1,"ms",1',
      '1780000000123456,1,"us",1',
      `${AT},1,"ns",1`,
      '1.78e18,1,"ns",1',
      '12345,1,"since the start",1',
      '0,1,"none",1',
      '1890000000000000000,1,"2029",1',
      '',
    ].join('\n'),
  );
  t.strictSame(
    rows.map(([atMs]) => atMs),
    [1780000000000, 1780000000500, 1780000000123, 1780000000123.456, AT_MS, 1780000000000, 12345000, 0, 1890000000000],
  );
  t.strictSame(notes, [
    '4 timepoints taken as seconds, not nanoseconds; the first one is f.csv:2',
    '1 timepoint taken as milliseconds, not nanoseconds; the first one is f.csv:4',
    '1 timepoint taken as microseconds, not nanoseconds; the first one is f.csv:5',
    '3 timepoints before 2000 or in the future, so of another clock; the first one is f.csv:8, 1970-01-01T03:25:45.000Z',
  ]);
});

t.test('a file without the header is none of telemetry', async (t) => {
  const note = 'left out, since the first line is not "Timepoint, Measurement, Label, PID":';
  for (const file of [
    `${AT},1,"a",1\n`,
    'timepoint, measurement, label, pid\n',
    'Timepoint, Measurement, Label\n',
    '\n',
    `\n${HEADER}`,
    'x'.repeat(70_000),
    `${' '.repeat(70_000)}${HEADER}`,
  ])
    t.strictSame(parsed([file, `${AT},1,"a",1\n`]), { rows: [], notes: [`1 file ${note} f.csv`] });
});

t.test('no more labels than a thousand: the others are one', async (t) => {
  const lines = Array.from({ length: 3000 }, (_, n) => `${AT},${n},"label ${n}",1\n`);
  const labels = rowsOf(lines.concat(lines).join('')).rows.map(([, , label]) => label);
  t.equal(labels.length, 6000);
  t.equal(new Set(labels).size, 1001);
  t.equal(labels.filter((label) => label === '(other)').length, 4000);
  t.equal(labels[999], 'label 999');
  t.equal(rowsOf(`${AT},1,"(other)",1\n`).rows[0]![2], '(other)', 'as a recorder writes it');
  const spellings = Array.from({ length: 9000 }, (_, n) => `${AT},1,"${'x'.repeat(200)}${n}",1\n`);
  t.equal(new Set(rowsOf(spellings.join('')).rows.map(([, , label]) => label)).size, 1);
});

/** Bytes that hostile and broken files are made of. */
const scrap = fc.constantFrom(
  ...[
    '"',
    '""',
    ',',
    '\n',
    '\r\n',
    ' ',
    '\t',
    '.',
    '-',
    'e',
    'nan',
    AT,
    '1780000000',
    '0.5',
    '"a"',
    '/x',
    '42',
    'é',
    '\0',
  ],
);
const line = fc.oneof(
  fc.array(scrap, { maxLength: 12 }).map((parts) => parts.join('')),
  fc
    .record({
      value: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
      label: fc.string({ unit: 'grapheme' }),
    })
    .map(({ value, label }) => `${AT},${value},"${label.replaceAll('"', '""')}",7`),
);

t.test('any split of the bytes gives the same', async (t) => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.nat(400), { maxLength: 30 }), (lines, cuts) => {
      const whole = Buffer.from(HEADER + lines.join('\n'));
      const places = [...new Set([0, ...cuts.filter((cut) => cut < whole.length), whole.length])].sort((a, b) => a - b);
      const pieces = places.slice(1).map((end, i) => whole.subarray(places[i], end));
      t.strictSame(parsed(pieces), parsed([whole]));
    }),
    { numRuns: 300 },
  );
  const long = Buffer.from(`${HEADER}${AT},1,"a",1\n${'y'.repeat(200_000)}\n${AT},2,"a",1\n${'z'.repeat(66_000)}`);
  const pieces = Array.from({ length: Math.ceil(long.length / 7777) }, (_, i) =>
    long.subarray(i * 7777, (i + 1) * 7777),
  );
  t.strictSame(parsed(pieces), parsed([long]));
  t.strictSame(parsed([long]).notes, [
    '2 malformed lines left out; the first one is f.csv:3: longer than 65,536 bytes',
  ]);
});

t.test('rows that were written are read back', async (t) => {
  const row = fc.record({
    ns: fc.bigInt({ min: 946684800000000000n, max: 1780000000000000000n }),
    value: fc.double({ noNaN: true, noDefaultInfinity: true }),
    label: fc.string({ unit: fc.constantFrom(...'ab"", /[]:é測🚀'), maxLength: 30 }),
    pid: fc.nat(4_194_304),
    space: fc.constantFrom('', ' '),
    end: fc.constantFrom('\n', '\r\n'),
    fixed: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 30 }), (rows) => {
      const number = (value: number, fixed: boolean) =>
        fixed && Math.abs(value) < 1e21 && Math.abs(value) > 1e-6 ? value.toFixed(9) : String(value);
      const text = rows.map(
        ({ ns, value, label, pid, space, end, fixed }) =>
          `${ns},${space}${number(value, fixed)},${space}"${label.replaceAll('"', '""')}",${space}${pid}${end}`,
      );
      const got = rowsOf(text.join(''), false);
      t.strictSame(got.notes, []);
      t.strictSame(
        got.rows.map(([, value, label, pid]) => [value, label, pid]),
        rows.map(({ value, label, pid, fixed }) => [Number(number(value, fixed)), label, pid]),
      );
      got.rows.forEach(([atMs], i) =>
        t.ok(Math.abs(atMs - Number(rows[i]!.ns / 1000n) / 1000) < 0.002, `${atMs} is ${rows[i]!.ns}`),
      );
    }),
    { numRuns: 200 },
  );
});

t.test('of a folder: the files in it and below, no links; each by its prefix, to its end of now', async (t) => {
  const folder = t.testdir({
    'duration-1-0-17-0.csv': `${HEADER}${AT},1,"a",1\n`,
    'runtime-1-0-17-0.csv': `${HEADER}${AT},-2,"rss_bytes",1\n`,
    'profiler-1-0-17-0.cpuprofile': '{}',
    control: 'on',
    deeper: { 'mine.csv': `${HEADER}${AT},-3,"b",1\n` },
  });
  writeFileSync(join(folder, 'outside'), `${HEADER}${AT},4,"c",1\n`);
  symlinkSync(join(folder, 'outside'), join(folder, 'duration-link.csv'));
  const files = await telemetryFiles(folder);
  t.strictSame(
    files.map((file) => file.slice(folder.length + 1)),
    ['deeper/mine.csv', 'duration-1-0-17-0.csv', 'runtime-1-0-17-0.csv'],
  );
  const findings = new Findings();
  const seen: unknown[] = [];
  const read = () =>
    readTelemetry(
      files,
      (prefix) => ({
        labels: new Labels((label) => label),
        row: (_, value, label) => void seen.push([prefix, label, value]),
      }),
      findings,
    );
  await read();
  t.strictSame(seen.splice(0), [
    ['other', 'b', -3],
    ['duration', 'a', 1],
    ['runtime', 'rss_bytes', -2],
  ]);
  t.strictSame(findings.notes(), [
    '1 file taken as "other", since the name does not begin with duration, runtime or profiler: mine.csv',
  ]);
  appendFileSync(files[1]!, `${AT},5,"a",1\n${AT},6`);
  await read();
  t.strictSame(seen[2], ['duration', 'a', 5], 'read while it is written');
  t.equal(seen.length, 4);
});

t.test('what cannot be read is refused', async (t) => {
  const folder = t.testdir({ 'secret.csv': HEADER });
  const reader = () => ({ labels: new Labels((label: string) => label), row: () => {} });
  const read = (file: string) => readTelemetry([join(folder, file)], reader, new Findings());
  const hint = /Name telemetry files/;
  await t.rejects(read('none.csv'), { name: 'UsageError', message: `there is no file ${folder}/none.csv`, hint });
  mkdirSync(join(folder, 'folder.csv'));
  await t.rejects(read('folder.csv'), { message: `${folder}/folder.csv is no regular file` });
  execFileSync('mkfifo', [join(folder, 'pipe.csv')]);
  await t.rejects(read('pipe.csv'), { message: `${folder}/pipe.csv is no regular file` });
  if (process.getuid!() !== 0) {
    chmodSync(join(folder, 'secret.csv'), 0);
    await t.rejects(read('secret.csv'), { message: /secret\.csv cannot be read: .*permission denied/ });
  }
});
