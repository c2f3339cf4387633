/**
 * npm run perf:detection: what a comparison finds of builds whose extra cost is known, all real. A repository is made
 * with the shop and commits that compute for a known time more with every request, wait, or hold a known amount of
 * memory; each is compared with the first. Takes about 30 minutes. --quick: fewer rounds, to see that it works.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { generator } from '../../../loadgen/schedule.ts';
import { command } from '../../app/command.ts';
import type { Context } from '../../app/context.ts';
import { ROOT, withContext } from '../../app/open.ts';
import { type BenchOptions, loadConfig } from '../../config/config.ts';
import { MOST } from '../../config/types.ts';
import { EXIT } from '../../core/errors.ts';
import type { RunDocument } from '../../documents/run.ts';
import type { MetricVerdict } from '../../documents/verdict.ts';
import { RUN_IMAGES } from '../../images/images.ts';
import { resamples } from '../../judge/calibration.ts';
import { shareOf } from '../../judge/clopper-pearson.ts';
import { percentOf } from '../../judge/effect-text.ts';
import { metricPairs } from '../../judge/judge-run.ts';
import { observationsOf } from '../../judge/observations.ts';
import { judge, LEAST } from '../../judge/verdict.ts';
import { bench } from '../../pipeline.ts';
import { columns } from '../../report/columns.ts';
import { gitIn } from './shop-run.ts';

/** Extra cost of a build: seconds of CPU or of waiting for each request, bytes that it holds. */
interface Extra {
  name: string;
  computeS?: number;
  waitS?: number;
  holdBytes?: number;
}

/** Shares of the CPU time per request of the first commit. */
const SIZES = [0.01, 0.02, 0.05, 0.1, 0.2];
/** Every build computes for so long, the first one too: what the computing costs beside its time is on both sides. */
const COMMON_S = 20e-6;
const HELD = 8e6;
const WAIT_S = 0.0005;
const POWER_DECISIONS = 500;

