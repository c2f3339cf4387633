/** docs/telemetry.md as it is written, on the real pandas and the real PostgreSQL: they give what the files hold. */
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ulid } from 'ulid';
import { snippetsOf } from '../../scripts/dev/python.ts';
import { ownerLabels } from '../../scripts/engine/owner.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { createProgress } from '../../scripts/report/progress.ts';
import { setUp } from '../../scripts/setup/machine.ts';
import { engine, run } from '../e2e/helpers.ts';
import { installLibrary, runService, startPython } from './python-library.ts';
import { runService as runNodeService } from './service.ts';
import { readStrict, type StrictRow } from './strict-files.ts';

t.teardown(() => engine.close());

const ODD = ['None', 'a "quoted" one', ' spaces ', 'comma, and ü', ''];
const python = await installLibrary();

/** A folder `telemetry` with files of both libraries, of several processes; and what they hold. */
async function makeFiles(t: Test): Promise<{ place: string; rows: Record<'duration' | 'runtime', StrictRow[]> }> {
  const place = t.testdir({ telemetry: {} });
  const DIR = join(place, 'telemetry');
  const ended = [
    await runService(
      python,
      `
import json
telemetry.start(os.environ["DIR"], runtime_interval=0.02, rotate_bytes=50_000, signal=None)
for round in range(300):
    for label in json.loads(os.environ["LABELS"]) + ["/items/:id [GET]", "/orders [POST]"]:
        with telemetry.timed(label): sum(range(round % 40))
telemetry.sample("things_ratio", 1e-7)
time.sleep(0.1)
telemetry.stop()
`,
      { DIR, LABELS: JSON.stringify(ODD) },
    ),
    await runNodeService(
      `start({ dir: process.env.DIR, runtime: { interval: 20 }, signal: null });
       for (let round = 0; round < 2000; round++) stopDuration('/orders [POST]', startDuration());
       setTimeout(stop, 100);`,
      { env: { DIR } },
    ),
  ];
  for (const { code, stderr } of ended) t.equal(code, 0, stderr);
  const files = readStrict(DIR);
  const of = (prefix: string) => files.filter((file) => file.prefix === prefix).flatMap((file) => file.rows);
  return { place, rows: { duration: of('duration'), runtime: of('runtime') } };
}

/** Between neighbours, as PostgreSQL and pandas interpolate. */
function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low]! + (at - low) * (sorted[Math.ceil(at)]! - sorted[low]!);
}

const SHARES = [0.5, 0.95, 0.99];
const valuesByLabel = (rows: StrictRow[]) => Map.groupBy(rows, ({ label }) => label);

t.test('pandas', { timeout: 300_000 }, async (t) => {
  const { place, rows } = await makeFiles(t);
  const [read, byLabel, bySecond, picture, ...more] = snippetsOf('telemetry.md', 'python');
  t.same(more, []);
  const script = [
    'import json, matplotlib',
    "matplotlib.use('agg')",
    ...[read, byLabel, bySecond, picture],
    'print(json.dumps(dict(types={name: str(kind) for name, kind in durations.dtypes.items()},',
    "  durations=[[int(t), float(m), l, int(p)] for t, m, l, p in durations[['Timepoint', 'Measurement', 'Label', 'PID']].values],",
    '  percentiles=[[label, *row] for label, row in zip(percentiles.index, percentiles.values.tolist())],',
    "  summary=[[label, int(row['count']), float(row.seconds)] for label, row in summary.iterrows()],",
    '  cpu=float(cpu.sum().sum()), latency=list(latency.columns),',
    "  ratio=runtime[runtime.Label == 'things_ratio'].Measurement.tolist(), time=str(durations.Time.iloc[0]))))",
  ].join('\n');
  writeFileSync(join(place, 'ask.py'), script);
  const { code, stdout, stderr } = await startPython(python, ['ask.py'], { cwd: place }).done;
  t.equal(code, 0, stderr);
  const said = JSON.parse(stdout);
  t.match(said.types, { Timepoint: 'int64', Measurement: 'float64', Label: 'object', PID: 'int64' });
  const sorted = rows.duration.toSorted((a, b) => (a.timepoint < b.timepoint ? -1 : 1));
  t.equal(said.durations.length, sorted.length);
  const key = (row: unknown[]) => JSON.stringify(row);
  t.same(
    said.durations.map((row: unknown[]) => key(row.slice(1))).sort(),
    sorted.map(({ value, label, pid }) => key([value, label, pid])).sort(),
    'each row, to the last digit',
  );
  const groups = valuesByLabel(rows.duration);
  t.same(said.percentiles.map(([label]: string[]) => label).sort(), [...groups.keys()].sort());
  t.ok(groups.has('None') && groups.has(''));
  for (const [label, ...found] of said.percentiles as [string, ...number[]][]) {
    const values = groups.get(label)!.map(({ value }) => value);
    SHARES.forEach((share, i) => {
      const wanted = percentile(values, share);
      t.ok(Math.abs(found[i]! - wanted) <= 1e-12 * wanted, `${label}, ${share}: ${found[i]} and ${wanted}`);
    });
    const [, count, seconds] = said.summary.find(([name]: string[]) => name === label);
    t.equal(count, values.length);
    t.ok(Math.abs(seconds / values.reduce((sum, value) => sum + value, 0) - 1) < 1e-9);
  }
  const cpu = rows.runtime.filter(({ label }) => label.startsWith('cpu_')).reduce((sum, { value }) => sum + value, 0);
  t.ok(cpu > 0 && Math.abs(said.cpu - cpu) < 1e-9, `${said.cpu} s of CPU`);
  t.same(said.latency, ['/items/:id [GET]', '/orders [POST]']);
  t.same(said.ratio, [1e-7]);
  t.equal(Date.parse(`${said.time.slice(0, 23).replace(' ', 'T')}Z`), Number(sorted[0]!.timepoint / 1_000_000n));
  t.ok(statSync(join(place, 'telemetry.png')).size > 10_000, 'a picture');
});

