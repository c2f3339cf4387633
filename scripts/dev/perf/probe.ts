/**
 * Targets whose behaviour is known, on a run stack, and the load of a round on them as a run makes it: for the perf
 * scripts.
 */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { RequestColumns } from '../../../loadgen/requests-file.ts';
import type { LoadResultDocument, SideResult } from '../../../loadgen/result.ts';
import type { Context } from '../../app/context.ts';
import { ROOT, withContext } from '../../app/open.ts';
import { loadConfig } from '../../config/config.ts';
import { InfrastructureError, UsageError } from '../../core/errors.ts';
import type { CpuSets } from '../../documents/run.ts';
import { IMAGES, type ImageName, RUN_IMAGES } from '../../images/images.ts';
import { generatorFor, type LoadResult } from '../../measure/load/generator.ts';
import { makePlan, type Plan } from '../../plan/plan.ts';
import { readRequests } from '../../requests/read-file.ts';
import { build } from '../../stack/build.ts';
import type { Sides, Stack } from '../../stack/run-stack.ts';
import { startStack } from '../../stack/run-stack.ts';
import { readCpu } from './beside.ts';
import { cpuBetween } from './figures.ts';

export interface ProbeLoad {
  rate: number;
  durationS: number;
  warmupS: number;
  maxInFlight: number;
  workers?: number;
}

/** What runs as the service `probe`, port 8080, in the node image. */
export interface Target {
  command: string[];
  environment?: Record<string, string>;
  /** Path in the checkout -> path in the container, to read. */
  mounts: Record<string, string>;
  /** Paths in the checkout that make the benchmark's folder; the first is the load script. */
  load: string[];
  metrics: boolean;
}

const SERVERS = {
  'scripts/dev/perf': '/perf/scripts',
  node_modules: '/perf/node_modules',
  'package.json': '/perf/package.json',
};
const GET = ['test/fixtures/probe/load.ts'];

export const TARGETS = {
  /** The probe of the tests: an HTTP server of Node.js. */
  probe: {
    command: ['node', '/server.js'],
    mounts: { 'test/fixtures/probe/service/server.js': '/server.js' },
    load: GET,
    metrics: true,
  },
  /** The least that speaks HTTP/1.1. */
  lean: { command: ['node', '/perf/scripts/servers/lean.ts'], mounts: SERVERS, load: GET, metrics: true },
  /** gRPC: one method, which says what it hears. */
  echo: {
    command: ['node', '/perf/scripts/servers/echo-server.ts'],
    mounts: SERVERS,
    load: ['scripts/dev/perf/servers/echo-load.ts', 'scripts/dev/perf/servers/echo.proto'],
    metrics: false,
  },
} satisfies Record<string, Target>;

/** As that of the shop: it asks until something listens, once, and then costs nothing. */
const HEALTH = {
  test: [
    'CMD',
    'bash',
    '-c',
    "if [ -e /tmp/healthy ]; then exec sleep infinity; fi\ntrap '' PIPE\nuntil { exec 3<>/dev/tcp/127.0.0.1/8080; } 2>&-; do\n  [ $$SECONDS -lt 60 ] && sleep 0.05 || exit 1\ndone\n: > /tmp/healthy",
  ],
  interval: '100ms',
  timeout: '24h',
  retries: 1,
};

/** The generators alone on the first core, whatever else there is on the second. */
export const APART: CpuSets = { loadgen: '0', services: '1', metrics: '1' };

const silent = { update() {}, done() {}, fail() {} };

/**
 * Runs `work` on a run stack of this target, with any further images the work needs. `cpusets`: in place of a run's
 * own.
 */
