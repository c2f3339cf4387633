/**
 * What a service writes of itself: taken out while the round goes on, summed up, judged, and in the archive beside what
 * was scraped.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  bench,
  dataFolder,
  dumpBlock,
  engine,
  mayfly,
  nothingLeft,
  type ProbeOptions,
  probeBenchmark,
  probeRepository,
  rawBlocks,
} from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const SERVER = readFileSync('test/fixtures/probe/service/server.js', 'utf8');
/** Writes a row for each request; every twentieth opens another file, as a library that rotates. */
const WRITES = `
const { appendFileSync } = require('node:fs');
const HEADER = 'Timepoint, Measurement, Label, PID\\n';
const began = Date.now();
const telemetry = process.env.MAYFLY_TELEMETRY;
let written = 0;
function write(label, value) {
  const file = telemetry + '/duration-' + process.pid + '-0-' + began + '-' + Math.floor(written++ / 20) + '.csv';
  if (written % 20 === 1) appendFileSync(file, HEADER);
  appendFileSync(file, String(BigInt(Date.now()) * 1000000n) + ',' + value + ',"' + label + '",' + process.pid + '\\n');
}
`;
/** Fills its folder until there is no room left, and goes on as a service. */
const FILLS = `
if (process.env.FILLS) {
  appendFileSync(telemetry + '/duration-9-0-1-0.csv', HEADER);
  const rows = (String(BigInt(Date.now()) * 1000000n) + ',0.5,"filling",1\\n').repeat(100);
  try {
    for (;;) appendFileSync(telemetry + '/duration-9-0-1-0.csv', rows);
  } catch (error) {
    console.error('telemetry stops: ' + error.code);
  }
}
`;
const writing = (code: string) => ({
  'server.js': SERVER.replace('\nlet requests = 0;', `${WRITES}${FILLS}\nlet requests = 0;`).replace(
    '  requests++;\n',
    `  requests++;\n  if (!process.env.FILLS && !process.env.QUIET) {${code}}\n`,
  ),
});
const INSIDE = { name: 'inside_p95', telemetry: { service: 'probe', label: '/ [GET]', value: 'p95' } };
const BAD = 'probe: 1 malformed line left out';
const FULL =
  /filler: missing (in the whole window|from [\d.]+ s into the window on): its folder was full \(1 MiB\); size in benchmark\.yaml gives it more/;

