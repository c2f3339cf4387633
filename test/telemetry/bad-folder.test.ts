/** Whatever the folder is or becomes, the service goes on, and one line says why there is no telemetry. */
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runService } from './service.ts';
import { readStrict } from './strict-files.ts';

/** Records until recording has stopped, and on; `{}` stands for the folder. */
const FILL = `
  const { isOn } = await import(${JSON.stringify(new URL('../../telemetry/src/recorder.ts', import.meta.url).href)});
  const dir = process.env.DIR;
  console.log(start({ dir, runtime: false, signal: null }));
  let rows = 0;
  for (; isOn() && rows < 1e6; rows++) stopDuration('label of a duration', startDuration());
  console.log(rows < 1e6, startDuration());
  for (let more = 0; more < 100000; more++) time('after', () => sample('x_count', more));
  await new Promise((done) => setTimeout(done, 300));
  console.log(stop(), stop());`;

const GOES_ON = 'true\ntrue 0\ntrue false\n';

t.test('a disk that is full', async (t) => {
  const dir = t.testdir({ full: {}, copy: {} });
  // A file system of this size, seen by the service alone.
  const mount = `mount -t tmpfs -o size=200k none ${dir}/full && "$@"; code=$?; cp ${dir}/full/* ${dir}/copy && exit $code`;
  const through = ['unshare', process.getuid!() === 0 ? '-m' : '-rm', 'sh', '-c', mount, 'sh'];
  if (spawnSync(through[0]!, [...through.slice(1), 'true']).status === null)
    return void t.fail('this test needs unshare, of util-linux');
  if (spawnSync('unshare', [through[1]!, 'sh', '-c', `mount -t tmpfs none ${dir}/full`]).status !== 0)
    return void t.fail('this test needs a user who may mount');
  const { code, stdout, stderr } = await runService(FILL, { through, env: { DIR: `${dir}/full` } });
  t.equal(code, 0);
  t.equal(stdout, GOES_ON);
  t.match(
    stderr,
    /^mayfly-telemetry: cannot write \/.*\/full\/duration-\d+-0-\d+-0\.csv: ENOSPC: no space left on device, write\. Recording has stopped, the service goes on\. Make room in \/.*\/full or make it writable, then call start\(\) again\n$/,
  );
  const [file] = readStrict(`${dir}/copy`);
  t.ok(file!.bytes > 190_000 && file!.rows.length > 1000, `${file!.bytes} bytes, ${file!.rows.length} rows`);
});

t.test('a file that may not grow: what was written of the page is cut back to its last whole row', async (t) => {
  const dir = t.testdir();
  // In blocks of 1024 bytes: the limit is within a page.
  const through = ['bash', '-c', 'ulimit -f 101 && exec "$@"', 'bash'];
  const { code, stdout, stderr } = await runService(FILL, { through, env: { DIR: dir } });
  t.equal(code, 0);
  t.equal(stdout, GOES_ON);
  t.match(stderr, /^mayfly-telemetry: cannot write .*: EFBIG: file too large, write\. Recording has stopped, .*\n$/);
  const [file] = readStrict(dir);
  t.ok(file!.bytes > 101 * 1024 - 200 && file!.bytes < 101 * 1024, `${file!.bytes} bytes`);
});

t.test('a folder that goes away: told once, and a new start works', async (t) => {
  const dir = t.testdir();
  const { stdout, stderr } = await runService(
    `import { rmSync } from 'node:fs';
     const dir = process.env.DIR + '/sub';
     start({ dir, runtime: false, flush: { interval: 10 } });
     rmSync(dir, { recursive: true });
     sample('lost_count', 1);
     const { isOn } = await import(${JSON.stringify(new URL('../../telemetry/src/recorder.ts', import.meta.url).href)});
     while (isOn()) await new Promise((done) => setTimeout(done, 5));
     console.log(start({ dir, runtime: false }));
     sample('kept_count', 1);
     console.log(stop());`,
    { env: { DIR: dir } },
  );
  t.equal(stdout, 'true\ntrue\n');
  t.match(stderr, /^mayfly-telemetry: cannot write .*\/sub\/runtime-.*\.csv: ENOENT: no such file or directory.*\n$/);
  t.same(
    readStrict(join(dir, 'sub')).flatMap(({ rows }) => rows.map(({ label }) => label)),
    ['kept_count'],
  );
});

