/** The service as containers. */
import { join } from 'node:path';
import t from 'tap';
import { freePort } from '../../scripts/archive/archives.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { dataFolder, engine, ROOT, run } from '../e2e/helpers.ts';
import { type Place, queue, SECRET, start, until } from './service-place.ts';

t.teardown(() => engine.close());

t.test('as containers: both are ready, the worker hands its job back when they end, and nothing is left', async (t) => {
  const place: Place = {
    root: ROOT,
    env: { MAYFLY_DATA: dataFolder(t), MAYFLY_WEBHOOK_SECRET: SECRET, GITHUB_TOKEN: '', CANARY: 'of the harness' },
  };
  const [port, workPort] = [await freePort(), await freePort()];
  t.teardown(() => start(place, 'service-down').done);
  const up = await start(place, 'service-up', `--port=${port}`, `--work-port=${workPort}`).done;
  t.equal(up.code, 0, up.stderr);
  t.match(up.stdout, new RegExp(`site {5}http://127.0.0.1:${port}`));
  for (const one of [port, workPort]) t.equal((await fetch(`http://127.0.0.1:${one}/readyz`)).status, 200);
  const containers = await engine.containers(`dev.mayfly.folder=${join(place.env.MAYFLY_DATA!, 'service')}`);
  t.equal(containers.length, 2);
  for (const { id, name } of containers) {
    const { stdout } = await run('docker', ['inspect', id]).done;
    t.notMatch(stdout, /of the harness/, `${name} has no more of the environment than it needs`);
    if (/work/.test(name)) t.notMatch(stdout, new RegExp(SECRET), 'the worker has no secret');
    else t.notMatch(stdout, /docker\.sock/, 'the server cannot reach the engine');
  }

  const added = await start(
    place,
    'queue',
    'add',
    '--benchmark=shop',
    '--commit=HEAD',
    '--master',
    '--rate=50',
    '--duration=1s',
    '--json',
  ).done;
  t.equal(added.code, 0, added.stderr);
  const runId = await until(
    'the worker in the container measures',
    async () =>
      (await queue(place)).find(({ state, progress }) => state === 'leased' && progress?.run_id !== undefined)?.progress
        ?.run_id,
  );
  const counted = await until('it has a round', async () => {
    const { stdout } = await start(place, 'show', runId, '--json').done;
    const [round] = (JSON.parse(stdout) as RunDocument).rounds;
    return round?.samples.cpu_seconds_per_request?.value;
  });
  t.ok(counted > 0, 'in the container it reads the counters of the kernel');
  const down = await start(place, 'service-down').done;
  t.equal(down.code, 0, down.stderr);
  t.match(down.stdout, /removed 2 containers/);
  const [job] = await queue(place);
  t.ok(
    job!.state === 'queued' || job!.state === 'done',
    `it was handed back, unless it was done already: ${job!.state}`,
  );
  t.same(await engine.containers(`dev.mayfly.folder=${join(place.env.MAYFLY_DATA!, 'service')}`), []);
  const all = await Promise.all([
    engine.containers('dev.mayfly.run'),
    engine.networks('dev.mayfly.run'),
    engine.volumes('dev.mayfly.run'),
  ]);
  t.same(
    all.flat().filter(({ labels }) => labels['dev.mayfly.run']!.startsWith(runId)),
    [],
    'nor anything of the run that it was at',
  );
});