t.test('a label of each side gates; what is wrong with files is told; the blocks are in the archive', async (t) => {
  const { folder, commits } = await probeRepository(t, [
    writing(
      `write('/ [GET]', 0.002); if (requests === 5) appendFileSync(telemetry + '/other.csv', HEADER + 'no row\\n');`,
    ),
    writing(`write('/ [GET]', 0.003);`),
  ]);
  const data = dataFolder(t);
  const benchmark = (laid: ProbeOptions) =>
    probeBenchmark(t, { build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } }, ...laid });
  const once = ['--duration=1s', '--warmup=0s'];
  const gates = { ...INSIDE, primary: true, margin: '5%' };
  const compared = benchmark({ top: { retries: 5, telemetry: [{ service: 'probe' }], metrics: [gates] } });
  const sides = [`--commit=${commits[1]}`, `--against=${commits[0]}`, ...once, '--rounds=8'];
  const { code, stderr, run } = await bench(compared, data, sides);
  t.equal(code, 1, stderr);
  t.match(run.verdict, { verdict: 'REGRESSION' });
  t.match(run.verdict!.summary, 'inside_p95: 50.0 % slower');
  const counted = run.rounds.filter(({ valid }) => valid);
  for (const { side, telemetry, samples } of counted) {
    const label = telemetry!.labels.find((one) => one.label === '/ [GET]');
    t.match(label, { service: 'probe', prefix: 'duration', unit: 's', p95: side === 'candidate' ? 0.003 : 0.002 });
    t.match(samples.inside_p95, { value: label!.p95, unit: 's' });
    if (side === 'baseline') t.match(telemetry!.notes!.join('\n'), BAD, 'what is no row is counted');
    else t.notOk(telemetry!.notes, JSON.stringify(telemetry!.notes));
  }
  const counts = counted.map(({ telemetry }) => telemetry!.labels.find((one) => one.label === '/ [GET]')!.count);
  t.ok(Math.max(...counts) > 20, `more than one file was read: ${counts}`); // a busy host is late in some
  t.equal(stderr.split(BAD).length, 2, `told once: ${stderr}`);

  const shown = await mayfly('show', ['last'], data).done;
  t.match(shown.stdout, /inside the service +samples +mean +baseline +change +p95 +baseline +change\n/);
  t.match(shown.stdout, /probe: \/ \[GET\] +\S+ \/s +3\.00 ms +2\.00 ms +\+50\.00 % +3\.00 ms +2\.00 ms +\+50\.00 %/);
  t.match(shown.stdout, /note: telemetry of baseline, rounds 1, 2.*: probe: 1 malformed line/);

  const bucket = join(data, 'bucket');
  const marked = rawBlocks(bucket).filter((block) => {
    const meta = JSON.parse(readFileSync(join(bucket, block, 'meta.json'), 'utf8'));
    return meta.thanos.files.some((file: { rel_path: string }) => file.rel_path === 'chunks/telemetry.json');
  });
  t.ok(marked.length >= 1 && run.archive!.verified, JSON.stringify(run.archive));
  t.same(run.archive!.blocks.toSorted(), rawBlocks(bucket), 'the record names them beside those of Prometheus');
  const dumped = (await Promise.all(marked.map((block) => dumpBlock(t, join(bucket, block))))).join('');
  for (const [side, commit] of [
    ['candidate', commits[1]],
    ['baseline', commits[0]],
  ]) {
    const series = new RegExp(
      `__name__="mayfly_duration_seconds_count", commit="${commit}", instance="probe-1", label="/ \\[GET\\]", round="\\d+", service="probe", side="${side}"\\} (\\d+)`,
      'g',
    );
    const values = [...dumped.matchAll(series)].map(([, value]) => Number(value));
    t.ok(Math.max(...values) > 20, `of ${side}: ${values}`);
  }
  const verified = await mayfly('archive', ['verify', '--json'], data).done;
  t.equal(verified.code, 0, verified.stderr);
  t.same(JSON.parse(verified.stdout).findings, [], 'nothing is there twice');

  const telemetry = [{ service: 'probe' }, { service: 'filler', size: '1MiB' }];
  const alone = benchmark({
    service: { environment: { QUIET: '1' } },
    more: { filler: { environment: { FILLS: '1' } } },
    top: { telemetry, metrics: [INSIDE] },
  });
  const none = await bench(alone, data, [`--commit=${commits[1]}`, ...once, '--rounds=1']);
  t.equal(none.code, 0, none.stderr);
  const only = none.run.rounds.find(({ valid }) => valid)!;
  const notes = only.telemetry!.notes!;
  t.match(notes, ['probe has written no telemetry', FULL]);
  t.notOk('inside_p95' in only.samples, 'the round is valid without it');
  t.match(none.stderr, 'inside_p95 has no value of candidate: probe has written no telemetry\n');
  t.equal(none.stderr.match(/has written no telemetry/g)?.length, 1, `told once: ${none.stderr}`);
  t.match(none.stderr, `telemetry of candidate: ${notes[1]}`);
  await nothingLeft(t, data);
});

/** As a telemetry library does: a CPU profile as long as the control file has the word. */
const PROFILED = `
const { Session } = require('node:inspector');
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const folder = process.env.MAYFLY_TELEMETRY;
let session = null;
let profiles = 0;
const wanted = () => { try { return readFileSync(folder + '/control', 'utf8').split(/\\s+/).includes('cpu'); } catch { return false; } };
if (folder) setInterval(() => {
  if (wanted() === (session !== null)) return;
  if (session === null) {
    session = new Session();
    session.connect();
    session.post('Profiler.enable');
    return void session.post('Profiler.start');
  }
  session.post('Profiler.stop', (error, { profile }) => {
    const file = folder + '/profiler-' + process.pid + '-0-1-' + profiles++ + '.cpuprofile';
    writeFileSync(file + '.tmp', JSON.stringify(profile));
    renameSync(file + '.tmp', file);
  });
  session.disconnect();
  session = null;
}, 100);
function becomesSlower(ms) { for (const end = performance.now() + ms; performance.now() < end;); }
`;
const profiled = (ms: number) => ({
  'server.js': SERVER.replace('\nlet requests = 0;', `${PROFILED}\nlet requests = 0;`).replace(
    '  requests++;\n',
    `  requests++;\n  becomesSlower(${ms});\n`,
  ),
});

