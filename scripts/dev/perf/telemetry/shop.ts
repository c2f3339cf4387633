/**
 * What the samplers of telemetry cost the shop: two commits of it that differ in nothing else, by the interleaved judge.
 * Both time their requests; in one of them the runtime is sampled as well.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { ROOT, withContext } from '../../../app/open.ts';
import { loadConfig } from '../../../config/config.ts';
import { InfrastructureError } from '../../../core/errors.ts';
import type { MetricVerdict } from '../../../documents/verdict.ts';
import { RUN_IMAGES } from '../../../images/images.ts';
import { percentOf } from '../../../judge/effect-text.ts';
import { bench } from '../../../pipeline.ts';
import type { Goal } from '../figures.ts';
import { gitIn } from '../shop-run.ts';

const MOST_SLOWDOWN = 0.01;
const METRICS = ['cpu_seconds_per_request', 'latency_med'];

/** Compares the shop with its runtime sampled with the shop without, in so many rounds. */
export async function measureShop({ rounds, log }: { rounds: number; log(line: string): void }): Promise<Goal[]> {
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-telemetry-'));
  try {
    const { benchmark, on, off } = await makeCommits(folder);
    const config = await loadConfig(
      {
        benchmark,
        commit: on,
        against: off,
        rounds: String(rounds),
        labels: { purpose: 'perf-telemetry' },
        profile: false,
      },
      { root: ROOT, cwd: ROOT },
    );
    const run = await withContext({ quiet: false, images: RUN_IMAGES }, (ctx) => bench(config, ctx));
    return METRICS.map((name) =>
      goalOf(
        run.verdict?.metrics.find((metric) => metric.name === name),
        name,
        log,
      ),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function goalOf(metric: MetricVerdict | undefined, name: string, log: (line: string) => void): Goal {
  if (!metric?.interval || metric.change === undefined)
    throw new InfrastructureError(`${name} of the shop with telemetry was not judged`, {
      hint: 'Do nothing else on the machine meanwhile; npm run show -- last tells what was measured.',
    });
  const { change, interval, observations } = metric;
  log(
    `${name}, runtime sampled against not: ${signed(change!)} %, 95 % ${signed(interval.low)} to ${signed(interval.high)} %, ${observations} rounds`,
  );
  return {
    text: `sampling the runtime slows the shop by at most ${percentOf(MOST_SLOWDOWN)} % in ${name}: 95 % sure of at most ${signed(interval.high)} %`,
    met: interval.high <= MOST_SLOWDOWN,
  };
}

const signed = (share: number): string => `${share < 0 ? '-' : '+'}${percentOf(Math.abs(share))}`;

/** A repository with two commits of the shop, and a benchmark that builds from it. */
async function makeCommits(folder: string): Promise<{ benchmark: string; on: string; off: string }> {
  const repository = join(folder, 'repository');
  const benchmark = join(folder, 'telemetry');
  const from = join(ROOT, 'benchmarks', 'shop');
  await mkdir(repository);
  await cp(join(from, 'service'), repository, { recursive: true, filter: (path) => !path.includes('node_modules') });
  await cp(from, benchmark, { recursive: true, filter: (path) => path !== join(from, 'service') });
  const spec = parse(await readFile(join(from, 'benchmark.yaml'), 'utf8'));
  const build = { shop: { git: { repository, context: '.', dockerfile: 'Dockerfile', network: 'default' } } };
  await writeFile(join(benchmark, 'benchmark.yaml'), stringify({ ...spec, build, retries: 10 }));
  const git = gitIn(repository, 'perf');
  await git('init', '--quiet', '--initial-branch=main');
  const server = await readFile(join(repository, 'server.ts'), 'utf8');
  const commit = async (runtime: boolean) => {
    const changed = server.replace(/^start\(\);$/m, `start({ runtime: ${runtime} });`);
    if (changed === server) throw new TypeError('the shop does not start its telemetry where it is looked for');
    await writeFile(join(repository, 'server.ts'), changed);
    await git('add', '--all');
    await git('commit', '--quiet', '-m', `runtime: ${runtime}`);
    return git('rev-parse', 'HEAD');
  };
  return { benchmark, off: await commit(false), on: await commit(true) };
}
