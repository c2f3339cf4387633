/**
 * The file of a round's requests: what is written is read back; what is damaged, hostile or another's is told and ends
 * nothing.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import t, { type Test } from 'tap';
import { openRequests, type RequestColumns, writeRequests } from '../../loadgen/requests-file.ts';
import { MOST_BYTES } from '../../scripts/requests/limits.ts';
import { readHead, readRequests } from '../../scripts/requests/read-file.ts';
import { requestsReader } from '../../scripts/requests/view.ts';
import { folder, makeRequests, RUN, writeRound } from './made.ts';

/** The columns as lists of what is in the file. */
function plain(rows: RequestColumns) {
  const { due, startLag, latency, pair, status } = rows;
  return {
    due,
    startLag,
    latency,
    pair,
    status,
    side: [...rows.side].map((i) => rows.sides[i]),
    name: [...rows.name].map((i) => rows.names[i]),
    failure: [...rows.failure].map((i) => (i === 0 ? null : rows.failures[i - 1])),
  };
}

async function roundFile(t: Test, count: number, more: Record<string, string> = {}): Promise<string> {
  const file = join(folder(t), 'round-1.parquet');
  await writeRound(file, 1, makeRequests(count), { more });
  return file;
}

t.test(
  'what was written is read back, whatever the number of row groups; nothing else is left of the writing',
  async (t) => {
    for (const count of [0, 1, 1000, 40_000]) {
      const file = await roundFile(t, count);
      t.same(readdirSync(join(file, '..')), ['round-1.parquet']);
      const { head, rows } = await readRequests(file);
      t.match(head, {
        rows: count,
        of: count,
        runId: RUN,
        benchmark: 'shop',
        round: 1,
        windowStartMs: 1.79e12 + 30_000,
        bytes: readFileSync(file).length,
      });
      t.strictSame(plain(rows), plain(makeRequests(count)));
    }
  },
);

t.test('one file knows each of the two packages', async (t) => {
  const sources = ['scripts', 'loadgen', 'grafana/src'].flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|js)$/.test(file))
      .map((file) => join(root, file)),
  );
  const users = (name: string) =>
    sources.filter((file) => new RegExp(`from '${name}[/']`).test(readFileSync(file, 'utf8')));
  t.same(users('hyparquet'), ['scripts/requests/read-file.ts']);
  t.same(users('hyparquet-writer'), ['loadgen/requests-file.ts']);
});

t.test('the cap is said', async (t) => {
  t.match(await readHead(await roundFile(t, 100, { of: '250', cap: '100' })), { rows: 100, of: 250 });
});

t.test('a request takes few bytes', async (t) => {
  const file = await roundFile(t, 40_000);
  t.ok(readFileSync(file).length < 8 * 40_000, `${(readFileSync(file).length / 40_000).toFixed(1)} bytes a request`);
});

t.test('a file of several rounds has the column round', async (t) => {
  const file = join(folder(t), 'all.parquet');
  const writer = openRequests(file, {}, { rounds: true });
  for (const round of [1, 2]) await writer.append(makeRequests(10, { seed: round }), round);
  t.same(readdirSync(join(file, '..')).length, 1, 'beside its name until it is whole');
  await writer.finish();
  t.same(readdirSync(join(file, '..')), ['all.parquet']);
  const other = openRequests(file, {}, { rounds: true });
  await other.append(makeRequests(10), 1);
  await other.discard();
  t.same(readdirSync(join(file, '..')), ['all.parquet']);
});

t.test('another round or run, another schema, no Parquet, too large, gone: each is told', async (t) => {
  const file = await roundFile(t, 100);
  await using reader = requestsReader();
  const refused = (path: string, message: RegExp, round = 1, runId = RUN) =>
    t.rejects(reader.check({ file: path, runId, round }), { message }, String(message));
  await refused(file, /^is of round 1, not of 2$/, 2);
  await refused(file, /^is of run "01K0000000000000000000000A", not of X$/, 1, 'X');
  await refused(join(file, 'x'), /cannot be read as Parquet: ENOTDIR/);
  await refused(`${file}.gone`, /^is missing$/);
  await refused(join(file, '..'), /^is no file$/);
  const odd = join(folder(t), 'odd');
  for (const [text, message] of [
    ['', /cannot be read as Parquet/],
    ['PAR1', /cannot be read as Parquet/],
    ['garbage'.repeat(1000), /cannot be read as Parquet/],
  ] as const) {
    writeFileSync(odd, text);
    await refused(odd, message);
  }
  await writeRequests(odd, makeRequests(10), {
    'mayfly.schema': 'mayfly.requests/v9',
    run_id: RUN,
    round: '1',
    window_start_ms: '0',
  });
  await refused(odd, /^is of schema "mayfly\.requests\/v9"; mayfly\.requests\/v1 is known$/);
  await writeRequests(odd, makeRequests(10), { run_id: RUN, round: 'one', window_start_ms: '0' });
  await refused(odd, /^says no round$/);
  truncateSync(odd, MOST_BYTES + 1);
  await refused(odd, /^has \d+ bytes; \d+ are allowed$/);
  await reader.check({ file, runId: RUN, round: 1 });
});

