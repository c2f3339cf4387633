/** A comparison as a user runs it: interrupted, gone on with, decided; and what else it may come to. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RunDocument, VerdictDocument } from '../../scripts/types.ts';
import { bench, dataFolder, engine, mayfly, nothingLeft, probeBenchmark, probeRepository } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const SERVER = readFileSync('test/fixtures/probe/service/server.js', 'utf8');
/** Computes 4 ms more for every request. */
const slower = { 'server.js': SERVER.replace('  requests++;\n', '  requests++;\n  compute(4);\n') };
const SHORT = ['--duration=1s', '--warmup=0s'];

t.test('a slow commit is called, though the comparison was interrupted in the middle', async (t) => {
  t.not(slower['server.js'], SERVER);
  const { folder, commits } = await probeRepository(t, [{}, slower]);
  const data = dataFolder(t);
  const benchmark = probeBenchmark(t, { build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } }, top: { retries: 5, metrics: [{ name: 'latency_med', primary: true, margin: '5%' }] } });
  const running = mayfly('bench', [`--benchmark=${benchmark}`, `--commit=${commits[1]}`, `--against=${commits[0]}`, ...SHORT], data);
  await running.said(/round 5 of at most 40/);
  running.child.kill('SIGINT');
  const { code, stderr } = await running.done;
  t.equal(code, 130, stderr);
  t.match(stderr, /after 4 rounds: latency med \+/, 'the estimate after each round');

  const files = Object.fromEntries(['markdown', 'junit', 'bmf', 'openmetrics'].map((format) => [format, join(data, format)]));
  const ended = await bench(benchmark, data, ['--resume=last', ...Object.entries(files).map(([format, file]) => `--${format}=${file}`)]);
  t.equal(ended.code, 1, ended.stderr);
  const { run } = ended;
  const [first] = JSON.parse((await mayfly('runs', ['--json'], data).done).stdout).runs.filter((one: RunDocument) => one.run_id !== run.run_id);
  t.match(run, { status: 'complete', continues: first.run_id, comparison: { design: 'sequential', min: 6, max: 40 }, verdict: { schema: 'mayfly.verdict/v1', verdict: 'REGRESSION' } });
  t.same(new Set(run.rounds.filter(({ round }) => round <= 4).map(({ from_run }) => from_run)), new Set([first.run_id]), 'the finished rounds are taken over');
  t.ok(run.rounds.filter(({ round }) => round > 4).every(({ from_run }) => from_run === undefined));
  const [metric] = run.verdict!.metrics.filter(({ primary }) => primary);
  t.match(metric, { name: 'latency_med', verdict: 'REGRESSION', words: /^\d+ % slower, 95 % interval/ });
  t.ok(run.verdict!.observations >= 8 && run.verdict!.observations <= 40, `${run.verdict!.observations} rounds`);
  for (const [format, file] of Object.entries(files)) t.match(readFileSync(file, 'utf8'), /REGRESSION|latency/, format);

  const again = await mayfly('judge', [run.run_id, '--json'], data).done;
  t.equal(again.code, 1, again.stderr);
  t.same((JSON.parse(again.stdout) as VerdictDocument).metrics, run.verdict!.metrics, 'the stored rounds give the same answer');
  t.match((await mayfly('show', [run.run_id], data).done).stdout, /REGRESSION {2}probe/);
  t.match((await mayfly('bench', [`--benchmark=${benchmark}`, `--resume=${run.run_id}`], data).done).stderr, /it has come to its end/);
  await nothingLeft(t, data, { waiting: 1 }); // the metrics of the interrupted one
});

t.test('a fixed number of rounds, alternating: the rounds of a block, and one look', async (t) => {
  const data = dataFolder(t);
  const refused = await mayfly('bench', [`--benchmark=${probeBenchmark(t)}`, '--against=HEAD', `--markdown=${join(data, 'not', 'there.md')}`], data).done;
  t.equal(refused.code, 2);
  t.match(refused.stderr, /there\.md/);
  t.notOk(existsSync(join(data, 'mayfly.db')), 'refused before anything is started');

  const benchmark = probeBenchmark(t, { top: { metrics: [{ name: 'latency_med', primary: true }] } });
  const { code, stderr, run } = await bench(benchmark, data, ['--commit=HEAD', '--against=HEAD', '--pairing=alternating', '--rounds=1', '--strict', ...SHORT]);
  t.equal(code, 1, stderr);
  t.match(run, { pairing: 'alternating', verdict: { verdict: 'INCONCLUSIVE', observations: 1, method: { design: 'fixed', looks: [1] } } });
  t.same(run.rounds.map(({ round, block, side }) => `${round} ${block} ${side}`), ['1 1 candidate', '2 1 baseline', '3 1 baseline', '4 1 candidate']);
  t.match(run.verdict!.notes.join(), /both sides are the same build/);
  await nothingLeft(t, data);
});

t.test('both sides near the limit of the CPUs: alternating by itself', async (t) => {
  const data = dataFolder(t);
  const benchmark = probeBenchmark(t, { top: { metrics: [{ name: 'latency_med', primary: true }] }, allow: { saturation: 0 } });
  const { code, stderr, run } = await bench(benchmark, data, ['--commit=HEAD', '--against=HEAD', '--rounds=1', ...SHORT]);
  t.equal(code, 0, stderr);
  t.match(stderr, /going on with alternating rounds/);
  t.equal(run.pairing, 'alternating');
  t.match(run.rounds.slice(0, 2).map(({ reasons }) => reasons[0]!.code), ['saturated', 'saturated']);
  t.equal(run.rounds.filter(({ valid }) => valid).length, 4);
});