export async function withProbeStack<T>(
  { target, load, cpusets, images = [] }: { target: Target; load: ProbeLoad; cpusets?: CpuSets; images?: ImageName[] },
  work: (stack: Stack, ctx: Context) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-perf-'));
  try {
    await writeBenchmark(folder, target, load);
    const version = IMAGES.node.ref.split(':')[1]!;
    const config = await loadConfig(
      { benchmark: folder, commit: version, against: 'none' },
      {
        root: ROOT,
        cwd: process.cwd(),
      },
    );
    return await withContext({ quiet: true, images: [...RUN_IMAGES, ...images] }, async (ctx) => {
      const made = await makePlan(config, ctx);
      if (cpusets && made.host.cores < 2)
        throw new UsageError('this needs two cores: one for the load generators, one for the rest');
      const built = await build(cpusets ? { ...made, cpusets } : made, ctx);
      // a benchmark may mount its own folder only: these are laid in afterwards
      const service = built.services.get('candidate')!.services.probe!;
      service.volumes = Object.entries(target.mounts).map(([from, to]) => ({
        type: 'bind',
        source: join(ROOT, from),
        target: to,
        read_only: true,
      }));
      try {
        await using stack = await startStack(built, ctx);
        return await work(stack, ctx);
      } finally {
        await rm(built.plan.dir, { recursive: true, force: true });
      }
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeBenchmark(
  folder: string,
  { command, environment = {}, load: files, metrics }: Target,
  load: ProbeLoad,
): Promise<void> {
  for (const [i, file] of files.entries())
    await copyFile(join(ROOT, file), join(folder, i === 0 ? 'load.ts' : file.split('/').at(-1)!));
  await writeFile(
    join(folder, 'benchmark.yaml'),
    stringify({
      description: 'A target of the perf scripts',
      build: { probe: { image: `${IMAGES.node.ref.split(':')[0]}:\${commit}` } },
      services: 'compose.yaml',
      load: {
        script: 'load.ts',
        target: 'http://probe:8080',
        rate: load.rate,
        duration: `${load.durationS}s`,
        warmup: `${load.warmupS}s`,
        max_in_flight: load.maxInFlight,
        workers: load.workers ?? 1,
      },
      ...(metrics ? { scrape: [{ service: 'probe', port: 8080, path: '/metrics' }] } : {}),
    }),
  );
  await writeFile(
    join(folder, 'compose.yaml'),
    stringify({
      services: {
        probe: {
          image: '${MAYFLY_IMAGE_PROBE}',
          command,
          environment: { ...environment, NODE_NO_WARNINGS: '1' },
          healthcheck: HEALTH,
        },
      },
    }),
  );
}

/** The plan with another load, and where wanted with other cores for it. */
export function withLoad(
  plan: Plan,
  { rate, durationS, warmupS, maxInFlight, workers = 1 }: ProbeLoad,
  loadgen = plan.cpusets.loadgen,
): Plan {
  const load = {
    ...plan.config.load,
    rate,
    durationS,
    warmupS,
    maxInFlight,
    workers,
    model: { kind: 'open', arrivals: 'constant', rate, durationS } as const,
  };
  return { ...plan, config: { ...plan.config, load }, cpusets: { ...plan.cpusets, loadgen } };
}

/** Of the generator's process, bytes. */
export interface Memory {
  /** The most that it had resident. */
  peak: number;
  /** What of it at the end was mapped from files: the program of Node.js, which other containers share. */
  files: number;
}

export interface Driven {
  load: LoadResult;
  result: LoadResultDocument;
  side: SideResult;
  /**
   * CPU seconds of the generator's container from the window's start to its end: what it makes of its records
   * afterwards is not in it.
   */
  cpuSeconds: number;
  memory: Memory;
  requests: RequestColumns;
}

/** Makes this load on sides that are up, through the seam that a run goes through. A generator that fails throws. */
export async function driveOwn(stack: Stack, sides: Sides, plan: Plan, ctx: Context): Promise<Driven> {
  await using generator = await generatorFor(plan.config.load).prepare(sides.round, plan, stack, ctx);
  const { id, pid } = await ctx.engine.inspect(`${plan.project}-load-${sides.round}`);
  const ended = new AbortController();
  const reading = readCpu(id, pid, ended.signal);
  const load = await generator
    .drive({ ...sides, plan }, silent, {
      warmUp: () => {},
      window: async () => {},
      measuring: () => {},
      measured: () => {},
    })
    .finally(() => ended.abort());
  if (!load.result)
    throw new InfrastructureError(`the load generator failed: ${load.failure}`, {
      hint: 'Try again; npm run doctor says what this machine has.',
    });
  const { rows: requests } = await readRequests(join(plan.dir, 'requests', `round-${sides.round}.parquet`));
  return {
    load,
    result: load.result,
    side: load.result.sides[0]!,
    cpuSeconds: cpuBetween(await reading, load.startMs, load.endMs),
    memory: await memoryOf(pid),
    requests,
  };
}

/** Of the largest process of a container (proc(5)). */
async function memoryOf(init: number): Promise<Memory> {
  const children = await readFile(`/proc/${init}/task/${init}/children`, 'utf8');
  const statuses = await Promise.all(
    [init, ...children.trim().split(' ').filter(Boolean).map(Number)].map((pid) =>
      readFile(`/proc/${pid}/status`, 'utf8'),
    ),
  );
  const bytes = (status: string, field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return statuses
    .map((status) => ({ peak: bytes(status, 'VmHWM'), files: bytes(status, 'RssFile') }))
    .reduce((most, one) => (one.peak > most.peak ? one : most));
}