t.test('values that cannot be are told', async (t) => {
  const file = join(folder(t), 'odd.parquet');
  await using reader = requestsReader();
  const refused = async (lay: (rows: RequestColumns) => void, message: RegExp) => {
    const rows = makeRequests(10);
    lay(rows);
    await writeRound(file, 1, rows);
    await t.rejects(reader.check({ file, runId: RUN, round: 1 }), { message }, String(message));
  };
  await refused((rows) => (rows.latency[3] = NaN), /^has a latency of "NaN" in row 4$/);
  await refused((rows) => (rows.latency[0] = -1), /^has a latency of "-1" in row 1$/);
  await refused((rows) => (rows.due[9] = Infinity), /^has a due of "Infinity" in row 10$/);
  await refused((rows) => (rows.sides = ['candidate', 'other']), /^has a side of "other" in row 2/);
  await refused((rows) => (rows.names = rows.names.map((name) => name.repeat(1000))), /^has a name of /);
});

t.test('no changed byte ends the reader: the file is read or told', { timeout: 300_000 }, async (t) => {
  const whole = readFileSync(await roundFile(t, 3000));
  const file = join(folder(t), 'changed.parquet');
  await using reader = requestsReader();
  let told = 0;
  const tail = 1500; // the footer is denser: every byte of it means something
  const places = [
    ...Array.from({ length: 60 }, (_, i) => Math.floor((i * (whole.length - tail)) / 60)),
    ...Array.from({ length: 140 }, (_, i) => whole.length - 1 - Math.floor((i * tail) / 140)),
  ];
  for (const place of places) {
    whole[place]! ^= 1 << (place % 8);
    writeFileSync(file, whole);
    await reader.check({ file, runId: RUN, round: 1 }).catch((error: Error) => {
      t.equal(error.constructor.name, 'RequestsFault', `byte ${place}: ${error.message}`);
      told++;
    });
    whole[place]! ^= 1 << (place % 8);
  }
  t.ok(told > 0.8 * places.length, `${told} of ${places.length} were told`);
  writeFileSync(file, whole);
  t.match(await reader.check({ file, runId: RUN, round: 1 }), { rows: 3000 });
});

t.test(
  'a page that unfolds to billions of values ends its process, not the command',
  { timeout: 120_000 },
  async (t) => {
    const file = join(folder(t), 'bomb.parquet');
    const names = ['due', 'start_lag', 'latency', 'side', 'pair', 'name', 'status', 'failure'];
    const types = ['DOUBLE', 'FLOAT', 'FLOAT', 'UTF8', 'INT32', 'UTF8', 'INT32', 'UTF8'];
    let page = 0;
    const parquet = new ParquetWriter({
      writer: fileWriter(file),
      codec: 'ZSTD',
      statistics: false,
      schema: [
        { name: 'requests', num_children: 8 },
        ...names.map((name, i) => ({
          name,
          repetition_type: 'REQUIRED' as const,
          ...(types[i] === 'UTF8'
            ? { type: 'BYTE_ARRAY' as const, converted_type: 'UTF8' as const }
            : { type: types[i] as 'INT32' }),
        })),
      ],
      // The indexes of `side`, behind its dictionary: one run of 2^31 - 1 times the same value.
      compressors: {
        ZSTD: (bytes) =>
          zstdCompressSync(
            ++page === 5
              ? Buffer.concat([Buffer.from([1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0]), Buffer.alloc(bytes.length - 7)])
              : bytes,
          ),
      },
      kvMetadata: Object.entries({
        'mayfly.schema': 'mayfly.requests/v1',
        run_id: RUN,
        round: '1',
        window_start_ms: '0',
      }).map(([key, value]) => ({ key, value })),
    });
    const sides = Array.from({ length: 800 }, (_, i) => (i % 2 ? 'candidate' : 'baseline'));
    const data = [
      sides.map((_, i) => i),
      ...Array(2).fill(sides.map(() => 1)),
      sides,
      sides.map((_, i) => i),
      sides,
      sides.map(() => 200),
      sides,
    ];
    parquet.write({
      columnData: names.map((name, i) => ({
        name,
        data: data[i]!,
        encoding: types[i] === 'UTF8' ? 'RLE_DICTIONARY' : 'PLAIN',
      })),
    });
    parquet.finish();
    await using reader = requestsReader();
    await t.rejects(reader.check({ file, runId: RUN, round: 1 }), {
      message: /^needs more than \d+ MB of memory to be read$/,
    });
    const whole = await roundFile(t, 100);
    t.match(
      await reader.check({ file: whole, runId: RUN, round: 1 }),
      { rows: 100 },
      'the next question has a new process',
    );
  },
);

t.test('an interrupt of the terminal is not its matter, the end of who asked is', async (t) => {
  const file = await roundFile(t, 100);
  const child = fork('scripts/requests/read-process.ts', { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const answered = () => once(child, 'message').then(([answer]) => answer);
  child.send({ number: 1, task: 'check', args: [{ file, runId: RUN, round: 1 }] });
  t.match(await answered(), { number: 1, answer: { rows: 100 } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) child.kill(signal);
  child.send({ number: 2, task: 'check', args: [{ file, runId: RUN, round: 2 }] });
  t.match(await answered(), { number: 2, error: { fault: true, message: 'is of round 1, not of 2' } });
  const ended = once(child, 'exit');
  child.disconnect();
  t.same(await ended, [0, null]);
});

t.test('a file that takes too long ends its process', async (t) => {
  const file = join(folder(t), 'bytes');
  writeFileSync(file, '');
  await using reader = requestsReader({ limitMs: 1 });
  await t.rejects(reader.check({ file, runId: RUN, round: 1 }), { message: /^could not be read in 1 s/ });
});