t.test('a folder that cannot be written: start() says so and returns false', async (t) => {
  const dir = t.testdir({ file: '', closed: {} });
  const USE = `
    console.log(start({ dir: process.env.DIR }));
    stopDuration('x', startDuration());
    console.log(time('x', () => 7), stop());`;
  const refused = async (folder: string, message: RegExp, through: string[] = []) => {
    const { code, stdout, stderr } = await runService(USE, { through, env: { DIR: folder } });
    t.match({ code, stdout }, { code: 0, stdout: 'false\n7 false\n' });
    t.match(stderr, message);
    t.equal(stderr.split('\n').length, 2, 'one line');
  };
  const GOES = 'There is no telemetry, the service goes on\n$';
  await refused(
    join(dir, 'file'),
    new RegExp(`^mayfly-telemetry: cannot start in /.*/file: it is no folder\\. ${GOES}`),
  );
  await refused('/proc/nothing', new RegExp(`^mayfly-telemetry: cannot start in /proc/nothing: ENOENT: .*\\. ${GOES}`));
  await refused(join(dir, 'file/sub'), new RegExp(`^mayfly-telemetry: cannot start in .*/sub: .*\\. ${GOES}`));
  chmodSync(join(dir, 'closed'), 0o555);
  // Root may write everywhere; whom nobody knows may not.
  const nobody = process.getuid!() === 0 ? ['setpriv', '--reuid=65534', '--clear-groups', '--bounding-set=-all'] : [];
  if (nobody.length > 0 && spawnSync(nobody[0]!, [...nobody.slice(1), process.execPath, '-v']).status !== 0)
    return void t.fail('this test needs setpriv, of util-linux');
  await refused(
    join(dir, 'closed'),
    new RegExp(`^mayfly-telemetry: cannot start in .*/closed: EACCES: permission denied, access '.*'\\. ${GOES}`),
    nobody,
  );
});

t.test('options that cannot be: start() says so and returns false', async (t) => {
  const dir = t.testdir();
  const cases: [string, string][] = [
    ['flush: { bytes: 100 }', 'flush.bytes must be a whole number from 4096 to 67108864, not 100'],
    ['flush: { bytes: "1 MiB" }', 'flush.bytes must be a whole number from 4096 to 67108864, not 1 MiB'],
    ['flush: { interval: 0 }', 'flush.interval must be a whole number from 10 to 3600000, not 0'],
    ['rotate: { bytes: 1 }', 'rotate.bytes must be a whole number from 16384 to 1073741824, not 1'],
    ['signal: "SIGKILL"', 'uv_signal_start EINVAL'],
    ['signal: "SIGNOTHING"', 'signal must be the name of a signal or null, not SIGNOTHING'],
  ];
  const { stdout, stderr } = await runService(
    cases
      .map(([options]) => `console.log(start({ dir: process.env.DIR, ${options} }), startDuration(), stop());`)
      .join('\n'),
    { env: { DIR: dir } },
  );
  t.equal(stdout, cases.map(() => 'false 0 false\n').join(''));
  t.same(
    stderr.trimEnd().split('\n'),
    cases.map(
      ([, message]) =>
        `mayfly-telemetry: cannot start in ${dir}: ${message}. There is no telemetry, the service goes on`,
    ),
  );
});

t.test('started twice: the first goes on; stopped twice: nothing', async (t) => {
  const dir = t.testdir();
  const { stdout, stderr } = await runService(
    `console.log(stop());
     console.log(start({ dir: process.env.DIR, runtime: false }), start({ dir: '/nowhere', flush: { bytes: 1 } }), start());
     sample('x_count', 1);
     console.log(stop(), stop());
     console.log(start({ dir: process.env.DIR, runtime: false }));
     sample('x_count', 2);`,
    { env: { DIR: dir } },
  );
  t.equal(stdout, 'false\ntrue true true\ntrue false\ntrue\n');
  t.equal(
    stderr,
    `mayfly-telemetry: start() was called while telemetry runs in ${dir}: it goes on as it is. Call stop() first\n`.repeat(
      2,
    ),
  );
  t.same(
    readStrict(dir).map(({ rows }) => rows.map(({ value }) => value)),
    [[1], [2]],
  );
});

t.test('without a folder nothing happens; MAYFLY_TELEMETRY names one', async (t) => {
  const code = `console.log(start()); sample('x_count', 1); time('x', () => 1); console.log(stop());`;
  t.match(await runService(code), { stdout: 'false\nfalse\n', stderr: '' });
  const dir = t.testdir();
  t.match(await runService(code, { env: { MAYFLY_TELEMETRY: join(dir, 'made/here') } }), { stdout: 'true\ntrue\n' });
  t.equal(readStrict(join(dir, 'made/here')).filter(({ prefix }) => prefix === 'duration').length, 1);
});

t.test('nobody listens to stderr', async (t) => {
  const { code, stdout } = await runService(`start({ dir: '/proc/nothing/here' }); console.log('on');`, {
    through: ['bash', '-c', 'exec "$@" 2>&-', 'bash'],
  });
  t.match({ code, stdout }, { code: 0, stdout: 'on\n' });
});