/** PostgreSQL in a container without a network, which sees this folder under /work; runs a command in it. */
async function startPostgres(t: Test, place: string): Promise<(...command: string[]) => Promise<string>> {
  await setUp({ images: ['postgresql'], progress: createProgress({ stream: process.stderr, quiet: true }) });
  const docker = async (...args: string[]) => {
    const { code, stdout, stderr } = await run('docker', args).done;
    if (code !== 0) throw new Error(`docker ${args[0]}: ${stderr}`);
    return stdout;
  };
  const labels = Object.entries(ownerLabels(ulid())).map(([name, value]) => `--label=${name}=${value}`);
  const limits = ['--memory=1g', '--pids-limit=200', '--cap-drop=ALL', '--security-opt=no-new-privileges'];
  const writable = ['--read-only', '--tmpfs=/tmp:mode=1777,size=512m', `--volume=${place}:/work:ro`, '--workdir=/work'];
  const options = ['--detach', '--init', '--network=none', ...labels, ...limits, ...writable];
  const id = (await docker('run', ...options, IMAGES.postgresql.ref)).trim();
  t.teardown(() => docker('rm', '--force', '--volumes', id));
  const inside = (...command: string[]) => docker('exec', id, ...command);
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    try {
      await inside('psql', '--command=SELECT 1');
      return inside;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${(await engine.logs(id, 20)).all}\n${error}`);
    }
  }
}

t.test('PostgreSQL', { timeout: 600_000 }, async (t) => {
  const { place, rows } = await makeFiles(t);
  const [create, ask, ...moreSql] = snippetsOf('telemetry.md', 'sql');
  const [copy, ...moreShell] = snippetsOf('telemetry.md', 'sh');
  t.same([...moreSql, ...moreShell], []);
  const inside = await startPostgres(t, place);
  const psql = (sql: string) => inside('psql', '--quiet', '--set=ON_ERROR_STOP=1', `--command=${sql}`);
  await psql(create!);
  await inside('sh', '-ec', copy!);

  const asJson = async (query: string) =>
    JSON.parse(
      await inside(
        'psql',
        '--quiet',
        '--tuples-only',
        '--no-align',
        '--command',
        `SELECT json_agg(q) FROM (${query}) q`,
      ),
    );
  const key = (row: { timepoint: unknown; measurement: number; label: string; pid: number }) =>
    JSON.stringify([String(row.timepoint), row.measurement, row.label, row.pid]);
  const inTable = await asJson('SELECT timepoint::text, measurement, label, pid FROM telemetry');
  t.same(
    inTable.map(key).sort(),
    rows.duration.map((row) => key({ ...row, measurement: row.value })).sort(),
    'each row, to the last digit, labels as they are',
  );
  const groups = valuesByLabel(rows.duration);
  const asked = await asJson(ask!.trim().replace(/;$/, ''));
  t.equal(asked.length, groups.size);
  for (const { label, count, percentiles } of asked) {
    const values = groups.get(label)!.map(({ value }) => value);
    t.equal(count, values.length);
    t.same(
      percentiles,
      SHARES.map((share) => percentile(values, share)),
      `percentiles of ${JSON.stringify(label)}, exactly`,
    );
  }

  const [file] = readdirSync(join(place, 'telemetry')).filter((name) => name.startsWith('runtime'));
  await psql('DELETE FROM telemetry');
  await psql(`COPY telemetry FROM '/work/telemetry/${file}' WITH (FORMAT csv, HEADER true)`);
  const [{ count, first }] = await asJson(
    'SELECT count(*), min(to_timestamp(timepoint / 1e9)) AS first FROM telemetry',
  );
  const ofFile = readStrict(join(place, 'telemetry')).find(({ name }) => name === file)!.rows;
  t.equal(count, ofFile.length);
  t.ok(Math.abs(Date.parse(first) - Number(ofFile[0]!.timepoint / 1_000_000n)) <= 1);
});
