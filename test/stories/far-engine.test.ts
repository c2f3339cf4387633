/**
 * An engine that is named by an address of TCP, as that of another host is: nothing of this host's folders is at hand for
 * the harness there, which runs in a container of that engine.
 */
import { existsSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { bench, dataFolder, engine, mayfly, probeBenchmark, rawBlocks } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

/** An address of the engine. */
async function address(t: Test): Promise<{ DOCKER_HOST: string }> {
  const open = new Set<Socket>();
  const server = createServer((from) => {
    const to = connect(engine.socket);
    for (const socket of [from, to]) {
      open.add(socket);
      socket.on('error', () => [from, to].forEach((one) => one.destroy()));
    }
    from.pipe(to);
    to.pipe(from);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  const { port } = server.address() as { port: number };
  return { DOCKER_HOST: `tcp://127.0.0.1:${port}` };
}

/** Everything of far commands of this data folder, and of runs of them, is gone but the volume that keeps them. */
async function goneThere(t: Test, data: string, runs: readonly string[]): Promise<void> {
  const volumes = await engine.volumes('dev.mayfly.far');
  const [kept] = volumes.filter(({ labels }) => labels['dev.mayfly.folder'] === data);
  t.ok(kept, 'what was measured is kept there, too');
  t.teardown(() => engine.removeVolume(kept!.name));
  const of = (labels: Record<string, string>) =>
    labels['dev.mayfly.far'] !== undefined || runs.includes(labels['dev.mayfly.run'] ?? '');
  const left = (await engine.containers()).filter(({ labels }) => of(labels));
  t.same(
    left.map(({ name }) => name),
    [],
  );
  t.same(
    volumes.filter(({ labels }) => labels['dev.mayfly.far'] !== 'data').map(({ name }) => name),
    [],
  );
}

const kept = async (data: string): Promise<RunDocument[]> => {
  const { stdout } = await mayfly('runs', ['--json'], data).done;
  const { runs } = JSON.parse(stdout) as { runs: { run_id: string }[] };
  return Promise.all(
    runs.map(async ({ run_id }) => JSON.parse((await mayfly('show', [run_id, '--json'], data).done).stdout)),
  );
};

t.test('a run there is as any other, and comes home', async (t) => {
  const far = await address(t);
  const data = dataFolder(t);
  const archive = await engine.create({
    name: `mayfly-test-far-${process.pid}`,
    image: IMAGES.node.ref,
    cmd: ['sleep', 'infinity'],
    labels: { 'dev.mayfly.lasting': `mayfly-test-far-${process.pid}`, 'dev.mayfly.folder': dataFolder(t) },
    networks: ['none'],
  });
  t.teardown(() => engine.remove(archive));
  const { code, stderr, run } = await bench(probeBenchmark(t), data, ['--label=from=far'], far);
  t.equal(code, 0, stderr);
  t.match(stderr, /done {3}bring run \w+ home: \d+ blocks? /);
  t.match(run, { benchmark: 'probe', status: 'complete', labels: { from: 'far' } });
  const round = run.rounds.find(({ valid }) => valid)!;
  t.ok(round.samples.cpu_seconds_per_request!.value! > 0, 'the CPU time of its containers is counted there');
  t.match(run.archive, { bucket: join(data, 'bucket'), verified: true, pending: false });
  t.same(rawBlocks(join(data, 'bucket')), [...run.archive!.blocks].sort());
  t.same(await kept(data), [run]);
  t.equal((await engine.inspect(archive)).status, 'created', 'an archive whose folder is not to be seen there stays');
  await goneThere(t, data, [run.run_id]);
});

t.test('an interrupt ends it there, and what was killed here is ended by the next one: both come home', async (t) => {
  const far = await address(t);
  const data = dataFolder(t);
  const benchmark = probeBenchmark(t);
  const begin = () => mayfly('bench', [`--benchmark=${benchmark}`, '--rounds=9'], data, far);

  const killed = begin();
  await killed.said(/^done {3}round 1 of 9/m);
  killed.child.kill('SIGKILL');
  await killed.done;

  const next = begin();
  await next.said(/^done {3}round 1 of 9/m);
  next.child.kill('SIGTERM');
  const { code, stderr } = await next.done;
  t.equal(code, 130, stderr);
  t.match(
    stderr,
    /a bench of this host was killed: removed \d+ objects that it had there; what it has measured comes home/,
  );
  t.match(stderr, /interrupted by SIGTERM; everything was taken down/);
  const runs = await kept(data);
  t.match(runs, [{ status: 'interrupted' }, { status: 'interrupted' }]);
  for (const { rounds, archive } of runs) {
    t.ok(rounds.length > 0, 'with what was measured');
    t.match(archive, { bucket: join(data, 'bucket'), pending: false });
  }
  await goneThere(
    t,
    data,
    runs.map(({ run_id }) => run_id),
  );
});

t.test('what cannot be done there is said before anything is', async (t) => {
  const data = dataFolder(t);
  const benchmark = probeBenchmark(t);
  const verdict = join(data, 'verdict.md');
  const none = { DOCKER_HOST: 'tcp://127.0.0.1:1' };
  const silent = await bench(benchmark, data, [], none);
  t.equal(silent.code, 4);
  t.match(silent.stderr, /mayfly: DOCKER_HOST is tcp:\/\/127\.0\.0\.1:1, which does not answer: .*127\.0\.0\.1:1/);
  t.match(silent.stderr, 'Does `docker version` reach it?');
  const live = await bench(benchmark, data, ['--live', `--against=HEAD`, `--markdown=${verdict}`], none);
  t.equal(live.code, 2);
  t.match(
    live.stderr,
    '--live cannot be given where DOCKER_HOST is tcp://127.0.0.1:1: the archive in which it would be seen',
  );
  t.notOk(existsSync(verdict));
  const other = await mayfly('capacity', ['--benchmark=shop'], data, none).done;
  t.equal(other.code, 4);
  t.match(other.stderr, 'DOCKER_HOST is tcp://127.0.0.1:1, but this command needs an engine on this host');
});
