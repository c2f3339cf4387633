import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { VERSION } from '../../loadgen/version.ts';
import { compile } from '../../scripts/config/schema.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import {
  bench,
  dataFolder,
  dumpBlock,
  engine,
  mayfly,
  nothingLeft,
  probeBenchmark,
  probeRepository,
  rawBlocks,
  run,
} from '../e2e/helpers.ts';

t.teardown(() => engine.close());

/** A branch may be called what a shell would run. */
const BRANCH = 'feature/$(id>x)';

t.test('one commit is measured, stored, shipped, and nothing is left', async (t) => {
  const data = dataFolder(t);
  const lives = await watchLives(t);
  const {
    code,
    stderr,
    run: doc,
  } = await bench(probeBenchmark(t, { top: { rounds: 2 } }), data, ['--label', 'purpose=test']);
  t.equal(code, 0, stderr);

  t.same(faults(doc), [], 'the document is what its schema says');
  t.match(doc, {
    schema: 'mayfly.run/v1',
    benchmark: /./,
    status: 'complete',
    pairing: 'solo',
    labels: { purpose: 'test' },
    host: { cores: Number, kernel: String, engine: String, cpu_model: String },
  });
  t.match(doc.sides.candidate, { ref: 'HEAD', commit: /^[0-9a-f]{40}$/, images: [{ name: 'probe', id: /^sha256:/ }] });
  const rounds = doc.rounds.filter(({ valid }) => valid);
  t.equal(rounds.length, 2, JSON.stringify(doc.rounds.map(({ reasons }) => reasons)));
  for (const round of rounds) {
    t.equal(round.window_s, 3);
    t.match(round.samples.request_rate, { unit: '1/s' });
    t.ok(Math.abs(round.samples.request_rate!.value - 50) < 0.5, `rate ${round.samples.request_rate!.value}`);
    const { latency_min: min, latency_med: med, latency_p99: p99, latency_max: max } = round.samples;
    t.ok(0 < min!.value && min!.value <= med!.value && med!.value <= p99!.value && p99!.value <= max!.value);
    t.ok(round.samples.response_med!.value >= 0);
    t.ok(round.samples.cpu_seconds_per_request!.value > 1e-6 && round.samples.cpu_seconds_per_request!.value < 0.1);
    t.ok(round.samples.memory_peak!.value > 5e6);
    t.equal(round.samples.failed_requests!.value, 0);
  }
  t.match(doc.load, {
    generator: `mayfly ${VERSION}`,
    model: 'open',
    rate: 50,
    max_in_flight: 100,
    workload: /^[0-9a-f]{16}$/,
  });
  t.same(
    Object.keys(doc.compose)
      .sort()
      .map((name) => name.replace(/^mayfly-[0-9a-z]{26}/, 'run')),
    ['run', 'run-candidate'],
  );

  t.match(doc.archive, { bucket: join(data, 'bucket'), verified: true, pending: false });
  t.equal(doc.archive!.blocks.length, 1);
  const block = join(data, 'bucket', doc.archive!.blocks[0]!);
  const meta = JSON.parse(readFileSync(join(block, 'meta.json'), 'utf8'));
  t.same(meta.thanos.labels, { stream: 'raw', run_id: doc.run_id, benchmark: doc.benchmark, host: doc.host.id });
  t.ok(meta.stats.numSamples > 500);
  const dump = await dumpBlock(t, block);
  for (const name of [
    'mayfly_request_duration_seconds',
    'mayfly_response_time_seconds',
    'mayfly_start_lag_seconds',
    'mayfly_requests_total',
    'container_cpu_usage_seconds_total',
    'container_memory_working_set_bytes',
    'probe_requests_total',
    'up',
  ]) {
    t.ok(
      new RegExp(`__name__="${name}"[^}]*round="2"[^}]*side="candidate"`).test(dump),
      `${name} of round 2 is in the block`,
    );
  }
  await nothingLeft(t, data);

  const life = lives(doc.run_id);
  const last = Math.max(...doc.rounds.map(({ round }) => round));
  t.ok(
    life[2]!.firstCreated < life[1]!.lastGone,
    `the containers of round 2 start while round 1 settles: ${JSON.stringify(life)}`,
  );
  t.same(
    Object.keys(life),
    Array.from({ length: last }, (_, i) => String(i + 1)),
    'no round is started that is not wanted',
  );

  const list = await mayfly('runs', [], data).done;
  t.match(list.stdout, doc.run_id);
  const shown = await mayfly('show', [doc.run_id, '--json'], data).done;
  t.same(JSON.parse(shown.stdout), doc, 'what is stored is what was printed');

  t.ok(
    new RegExp(`__name__="mayfly_requests_total"[^}]*commit="${doc.sides.candidate.commit}"`).test(dump),
    'what the load generator counted carries the commit',
  );
  t.notOk(/__name__="mayfly_request_duration_seconds_bucket"/.test(dump), 'histograms are native ones');

  const terminal = await mayfly('bench', [`--benchmark=${probeBenchmark(t)}`], data).done;
  t.equal(terminal.code, 0, terminal.stderr);
  for (const row of [/p95/, /p99/, /CPU/i, /memory/i]) t.match(terminal.stdout, row);
  const [, runId] = /npm run show -- (\w{26})/.exec(terminal.stdout) ?? [];
  t.ok(runId, 'one table on stdout, and how to see it again');
  t.match(terminal.stderr, /round 1 of 1/, 'progress on stderr');
  await nothingLeft(t, data);
  const again: RunDocument = JSON.parse((await mayfly('show', [runId!, '--json'], data).done).stdout);
  t.equal(again.sides.candidate.images[0]!.source, 'cached', 'a build is made once for a commit');
  const both = await mayfly('compare', [doc.run_id, again.run_id], data).done;
  t.equal(both.code, 0, both.stderr + both.stdout);
  t.match(both.stdout, /latency/);
});

