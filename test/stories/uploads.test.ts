/** Deployments of a stateful service: uploads as it is shipped, with small sizes, and with a replica that is lost. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import type { RunDocument, SideName } from '../../scripts/documents/run.ts';
import { bench, dataFolder, engine, mayfly, nothingLeft, ROOT } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const UPLOAD_BYTES = 1_000_000;

/** The benchmark with so many users, and what is laid over it. */
function small(t: Test, users: number, top: object): string {
  const parent = mkdtempSync(join(tmpdir(), 'mayfly-uploads-'));
  t.teardown(() => rmSync(parent, { recursive: true, force: true }));
  const folder = join(parent, 'uploads');
  cpSync(join(ROOT, 'benchmarks/uploads'), folder, { recursive: true });
  const file = join(folder, 'benchmark.yaml');
  const benchmark = parse(readFileSync(file, 'utf8'));
  // Other work on a test machine must not make this fail.
  benchmark.allow = { ...benchmark.allow, start_lag: '5s', outside_load: 1, steal: 1, saturation: 1 };
  benchmark.load = { ...benchmark.load, duration: '240s', timeout: '230s' };
  benchmark.load.scenarios = { migrations: { users }, uploads: { users } };
  writeFileSync(file, stringify({ ...benchmark, ...top }));
  return folder;
}

const sizes = (folder: string, records: number, passes: number) =>
  writeFileSync(
    join(folder, 'sizes.json'),
    JSON.stringify({ migration: { records, passes }, upload_bytes: UPLOAD_BYTES }),
  );

const roundOf = ({ rounds }: RunDocument, side: SideName) => rounds.find((one) => one.valid && one.side === side)!;

t.test(
  'a replica is lost in the middle: its sessions go on elsewhere, or are refused, and how many is said',
  async (t) => {
    // Side by side: both are disturbed in the same second.
    const folder = small(t, 6, {
      comparison: { pairing: 'interleaved', min_rounds: 6 },
      disturbances: [{ at: '2s', kind: 'kill-replica', service: 'api' }],
    });
    const file = join(folder, 'benchmark.yaml');
    const benchmark = parse(readFileSync(file, 'utf8'));
    benchmark.allow.disturbed_failures = 1;
    writeFileSync(file, stringify(benchmark));
    sizes(folder, 20_000, 60); // whoever is at that replica is so in the middle of a migration
    const data = dataFolder(t);
    const flags = ['--commit=HEAD', '--variant=scaled', '--against-variant=scaled-own', '--rounds=1'];
    const { stderr, run } = await bench(folder, data, flags);
    const shared = roundOf(run, 'candidate');
    const own = roundOf(run, 'baseline');
    if (!t.ok(shared && own, stderr)) return;
    t.equal(run.sides.candidate.variant, 'scaled');
    t.equal(run.sides.baseline!.variant, 'scaled-own');
    const value = (round: typeof shared, name: string) => round.samples[name]?.value;
    t.ok(value(shared, 'sessions_failed_over')! >= 1, `${value(shared, 'sessions_failed_over')} were taken over`);
    t.equal(value(shared, 'sessions_lost'), 0);
    t.equal(value(own, 'sessions_failed_over'), 0);
    t.ok(value(own, 'sessions_lost')! >= 1, `${value(own, 'sessions_lost')} were lost`);
    for (const round of [shared, own]) {
      t.equal(value(round, 'uploads_done')! + value(round, 'uploads_failed')!, 6);
      t.equal(value(round, 'migrations_done')! + value(round, 'migrations_failed')!, 6);
      t.ok(value(round, 'migrations_failed')! >= 1, 'what was under way there failed');
      t.equal(round.replicas!.length, 3);
      t.ok(round.replicas!.every(({ requests }) => requests > 0));
    }
    const shown = await mayfly('show', ['last'], data).done;
    t.match(shown.stdout, /sessions_failed_over/);
    t.match(shown.stdout, /sessions_lost/);
    await nothingLeft(t, data);
  },
);
