/** Records are whole, whatever becomes of the process and of the disk, and the function goes on. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { recordsIn } from './records-file.ts';
import { moduleOf, run, start } from './run-function.ts';

const USE = `
  import { record } from ${moduleOf('records')};
  import { nowMs } from ${moduleOf('clock')};
  const consumed = (id, more = {}) =>
    record({ e: 'consumed', t: nowMs(), end: nowMs(), id, source: '/s', seq: 1, trigger: null, scheduled: null, ...more });
`;

t.test('what a record is', async (t) => {
  const dir = t.testdir();
  const { code, stderr } = await run(
    t,
    `${USE}
     record({ e: 'offered', t: 1764367200123.25, id: '1', source: '/a', type: 'x.y', seq: 17, scheduled: null, received: 2.5 });
     record({ e: 'taken', t: 3, id: '1', source: '/a', triggers: ['orders', 'mail'] });
     record({ e: 'settled', t: 4, id: 'ü"\\n', source: '/a', trigger: 'orders', as: 'dead-lettered', why: 'w'.repeat(1000) });`,
    { env: { MAYFLY_TELEMETRY: dir } },
  );
  t.same([code, stderr], [0, '']);
  const [[name, records]] = Object.entries(recordsIn(dir)) as [[string, unknown[]]];
  t.same(records, [
    { e: 'offered', t: 1764367200123.25, id: '1', source: '/a', type: 'x.y', seq: 17, scheduled: null, received: 2.5 },
    { e: 'taken', t: 3, id: '1', source: '/a', triggers: ['orders', 'mail'] },
    { e: 'settled', t: 4, id: 'ü"\n', source: '/a', trigger: 'orders', as: 'dead-lettered', why: 'w'.repeat(150) },
  ]);
  t.equal(statSync(join(dir, name)).mode & 0o777, 0o644, 'everybody may read it');
});

t.test('without a folder nothing is written; a folder is made', async (t) => {
  const dir = t.testdir();
  t.match(await run(t, `${USE} consumed('1');`), { code: 0, stdout: '', stderr: '' });
  t.match(await run(t, `${USE} consumed('1');`, { env: { MAYFLY_TELEMETRY: '' } }), { code: 0, stderr: '' });
  await run(t, `${USE} consumed('1');`, { env: { MAYFLY_TELEMETRY: join(dir, 'made') } });
  t.equal(Object.values(recordsIn(join(dir, 'made'))).flat().length, 1);
  await run(t, USE, { env: { MAYFLY_TELEMETRY: join(dir, 'made') } });
  t.equal(readdirSync(join(dir, 'made')).length, 1, 'who records nothing makes no file');
});

t.test('ids of any length: the same id is the same in all records', async (t) => {
  const dir = t.testdir();
  await run(
    t,
    `${USE} for (const id of ['i'.repeat(66), 'i'.repeat(398), 'i'.repeat(399), 'i'.repeat(100_000), '\\u0001'.repeat(67)])
       consumed(id);`,
    { env: { MAYFLY_TELEMETRY: dir } },
  );
  const hash = (id: string) => `sha256:${createHash('sha256').update(id).digest('hex')}`;
  t.same(
    Object.values(recordsIn(dir))
      .flat()
      .map(({ id }) => id),
    ['i'.repeat(66), 'i'.repeat(398), hash('i'.repeat(399)), hash('i'.repeat(100_000)), hash('\u0001'.repeat(67))],
  );
});

t.test('no record crosses a page, and the longest that there is fits', async (t) => {
  const dir = t.testdir();
  const { code, stderr } = await run(
    t,
    `${USE}
     const wide = '\\u0001'.repeat(66);
     for (let n = 0; n < 3000; n++) {
       consumed(String(n), { trigger: 't'.repeat(n % 400) });
       if (n % 100 === 0) record({ e: 'attempt', t: nowMs(), end: nowMs(), id: wide, source: wide, trigger: wide, n, stored: nowMs(), status: 204 });
       if (n % 100 === 1) record({ e: 'rejected', t: nowMs(), id: wide, source: wide, status: null, why: wide.repeat(100) });
     }`,
    { env: { MAYFLY_TELEMETRY: dir } },
  );
  t.same([code, stderr], [0, '']);
  t.equal(Object.values(recordsIn(dir)).flat().length, 3060);
});

t.test('a record that fits no page is refused, not cut', async (t) => {
  const { stdout } = await run(
    t,
    `${USE}
     try {
       record({ e: 'taken', t: 1, id: 'x', source: '/s', triggers: Array(500).fill('trigger-of-a-long-name') });
     } catch (error) {
       console.log(error.name + ': ' + error.message);
     }`,
    { env: { MAYFLY_TELEMETRY: t.testdir() } },
  );
  t.match(
    stdout,
    /^RangeError: a record of \d+ bytes is longer than 4096: \{"e":"taken","t":1,"id":"x","source":"\/s","triggers":\["trigger-of/,
  );
});

t.test('a process that is killed while it records leaves whole records, and all that it has told of', async (t) => {
  const dir = t.testdir();
  let all = 0;
  for (let round = 0; round < 5; round++) {
    const folders = [10, 150, 390].map((size) => ({ size, folder: join(dir, `${round}-${size}`) }));
    const writers = folders.map(({ size, folder }) =>
      start(
        t,
        // It tells of a record once that is in the file, as a consumer answers.
        `${USE}
         import { writeSync } from 'node:fs';
         for (let n = 1; ; n++) {
           consumed(String(n), { trigger: 'x'.repeat(1 + (n * 7) % ${size}) });
           if (n % 10 === 0) writeSync(1, n + '\\n');
         }`,
        { env: { MAYFLY_TELEMETRY: folder } },
      ),
    );
    await Promise.all(writers.map(({ said }) => said(/\n/)));
    writers.forEach(({ process }) => process.kill('SIGKILL'));
    for (const [index, { ended }] of writers.entries()) {
      const { signal, stdout } = await ended;
      const records = Object.values(recordsIn(folders[index]!.folder)).flat();
      const told = Number(stdout.slice(0, stdout.lastIndexOf('\n')).split('\n').at(-1));
      all += records.length;
      if (signal !== 'SIGKILL' || records.length < told || !records.every(({ id }, n) => id === String(n + 1)))
        t.fail(`${signal}: ${records.length} records, ${told} told of`);
    }
  }
  t.ok(all > 15 * 10, `${all} records`);
});

/** Records until it has told that it cannot, and on. */
const FILL = `${USE}
  for (let n = 1; n <= 5000; n++) consumed(String(n));
  console.log('goes on');`;
