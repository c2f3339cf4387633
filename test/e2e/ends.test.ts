/**
 * How a run may end: always a clear sentence, the right exit code, nothing left on the engine, and what was measured
 * kept.
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  bench,
  dataFolder,
  engine,
  inWindow,
  makeFolder,
  mayfly,
  nothingLeft,
  onEngine,
  probeBenchmark,
  probeRepository,
  run,
  seen,
} from './helpers.ts';

t.teardown(() => engine.close());

const slowBuild = {
  Dockerfile: 'FROM node:24.21.0-bookworm-slim\nRUN sleep 30\nCOPY server.js /server.js\nCMD ["node", "/server.js"]\n',
};

t.test('SIGTERM while an image is built', async (t) => {
  const { folder } = await probeRepository(t, [slowBuild]);
  const data = dataFolder(t);
  const there = async () => (await run('docker', ['ps', '-aq']).done).stdout;
  const before = await there();
  const running = mayfly(
    'bench',
    [
      `--benchmark=${probeBenchmark(t, { build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } } })}`,
    ],
    data,
  );
  await running.said(/build probe/);
  await seen(running, data, 'its step', async () => (await there()) !== before || undefined);
  const killed = performance.now();
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.done;
  const seconds = (performance.now() - killed) / 1000;
  t.equal(code, 130, stderr);
  t.ok(seconds < 15, `it does not wait for the build: ${seconds} s`);
  // The engine takes a moment to stop the build step whose client has gone; by itself the step would end after 30 s.
  while ((await there()) !== before && performance.now() - killed < 20_000) await sleep(200);
  t.equal(await there(), before, 'no container of the build is left');
  await nothingLeft(t, data);
});

t.test('after kill -9 the next command removes what the dead run left, and never what a live run has', async (t) => {
  const [deadData, liveData, nextData] = [dataFolder(t), dataFolder(t), dataFolder(t)];
  const benchmark = probeBenchmark(t, { load: { duration: '25s', rate: 10 } });
  const dead = mayfly('bench', [`--benchmark=${benchmark}`], deadData);
  await inWindow(dead, deadData); // everything else is up by then
  dead.child.kill('SIGKILL');
  await dead.done;
  const left = await onEngine();
  t.ok(left.length >= 5, `something is left: ${left.join(', ')}`);

  const live = mayfly('bench', [`--benchmark=${benchmark}`, '--duration=4s', '--json'], liveData);
  await live.said(/round 1 of 1/);
  t.notOk(
    (await onEngine()).some((name) => left.includes(name)),
    'the live run has removed what the dead one left',
  );
  const next = await mayfly('archive-push', [], nextData).done;
  t.equal(next.code, 0, next.stderr);
  const ended = await live.done;
  t.match(ended.stderr, /ended without cleaning up: removed \d+ containers/);
  t.equal(ended.code, 0, ended.stderr);

  const again = await mayfly('archive-push', [], deadData).done;
  t.match(again.stderr, /was killed/);
  await nothingLeft(t, deadData);
  await nothingLeft(t, liveData);
});

t.test('disk full: a sentence, and nothing is left', async (t) => {
  const data = makeFolder(join(tmpdir(), `mayfly-full-${process.pid}`));
  t.equal(
    (await run('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', data]).done).code,
    0,
    'a small file system needs root',
  );
  t.teardown(async () => {
    await run('umount', ['--lazy', data]).done;
    rmSync(data, { recursive: true, force: true });
  });
  const running = mayfly('bench', [`--benchmark=${probeBenchmark(t)}`], data);
  await running.said(/round 1 of 1/);
  try {
    writeFileSync(join(data, 'ballast'), Buffer.alloc(8 << 20));
  } catch {
    // that is the point
  }
  const { code, stderr } = await running.done;
  t.equal(code, 4, stderr);
  t.match(stderr, /no space left|disk is full|ENOSPC/i);
  t.notMatch(stderr, /^\s+at /m, 'no stack trace');
  t.same(await onEngine(), []);
});

t.test('the engine goes away: a sentence; the next command cleans up', async (t) => {
  const data = dataFolder(t);
  const socket = join(tmpdir(), `mayfly-engine-${process.pid}.sock`);
  const { server, sockets } = await forward(socket, engine.socket);
  const running = mayfly('bench', [`--benchmark=${probeBenchmark(t)}`], data, { DOCKER_HOST: `unix://${socket}` });
  await inWindow(running, data);
  server.close();
  sockets.forEach((one) => one.destroy());
  rmSync(socket, { force: true });
  const { code, stderr } = await running.done;
  t.equal(code, 4, stderr);
  t.match(stderr, /Docker engine/);
  t.notMatch(stderr, /^\s+at /m, 'no stack trace');
  t.match(
    stderr,
    /the stack of run \w+ could not be removed: .*; the next command does it/,
    'what began it and what is left are both said',
  );
  t.notMatch(stderr, /everything was taken down/);
  t.ok((await onEngine()).length > 0, 'it could not clean up');
  const next = await mayfly('archive-push', [], data).done;
  t.match(next.stderr, /ended without cleaning up/);
  t.same(await onEngine(), []);
});

/** A socket that passes everything on to the engine, so that the engine can go away for one run only. */
async function forward(from: string, to: string): Promise<{ server: Server; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (incoming) => {
    const outgoing = connect({ path: to, allowHalfOpen: true });
    for (const one of [incoming, outgoing]) {
      sockets.add(one);
      one.on('error', () => {}).on('close', () => sockets.delete(one));
    }
    incoming.pipe(outgoing).pipe(incoming);
  });
  await new Promise<void>((resolve) => server.listen(from, resolve));
  return { server, sockets };
}

