/** Whole rows whatever happens: killed processes, several at once, readers beside writers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { fixture, runService } from './service.ts';
import { readStrict } from './strict-files.ts';

const env = { ...process.env, MAYFLY_TELEMETRY: '' };

/** Starts the fixture that writes as fast as it can, and waits until it does. */
async function startHot(t: Test, dir: string, flushBytes: number) {
  const child = spawn(process.execPath, [fixture('hot.ts'), dir, String(flushBytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  await once(child.stdout!, 'data');
  const kill = async () => {
    child.kill('SIGKILL');
    t.same(await exited, [null, 'SIGKILL']);
  };
  return { kill };
}

t.test('a process that is killed while it writes leaves whole rows', async (t) => {
  const dir = t.testdir();
  // Small buffers and large ones: most of these are killed within a write.
  for (let round = 0; round < 8; round++) {
    const writers = await Promise.all([4096, 65_536, 1024 * 1024].map((bytes) => startHot(t, dir, bytes)));
    await sleep(20 + round * 7);
    await Promise.all(writers.map(({ kill }) => kill()));
  }
  const files = readStrict(dir);
  const processes = new Set(files.map(({ pid }) => pid));
  t.equal(processes.size, 24);
  t.ok(files.reduce((sum, { rows }) => sum + rows.length, 0) > 10_000);
});

t.test('readers may read while writers write', async (t) => {
  const dir = t.testdir();
  const { kill } = await startHot(t, dir, 65_536);
  let [reads, rows] = [0, 0];
  while (rows < 50_000) {
    rows = readStrict(dir).reduce((sum, file) => sum + file.rows.length, 0);
    reads++;
  }
  await kill();
  t.ok(reads > 1, `${reads} reads`);
});

t.test('processes of a cluster and their threads write at once: nothing is lost, order is kept', async (t) => {
  const dir = t.testdir();
  const child = spawn(process.execPath, [fixture('cluster.ts'), dir, '30000'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env,
  });
  t.same(await once(child, 'exit'), [0, null]);
  const files = readStrict(dir);
  t.equal(files.length, 9, 'three processes of three threads');
  t.equal(new Set(files.map(({ pid }) => pid)).size, 3);
  t.equal(new Set(files.map(({ pid, thread }) => `${pid} ${thread}`)).size, 9);
  for (const { name, rows } of files) {
    t.equal(rows.length, 30_000, name);
    t.ok(
      rows.every(({ value }, index) => value === index),
      name,
    );
  }
});

t.test('two that start in the same millisecond under the same PID have files of their own', async (t) => {
  const dir = t.testdir();
  // As in two containers over one folder: the clocks and the PID are the same.
  const same = `
    Date.now = () => 1700000000000;
    Object.defineProperty(process, 'pid', { value: 7 });
    const library = await import(${JSON.stringify(new URL('../../telemetry/src/index.ts', import.meta.url).href)});
    library.start({ dir: ${JSON.stringify(dir)}, runtime: false });
    library.sample('one_count', 1);
    library.stop();`;
  for (let run = 0; run < 3; run++) t.match(await runService(same), { code: 0, stderr: '' });
  t.same(
    readStrict(dir).map(({ name, rows }) => [name, rows.length]),
    [
      ['runtime-7-0-1700000000000-0.csv', 1],
      ['runtime-7-0-1700000000001-0.csv', 1],
      ['runtime-7-0-1700000000002-0.csv', 1],
    ],
  );
});

t.test('what is buffered is written when the process ends by itself, or by an error', async (t) => {
  for (const [how, code, status] of [
    ['by itself', '', 0],
    ['process.exit', 'process.exit(3)', 3],
    ['an error', 'throw new Error("of the service")', 1],
  ] as const) {
    const dir = t.testdir();
    const begin = `start({ dir: ${JSON.stringify(dir)}, runtime: false }); sample('x_count', 1);`;
    t.equal((await runService(begin + code)).code, status, how);
    t.equal(readStrict(dir)[0]?.rows.length, 1, how);
  }
});

t.test('a service that has nothing to do ends, telemetry or not', async (t) => {
  const started = performance.now();
  t.match(await runService(`start({ dir: ${JSON.stringify(t.testdir())} })`), { code: 0, stderr: '' });
  t.ok(performance.now() - started < 20_000);
});