await command(
  {
    name: 'perf:detection',
    about:
      'Compares builds of known extra cost with the build without it, all real; prints estimate against truth, and what is found how soon.',
    flags: [{ name: 'quick', help: 'few rounds: shows that it works, decides nothing' }],
  },
  async (io, { has }) => {
    const rounds = has('quick') ? { first: 1, each: 2, blocks: 1 } : { first: 2, each: 10, blocks: 6 };
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-detection-'));
    try {
      const text = await withContext({ quiet: false, images: RUN_IMAGES }, (ctx) => measure(folder, rounds, ctx));
      io.stdout(text);
      return EXIT.pass;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

interface Rounds {
  first: number;
  /** Of a comparison: as many as the first look that can find a REGRESSION needs. */
  each: number;
  blocks: number;
}

async function measure(folder: string, rounds: Rounds, ctx: Context): Promise<string> {
  const shop = await makeRepository(folder);
  const compare = async (commit: string, against: string, more: BenchOptions) => {
    const labels = { purpose: 'perf-detection' };
    const config = await loadConfig(
      { benchmark: shop.benchmark, commit, against, labels, ...more },
      { root: ROOT, cwd: ROOT },
    );
    const began = ctx.now();
    const run = await bench(config, ctx);
    return { run, seconds: (ctx.now() - began) / 1000 };
  };
  const base = await shop.commit({ name: 'first', computeS: COMMON_S });
  const { run: first } = await compare(base, 'none', { rounds: String(rounds.first) });
  const cpuS = medianOf(first, 'cpu_seconds_per_request');

  const parts: string[] = [];
  const truth: string[][] = [];
  const runs = new Map<number, { run: RunDocument; seconds: number; commit: string }>();
  for (const size of SIZES) {
    const computeS = size * cpuS;
    const commit = await shop.commit({ name: `compute ${micro(computeS)} more`, computeS: COMMON_S + computeS });
    const { run, seconds } = await compare(commit, base, { rounds: String(rounds.each) });
    runs.set(size, { run, seconds, commit });
    for (const name of ['cpu_seconds_per_request', 'latency_med', 'latency_p95'])
      truth.push(truthRow(`+${micro(computeS)}`, run, name, computeS));
  }
  parts.push(
    'Estimate against truth (an extra computation of known length in every request; the truth is its share of the baseline)',
    columns(['extra', 'metric', 'rounds', 'truth', 'estimate', '95 % interval', 'holds it', 'verdict'], truth, {
      color: false,
      left: 2,
    }),
  );

  const soon = [...runs].map(([size, { run, seconds }]) => soonRow(size, run, seconds));
  parts.push(
    '',
    'How soon (the same rounds, looked at in turn), and how often (decisions drawn from the real rounds, up to 36 of them)',
    columns(
      [
        'extra CPU',
        'verdict',
        'after rounds',
        'minutes',
        'rounds/min',
        'found: CPU alone',
        'median alone',
        'p95 alone',
      ],
      soon,
      { color: false },
    ),
  );

  const other = await compare(
    await shop.commit({ name: 'wait and hold memory', computeS: COMMON_S, waitS: WAIT_S, holdBytes: HELD }),
    base,
    { rounds: String(rounds.each) },
  );
  const better = await compare(base, runs.get(0.05)!.commit, { rounds: String(rounds.each) });
  parts.push(
    '',
    'Other changes',
    columns(
      ['change', 'metric', 'estimate', '95 % interval', 'verdict'],
      [
        otherRow(
          `waits ${micro(WAIT_S)} more, without CPU (truth at least +${percentOf(WAIT_S / metricOf(other.run, 'latency_med')!.baseline!)} %)`,
          other.run,
          'latency_med',
        ),
        otherRow(`waits ${micro(WAIT_S)} more, without CPU`, other.run, 'cpu_seconds_per_request'),
        otherRow(
          `and holds ${HELD / 1e6} MB more (truth +${percentOf(HELD / metricOf(other.run, 'memory_peak')!.baseline!)} %)`,
          other.run,
          'memory_peak',
        ),
        otherRow('the +5 % build as the baseline', better.run, 'cpu_seconds_per_request'),
        otherRow('the +5 % build as the baseline', better.run, 'latency_med'),
      ],
      { color: false, left: 2 },
    ),
  );

  const two = runs.get(0.02)!;
  const alternating = await compare(two.commit, base, { pairing: 'alternating', rounds: String(rounds.blocks) });
  parts.push(
    '',
    'Interleaved against alternating rounds, the same builds (+2 %), as if for the same wall time (widths shrink with its root)',
    pairings(two, alternating),
  );
  return parts.join('\n');
}

// Functions, since this module waits at its top: what is defined below is not there yet.
function micro(seconds: number): string {
  return `${(seconds * 1e6).toFixed(1)} µs`;
}
function signed(share: number): string {
  return `${share < 0 ? '-' : '+'}${percentOf(share)}`;
}
function metricOf(run: RunDocument, name: string): MetricVerdict | undefined {
  return run.verdict?.metrics.find((metric) => metric.name === name);
}

function medianOf(run: RunDocument, name: string): number {
  const values = run.rounds
    .filter(({ valid }) => valid)
    .map(({ samples }) => samples[name]!.value)
    .sort((a, b) => a - b);
  return values[values.length >> 1]!;
}

function truthRow(extra: string, run: RunDocument, name: string, extraS: number): string[] {
  const { baseline, change, interval, observations, verdict } = metricOf(run, name)!;
  const share = extraS / baseline!;
  const holds = interval ? (share >= interval.low && share <= interval.high ? 'yes' : 'NO') : '-';
  return [
    extra,
    name,
    `${observations}`,
    `${signed(share)} %`,
    `${signed(change!)} %`,
    interval ? `${signed(interval.low)} to ${signed(interval.high)} %` : '-',
    holds,
    verdict ?? '-',
  ];
}

function otherRow(change: string, run: RunDocument, name: string): string[] {
  const { change: estimate, interval, verdict } = metricOf(run, name)!;
  return [
    change,
    name,
    `${signed(estimate!)} %`,
    interval ? `${signed(interval.low)} to ${signed(interval.high)} %` : '-',
    verdict ?? `(shown) run: ${run.verdict!.verdict}`,
  ];
}

/**
 * The decision that a sequential comparison takes on these rounds, and the share of decisions drawn from them in which
 * one metric alone is found.
 */
function soonRow(size: number, run: RunDocument, seconds: number): string[] {
  const pairs = metricPairs(run, observationsOf(run)).filter(({ metric }) => metric.primary);
  const judged = judge(pairs, { design: 'sequential', min: LEAST, max: MOST.interleaved }, false);
  const n = pairs[0]!.pairs.length;
  const secondsEach = seconds / n;
  const draws = resamples(n, POWER_DECISIONS, 36, generator(7));
  const found = (name: string) => {
    const { metric, pairs: real } = pairs.find((one) => one.metric.name === name)!;
    const decide = (picks: number[]) =>
      judge([{ metric, pairs: picks.map((pick) => real[pick]!) }], { design: 'sequential', min: LEAST, max: 36 }, true);
    const hits = draws.filter((picks) => decide(picks).verdict === 'REGRESSION').length;
    const { share, low, high } = shareOf(hits, POWER_DECISIONS);
    return `${percentOf(share)} % (${percentOf(low)} to ${percentOf(high)})`;
  };
  const decided = judged.decided
    ? [judged.verdict, `${judged.observations}`, ((judged.observations * secondsEach) / 60).toFixed(1)]
    : ['open', `${n}`, ((n * secondsEach) / 60).toFixed(1)];
  return [
    `+${percentOf(size)} %`,
    ...decided,
    (60 / secondsEach).toFixed(2),
    found('cpu_seconds_per_request'),
    found('latency_med'),
    found('latency_p95'),
  ];
}

interface Timed {
  run: RunDocument;
  seconds: number;
}

function pairings(interleaved: Timed, alternating: Timed): string {
  const rows = ['cpu_seconds_per_request', 'latency_med', 'latency_p95'].map((name) => {
    const [a, b] = [metricOf(interleaved.run, name)!, metricOf(alternating.run, name)!];
    const width = ({ interval }: MetricVerdict) => (interval ? interval.high - interval.low : NaN);
    const ratio = (width(b) * Math.sqrt(alternating.seconds)) / (width(a) * Math.sqrt(interleaved.seconds));
    return [
      name,
      `${signed(a.change!)} %`,
      `${percentOf(width(a))} %`,
      `${signed(b.change!)} %`,
      `${percentOf(width(b))} %`,
      ratio.toFixed(1),
    ];
  });
  return columns(
    [
      'metric',
      `interleaved (${interleaved.run.verdict!.observations} rounds, ${Math.round(interleaved.seconds)} s)`,
      'width',
      `alternating (${alternating.run.verdict!.observations} blocks, ${Math.round(alternating.seconds)} s)`,
      'width',
      'ratio of widths',
    ],
    rows,
    { color: false },
  );
}

/** A repository with the shop, and a benchmark that builds from it. */
async function makeRepository(folder: string): Promise<{ benchmark: string; commit(extra: Extra): Promise<string> }> {
  const repository = join(folder, 'repository');
  const benchmark = join(folder, 'detection');
  const from = join(ROOT, 'benchmarks', 'shop');
  await mkdir(repository);
  await cp(join(from, 'service'), repository, { recursive: true, filter: (path) => !path.includes('node_modules') });
  await cp(from, benchmark, { recursive: true, filter: (path) => path !== join(from, 'service') });
  const spec = parse(await readFile(join(from, 'benchmark.yaml'), 'utf8'));
  await writeFile(
    join(benchmark, 'benchmark.yaml'),
    stringify({
      ...spec,
      build: { shop: { git: { repository, context: '.', dockerfile: 'Dockerfile', network: 'default' } } },
      retries: 10,
    }),
  );
  const server = await readFile(join(repository, 'server.ts'), 'utf8');
  const git = gitIn(repository, 'perf');
  await git('init', '--quiet', '--initial-branch=main');
  const commit = async (extra: Extra) => {
    await writeFile(join(repository, 'server.ts'), withExtra(server, extra));
    await git('add', '--all');
    await git('commit', '--quiet', '--allow-empty', '-m', extra.name);
    return git('rev-parse', 'HEAD');
  };
  return { benchmark, commit };
}

/** The server with what is asked of it at the beginning of every request. */
function withExtra(server: string, { computeS = 0, waitS = 0, holdBytes = 0 }: Extra): string {
  const begin = '  const started = performance.now();\n';
  const hook = server.replace(
    begin,
    `${begin}  if (${computeS} > 0) for (const until = started + ${computeS * 1000}; performance.now() < until; );\n  if (${waitS} > 0) Atomics.wait(nobody, 0, 0, ${waitS * 1000});\n`,
  );
  if (hook === server) throw new TypeError('the place for the extra cost is not found in the shop');
  return `${hook}\nconst nobody = new Int32Array(new SharedArrayBuffer(4));\nconst held = Buffer.alloc(${holdBytes}, 1);\nprocess.once('exit', () => held.length);\n`;
}