t.test(
  'two sides are measured in the same rounds; a repository by URL, a branch that only the remote has',
  async (t) => {
    const { folder, commits } = await probeRepository(t, [
      {},
      {
        'server.js': readFileSync('test/fixtures/probe/service/server.js', 'utf8').replace("'probe\\n'", "'other\\n'"),
      },
    ]);
    await run('git', ['branch', BRANCH], { cwd: folder }).done;
    await run('git', ['reset', '--quiet', '--hard', commits[0]!], { cwd: folder }).done;
    const data = dataFolder(t);
    const benchmark = probeBenchmark(t, {
      build: { git: { repository: `file://${folder}`, context: '.', dockerfile: 'Dockerfile' } },
    });
    const {
      code,
      stderr,
      run: doc,
    } = await bench(benchmark, data, [`--commit=${BRANCH}`, `--against=${commits[0]!.slice(0, 10)}`, '--rounds=2']);
    t.equal(code, 0, stderr);
    t.same(faults(doc), [], 'the document is what its schema says');
    t.equal(doc.pairing, 'interleaved');
    t.same([doc.sides.candidate.commit, doc.sides.baseline!.commit], [commits[1], commits[0]]);
    t.not(doc.sides.candidate.images[0]!.id, doc.sides.baseline!.images[0]!.id);
    const rounds = [...Map.groupBy(doc.rounds, ({ round }) => round).values()].filter((sides) =>
      sides.every(({ valid }) => valid),
    );
    t.same(
      rounds.map((sides) => sides.map(({ side }) => side).sort()),
      [
        ['baseline', 'candidate'],
        ['baseline', 'candidate'],
      ],
    );
    for (const round of rounds.flat())
      t.ok(
        Math.abs(round.samples.request_rate!.value - 50) < 1,
        `each side gets the whole rate: ${round.samples.request_rate!.value}`,
      );
    const table = await mayfly('show', [doc.run_id], data).done;
    t.match(table.stdout, /baseline/);
    await nothingLeft(t, data);
  },
);