const GIVEN_UP =
  'Nothing is recorded of events from now on, the function goes on. The accounting of this round is not exact: ' +
  'make the folder for records larger (broker.records)';

t.test('a disk that is full: one line, whole records, and the function goes on', async (t) => {
  const dir = t.testdir({ full: {}, copy: {} });
  // A file system of this size, seen by the function alone.
  const mount = `mount -t tmpfs -o size=100k none ${dir}/full && "$@"; code=$?; cp ${dir}/full/* ${dir}/copy && exit $code`;
  const through = ['unshare', process.getuid!() === 0 ? '-m' : '-rm', 'sh', '-c', mount, 'sh'];
  if (spawnSync('unshare', [through[1]!, 'sh', '-c', `mount -t tmpfs none ${dir}/full`]).status !== 0)
    return void t.fail('this test needs unshare, of util-linux, and a user who may mount');
  const { code, stdout, stderr } = await run(t, FILL, { through, env: { MAYFLY_TELEMETRY: `${dir}/full` } });
  t.same([code, stdout], [0, 'goes on\n']);
  const line =
    /^mayfly-functions: cannot write \/\S+\/full\/events-\d+-\d+\.jsonl: ENOSPC: no space left on device, write\. ([^\n]*)\n$/;
  t.equal(line.exec(stderr)?.[1], GIVEN_UP);
  const records = Object.values(recordsIn(`${dir}/copy`)).flat();
  t.ok(records.length > 500 && records.length < 1000, `${records.length} records`);
  t.ok(records.every(({ id }, n) => id === String(n + 1)));
});

t.test('a file that may not grow: what was written of the record is cut back', async (t) => {
  const dir = t.testdir();
  // In blocks of 1024 bytes: the limit is within a page.
  const through = ['bash', '-c', 'ulimit -f 101 && exec "$@"', 'bash'];
  const { code, stdout, stderr } = await run(t, FILL, { through, env: { MAYFLY_TELEMETRY: dir } });
  t.same([code, stdout], [0, 'goes on\n']);
  t.match(stderr, /^mayfly-functions: cannot write .*: EFBIG: file too large, write\. Nothing is recorded [^\n]*\n$/);
  const [name] = readdirSync(dir);
  const content = readFileSync(join(dir, name!));
  t.ok(content.length > 101 * 1024 - 200 && content.length < 101 * 1024, `${content.length} bytes`);
  t.equal(content.at(-1), 10, 'it ends with a whole record');
  t.ok(Object.values(recordsIn(dir)).flat().length > 500);
});

t.test('a folder that cannot be written: one line, and the function goes on', async (t) => {
  const dir = t.testdir({ file: '', closed: {} });
  const refused = async (folder: string, message: RegExp, through: string[] = []) => {
    const { code, stdout, stderr } = await run(t, FILL, { through, env: { MAYFLY_TELEMETRY: folder } });
    t.same([code, stdout], [0, 'goes on\n']);
    t.match(stderr, message);
    t.equal(stderr.split('\n').length, 2, 'one line');
  };
  const GOES =
    'Nothing is recorded of events, the function goes on\\. MAYFLY_TELEMETRY must be a folder that this user may write to\n$';
  await refused(
    join(dir, 'file'),
    new RegExp(`^mayfly-functions: cannot write \\S+/file/events-\\S+\\.jsonl: ENOTDIR: .*\\. ${GOES}`),
  );
  await refused('/proc/nothing', new RegExp(`^mayfly-functions: cannot write /proc/nothing: ENOENT: .*\\. ${GOES}`));
  chmodSync(join(dir, 'closed'), 0o555);
  // Root may write everywhere; whom nobody knows may not.
  const nobody = process.getuid!() === 0 ? ['setpriv', '--reuid=65534', '--clear-groups', '--bounding-set=-all'] : [];
  await refused(
    join(dir, 'closed'),
    new RegExp(`^mayfly-functions: cannot write \\S+/closed/events-\\S+: EACCES: permission denied, .*\\. ${GOES}`),
    nobody,
  );
});

t.test('two that start in the same millisecond under the same PID have files of their own', async (t) => {
  const dir = t.testdir();
  // As in two containers over one folder.
  const same = `
    Object.defineProperty(performance, 'timeOrigin', { value: 1764367200000.5 });
    Object.defineProperty(process, 'pid', { value: 7 });
    const { record } = await import(${moduleOf('records')});
    record({ e: 'taken', t: 1, id: '1', source: '/s', triggers: [] });`;
  for (let n = 0; n < 3; n++) t.match(await run(t, same, { env: { MAYFLY_TELEMETRY: dir } }), { code: 0, stderr: '' });
  t.same(
    Object.entries(recordsIn(dir)).map(([name, { length }]) => [name, length]),
    [
      ['events-7-1764367200000.jsonl', 1],
      ['events-7-1764367200001.jsonl', 1],
      ['events-7-1764367200002.jsonl', 1],
    ],
  );
});
