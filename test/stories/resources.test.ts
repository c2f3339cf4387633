/** What containers used: as a round keeps it, and the same read from the blocks of a run that has not kept it. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import type { ResourcesDocument } from '../../scripts/documents/resources.ts';
import { bench, dataFolder, engine, mayfly, nothingLeft, probeBenchmark } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

t.test('advice of a run is the same from its record and from the archive', async (t) => {
  const data = dataFolder(t);
  const service = { deploy: { resources: { reservations: { memory: '8M' } } } };
  const benchmark = probeBenchmark(t, { service, load: { rate: 10, duration: '8s' } });
  const { code, stderr, run } = await bench(benchmark, data);
  t.equal(code, 0, stderr);
  await nothingLeft(t, data);
  const [used] = run.rounds.findLast(({ valid }) => valid)!.resources!;
  t.match(used, { service: 'probe', replica: 1 });
  t.ok(used!.memory_peak > 5e6 && used!.memory_peak < 1e9, `${used!.memory_peak} bytes`);
  // On a host that stands still for seconds scrapes are missing; the floor tells that each part of the window has one.
  const { memory_floor: floor, cpu_peak: cpu } = used!;
  t.ok(floor ? cpu > 0 && cpu < 64 : cpu >= 0, `${cpu} cores`);
  t.equal(floor?.length ?? 4, 4);
  if (floor)
    t.match(run.growth, [{ service: 'probe', of: 'candidate', verdict: 'unknown' }], 'windows of 8 s are short');

  const advise = async (...flags: string[]) =>
    mayfly('resources', ['--benchmark=probe', ...flags], data, { MAYFLY_DATA: data }).done;
  const document = async () => JSON.parse((await advise('--json')).stdout) as ResourcesDocument;
  const { runs: _, ...kept } = await document();
  const check = await advise('--check');
  t.equal(check.code, 1);
  t.match(
    check.stdout,
    /^run \w+, round \d+ of the candidate: probe \(replica 1\) exceeds its memory request: .* of 8 MiB, /,
  );

  const forget = () => {
    const db = new DatabaseSync(join(data, 'mayfly.db'));
    db.exec('UPDATE round SET resources = NULL');
    db.close();
  };
  forget();
  const { runs, ...read } = await document();
  t.same(runs, { counted: 1, read_from_archive: 1, unknown: [] });
  t.same(read, kept);
  t.match((await document()).runs, { read_from_archive: 0 }, 'what was read is kept');

  forget();
  for (const block of run.archive!.blocks) rmSync(join(data, 'bucket', block), { recursive: true });
  const pruned = await advise();
  t.equal(pruned.code, 2);
  t.match(pruned.stderr, 'is known of none of 1 run: its blocks are not in the bucket any more');

  const dead = join(data, 'dead.yaml');
  const config = { bucket: 'runs', endpoint: '127.0.0.1:1', insecure: true, access_key: 'a', secret_key: 'b' };
  writeFileSync(dead, JSON.stringify({ type: 'S3', config }));
  const db = new DatabaseSync(join(data, 'mayfly.db'));
  db.exec(`UPDATE run SET archive = json_set(archive, '$.bucket', 'S3 127.0.0.1:1/runs')`);
  db.close();
  const silent = await advise(`--objstore=${dead}`);
  t.equal(silent.code, 4);
  t.match(silent.stderr, /S3 127\.0\.0\.1:1\/runs/);
});