t.test('two runs at the same time share nothing; each measures the uncommitted state, without a commit', async (t) => {
  const { folder } = await probeRepository(t, [{}]);
  writeFileSync(join(folder, 'new.js'), '// new\n');
  const data = [dataFolder(t), dataFolder(t)];
  const benchmark = probeBenchmark(t, {
    build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } },
    load: { rate: 20 },
  });
  const both = await Promise.all(data.map((folder) => bench(benchmark, folder, ['--commit=worktree'])));
  for (const { code, stderr } of both) t.equal(code, 0, stderr);
  const [one, other] = both.map(({ run }) => run) as [RunDocument, RunDocument];
  t.not(one.run_id, other.run_id);
  t.match(one.sides.candidate.commit, /^worktree-[0-9a-f]{40}$/);
  t.equal(other.sides.candidate.commit, one.sides.candidate.commit, 'the same state is the same to both');
  for (const [index, { run: doc }] of both.entries()) {
    t.same(rawBlocks(join(data[index]!, 'bucket')), doc.archive!.blocks);
    t.ok(Math.abs(doc.rounds.find(({ valid }) => valid)!.samples.request_rate!.value - 20) < 0.5);
  }
  t.equal(
    (await run('git', ['status', '--porcelain'], { cwd: folder }).done).stdout,
    '?? new.js\n',
    "the user's index is not touched",
  );
  await nothingLeft(t, data[0]!);
});

t.test('any other load generator: vegeta, judged by its own metrics', async (t) => {
  const data = dataFolder(t);
  const load = {
    script: undefined,
    image: 'mayfly/vegeta:12.12.0',
    command: [
      'attack',
      '-targets=/benchmark/targets',
      '-rate=${RATE}',
      '-duration=${DURATION}',
      '-prometheus-addr=0.0.0.0:8880',
      '-output=/dev/null',
    ],
    scrape: { port: 8880, path: '/metrics' },
    requests:
      'sum(max_over_time(probe_requests_total{$selector}[$window]) - min_over_time(probe_requests_total{$selector}[$window]))',
    warmup: '1s',
    duration: '5s',
    rate: 10, // vegeta leaves out the last request where it comes after the end: at this rate it is due 100 ms before
  };
  const benchmark = probeBenchmark(t, {
    load,
    top: {
      rounds: 1,
      metrics: [
        {
          name: 'vegeta_p95',
          promql: 'histogram_quantile(0.95, sum by (le) (rate(request_seconds_bucket{$selector}[$window])))',
          unit: 's',
        },
      ],
    },
  });
  writeFileSync(join(benchmark, 'targets'), 'GET http://probe.candidate:8080/\n');
  const { run: doc, stderr } = await bench(benchmark, data);
  t.equal(doc.load?.generator, 'mayfly/vegeta:12.12.0', stderr);
  const round = doc.rounds.find(({ valid }) => valid);
  t.ok(round, JSON.stringify(doc.rounds));
  t.equal(round!.samples.request_rate!.value, 10, 'every request was counted, none of the warm-up');
  t.ok(round!.samples.vegeta_p95!.value > 0, 'what the generator itself exposes is there too');
  t.ok(round!.samples.cpu_seconds_per_request!.value > 0);
  await nothingLeft(t, data);
});

/**
 * Follows what the engine makes and removes; gives for a run, by round, when the first of its containers was made and
 * the last one was gone.
 */
async function watchLives(
  t: Test,
): Promise<(runId: string) => Record<string, { firstCreated: number; lastGone: number }>> {
  const events = spawn(
    'docker',
    [
      'events',
      '--filter=type=container',
      '--filter=label=dev.mayfly.round',
      '--filter=event=create',
      '--filter=event=destroy',
      '--format={{json .}}',
      '--since=1s',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.teardown(() => events.kill());
  let text = '';
  events.stdout.on('data', (chunk) => (text += chunk));
  await new Promise<void>((resolve, reject) => events.once('spawn', resolve).once('error', reject));
  return (runId) => {
    const all = text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
      .filter(({ Actor: { Attributes } }) => Attributes['dev.mayfly.run'] === runId);
    const rounds = Map.groupBy(all, ({ Actor: { Attributes } }) => Attributes['dev.mayfly.round'] as string);
    const at = (events: any[], action: string) =>
      events.filter(({ Action }) => Action === action).map(({ timeNano }) => timeNano as number);
    return Object.fromEntries(
      [...rounds].map(([round, events]) => [
        round,
        { firstCreated: Math.min(...at(events, 'create')), lastGone: Math.max(...at(events, 'destroy')) },
      ]),
    );
  };
}

function faults(doc: unknown): string[] {
  const schema = JSON.parse(readFileSync('docs/schemas/mayfly.run.v1.json', 'utf8'));
  const validate = compile(schema);
  return validate(doc) ? [] : (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`);
}