t.test('one more round profiles both sides: what grew is named, and the files are in the archive', async (t) => {
  const { folder, commits } = await probeRepository(t, [{ 'server.js': SERVER }, profiled(0.5), profiled(4)]);
  const data = dataFolder(t);
  const benchmark = (profile: string) =>
    probeBenchmark(t, {
      build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } },
      top: { retries: 5, telemetry: [{ service: 'probe', profile }] },
    });
  const made = benchmark('cpu');
  const args = [`--commit=${commits[2]}`, '--duration=3s', '--warmup=0s', '--rounds=1'];
  const { code, stderr, run } = await bench(made, data, [...args, `--against=${commits[1]}`]);
  t.ok(code === 0 || code === 1, stderr);
  t.match(stderr, 'profile round, which does not count');
  t.same(
    run.profiles!.map(({ side, service, kind, file }) => [side, service, kind, file]).toSorted(),
    ['baseline', 'candidate'].map((side) => [side, 'probe', 'cpu', `profile-${side}-probe-1.cpuprofile`]),
  );
  t.ok(
    run.profiles!.every(({ samples, seconds }) => samples > 50 && seconds > 2.5 && seconds < 15),
    JSON.stringify(run.profiles),
  );
  t.match(run.profile_changes![0], { service: 'probe', name: 'becomesSlower', url: 'file:///server.js', sure: true });
  const last = Math.max(...run.rounds.map(({ round }) => round));
  t.equal(run.rounds.length, 2 * last, 'the profile round is none of the run');
  t.ok(run.archive!.verified);

  const out = join(data, 'profiles');
  const shown = await mayfly('profile', ['last', `--out=${out}`], data).done;
  t.equal(shown.code, 0, shown.stderr);
  t.match(shown.stdout, /^probe +baseline +candidate +points +95 % interval\nbecomesSlower \/server\.js:\d+ .* sure\n/);
  t.match(JSON.parse(readFileSync(join(out, 'profile-candidate-probe-1.cpuprofile'), 'utf8')).nodes[0], {
    callFrame: { functionName: '(root)' },
  });
  const verified = await mayfly('archive', ['verify', '--json'], data).done;
  t.equal(verified.code, 0, verified.stderr);
  t.same(JSON.parse(verified.stdout).findings, []);

  // a commit that knows nothing of profiles, alone
  const none = await bench(made, data, [`--commit=${commits[0]}`, '--against=none', ...args.slice(1)]);
  t.equal(none.code, 0, none.stderr);
  t.notOk(none.run.profiles);
  const note =
    'profile round: probe of candidate has written no profile; does it start the telemetry library? docs/telemetry.md says how';
  t.match(none.stderr, note);
  t.match(none.run.notes, [note]);
  t.equal(none.run.rounds.at(-1)!.round, none.run.rounds.length);

  // from outside, which asks nothing of the service
  const outside = await bench(benchmark('perf'), data, [`--commit=${commits[2]}`, '--against=none', ...args.slice(1)]);
  t.equal(outside.code, 0, outside.stderr);
  t.match(outside.run.profiles, [
    { side: 'candidate', instance: 'probe-1', kind: 'perf', file: 'profile-candidate-probe-1.perf', fault: undefined },
  ]);
  t.ok(outside.run.profiles![0]!.samples > 50, JSON.stringify(outside.run.profiles));
  t.notOk(outside.run.profile_changes);
  await nothingLeft(t, data);
});