t.test('the terminal is closed: the clean-up goes on to its end', async (t) => {
  const data = dataFolder(t);
  // script gives the command a terminal of its own; killed, it closes it: SIGHUP for the command, and every write fails
  // with EIO.
  const terminal = run(
    'script',
    ['--quiet', '--return', '--command', `exec sh scripts/run.sh bench --benchmark=${probeBenchmark(t)}`, '/dev/null'],
    { env: { MAYFLY_DATA: data } },
  );
  const runs = join(data, 'runs');
  let deadline = Date.now() + 60_000;
  const folders = () => (existsSync(runs) ? readdirSync(runs) : []);
  while (Date.now() < deadline && folders().length === 0) await sleep(100);
  const [runId] = folders();
  const left = () => engine.containers(`dev.mayfly.run=${runId}`);
  while (Date.now() < deadline && !(await left()).some((container) => container.labels['dev.mayfly.side']))
    await sleep(100);
  t.ok((await left()).length > 0, 'the run is there');
  terminal.child.kill('SIGKILL');
  deadline = Date.now() + 40_000;
  while (Date.now() < deadline && readdirSync(runs).length > 0) await sleep(200);
  t.same(await left(), []);
  await nothingLeft(t, data);
  const [summary] = JSON.parse((await mayfly('runs', ['--json'], data).done).stdout).runs;
  t.equal(summary.status, 'interrupted');
});

t.test(
  '--keep and a service that never becomes healthy: the last lines of its log, how to take the stack down, and the data of the running Prometheus',
  async (t) => {
    const data = dataFolder(t);
    const { code, stderr } = await bench(probeBenchmark(t, { mode: 'unhealthy', top: { ready_timeout: '5s' } }), data, [
      '--keep',
    ]);
    t.equal(code, 4, stderr);
    t.match(stderr, /did not become healthy in 5 s/);
    t.match(stderr, /cannot reach the database at db:5432/);
    const [, runId] = /take it down with: npm run sweep -- (\w+)/.exec(stderr) ?? [];
    t.ok(runId, stderr);
    t.ok(existsSync(join(data, 'runs', runId!, 'tsdb', 'wal')), 'Prometheus still has its data');
    const swept = await mayfly('sweep', [runId!], data).done;
    t.equal(swept.code, 0, swept.stderr);
    await nothingLeft(t, data);
  },
);

t.test(
  '--keep and a store out of reach: the stack stays up, no other command touches it, and the sweep leaves what waits',
  async (t) => {
    const data = dataFolder(t);
    const objstore = join(data, 'objstore.yaml');
    writeFileSync(
      objstore,
      'type: S3\nconfig: {bucket: runs, endpoint: "127.0.0.1:9", access_key: a, secret_key: s, insecure: true, region: here}\n',
    );
    const {
      code,
      stderr,
      run: doc,
    } = await bench(probeBenchmark(t), data, ['--keep', '--duration=1s', '--warmup=0s', `--objstore=${objstore}`]);
    t.equal(code, 0, stderr);
    t.match(stderr, new RegExp(`npm run sweep -- ${doc.run_id}`));
    const kept = await onEngine();
    t.ok(
      kept.some((name) => /-candidate-probe-1$/.test(name)) && kept.some((name) => /prometheus/.test(name)),
      kept.join(', '),
    );
    const other = await mayfly('archive-push', [], data).done;
    t.equal(other.code, 4, 'it still waits');
    t.same(await onEngine(), kept);
    const folder = join(data, 'runs', doc.run_id);
    for (const part of ['tsdb/wal', 'targets', 'run.compose.json', 'snapshot', 'pending.json'])
      t.ok(existsSync(join(folder, part)), `${part} stays`);
    const swept = await mayfly('sweep', [doc.run_id], data).done;
    t.equal(swept.code, 0, swept.stderr);
    await nothingLeft(t, data, { waiting: 1 });
    t.ok(existsSync(join(folder, 'snapshot', doc.archive!.blocks[0]!)), 'what waits is not swept');
    writeFileSync(
      objstore,
      `type: FILESYSTEM\nprefix: team\nconfig: {directory: ${makeFolder(join(data, 'other-bucket'))}}\n`,
    );
    const pushed = await mayfly('archive-push', [], data).done;
    t.equal(pushed.code, 0, pushed.stderr);
    t.ok(
      existsSync(join(data, 'other-bucket', 'team', doc.archive!.blocks[0]!, 'meta.json')),
      'under the prefix of the configuration',
    );
    await nothingLeft(t, data);
  },
);
