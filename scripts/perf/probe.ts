/** The probe service of the tests as a benchmark, for the perf scripts that need a target whose behaviour is known. */
import { mkdtemp, rm, writeFile, copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadConfig } from '../config/config.ts';
import { withContext, ROOT } from '../open.ts';
import type { Context } from '../context.ts';
import { makePlan } from '../plan/plan.ts';
import { build } from '../stack/build.ts';
import { startStack, type Stack } from '../stack/stack.ts';

const PROBE = join(ROOT, 'test', 'fixtures', 'probe');

export interface ProbeLoad {
  rate: number;
  durationS: number;
  warmupS: number;
  vus: number;
}

/** Runs `work` on a run stack of the probe service in this mode, with any further images the work needs. */
export async function withProbeStack<T>(environment: Record<string, string>, load: ProbeLoad, images: 'vegeta'[], work: (stack: Stack, ctx: Context) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-perf-'));
  try {
    await writeFile(join(folder, 'benchmark.yaml'), stringify({
      description: 'The probe of the perf scripts',
      build: { probe: { git: { repository: '.', context: 'test/fixtures/probe/service', dockerfile: 'Dockerfile' } } },
      services: 'compose.yaml',
      load: { script: 'load.js', target: 'http://probe:8080', rate: load.rate, duration: `${load.durationS}s`, warmup: `${load.warmupS}s`, vus: load.vus },
      scrape: [{ service: 'probe', port: 8080, path: '/metrics' }],
    }));
    await writeFile(join(folder, 'compose.yaml'), stringify({
      services: {
        probe: {
          image: '${MAYFLY_IMAGE_PROBE}',
          environment,
          healthcheck: { test: ['CMD', 'node', '-e', "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"], interval: '300ms', timeout: '3s', retries: 40 },
        },
      },
    }));
    await copyFile(join(PROBE, 'load.js'), join(folder, 'load.js'));
    const config = await loadConfig([`--benchmark=${folder}`], { root: ROOT, cwd: process.cwd() });
    return await withContext({ quiet: true, images: ['prometheus', 'k6', 'node', 'exporter', ...images] }, async (ctx) => {
      const built = await build(await makePlan(config, ctx), ctx);
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
