import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import type { Context } from '../../scripts/app/context.ts';
import type { Config, Deployment } from '../../scripts/config/types.ts';
import { build } from '../../scripts/stack/build.ts';
import { mustFit } from '../../scripts/stack/memory.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';

const GIB = 1024 ** 3;
const PLAIN: Deployment = { variant: null, replicas: {}, compose: null, balancer: null, autoscale: null };
const RUN = parse(readFileSync(join(import.meta.dirname, '../../compose/run.yaml'), 'utf8'));
const SERVICES = {
  services: {
    api: {
      image: 'a',
      mem_limit: String(GIB / 2),
      depends_on: { seed: { condition: 'service_completed_successfully' } },
    },
    db: { image: 'b' },
    seed: { image: 'c' },
  },
};
const SCALED: Deployment = {
  ...PLAIN,
  variant: 'scaled',
  replicas: { api: 3 },
  balancer: { service: 'api', port: 8080, sticky: 'none', health: '/', drainS: 10 },
};

function fits(memoryGib: number, candidate: Deployment, changes: Partial<Config> = {}, pairing?: 'alternating'): void {
  const config = aConfig({ deployments: { candidate, baseline: { ...PLAIN, variant: 'single' } }, ...changes });
  const plan = aPlan(['candidate', 'baseline'], { config, ownImages: { haproxy: 'haproxy:1' } });
  const host = { ...plan.host, memory_bytes: memoryGib * GIB };
  const services = new Map([
    ['candidate', structuredClone(SERVICES)],
    ['baseline', structuredClone(SERVICES)],
  ] as const);
  mustFit({ ...plan, host, ...(pairing ? { pairing } : {}) }, services, RUN);
}

/** 2 x (3 x 0.5 + 1 + 0.25) + 2 x (0.5 + 1) + 4 + 0.25 + 2 */
const WHOLE = 14.75;

t.test('a run whose limits are more than the host has is refused with the sum, line by line', async (t) => {
  t.doesNotThrow(() => fits(WHOLE, SCALED));
  t.throws(() => fits(WHOLE - 0.25, SCALED), {
    exitCode: 2,
    message: `/src/benchmarks/probe/benchmark.yaml: the run may use 14.8 GiB of memory, and this host has 14.5 GiB:
  api of the candidate: 3 replicas x 2 rounds x 512 MiB = 3 GiB
  db of the candidate: 2 rounds x 1 GiB = 2 GiB
  balancer of the candidate: 2 rounds x 256 MiB = 512 MiB
  api of the baseline: 2 rounds x 512 MiB = 1 GiB
  db of the baseline: 2 rounds x 1 GiB = 2 GiB
  prometheus: 4 GiB = 4 GiB
  exporter: 256 MiB = 256 MiB
  load generator: 2 GiB = 2 GiB`,
    hint: 'Nothing was built. Lower the memory limits of the services (1 GiB where none is set) or the number of replicas; --pairing=alternating has one side up at a time.',
  });
});

t.test('sides that are up in turn need the memory of the larger one', async (t) => {
  t.doesNotThrow(() => fits(11.75, SCALED, {}, 'alternating'));
  t.throws(() => fits(11.5, SCALED, {}, 'alternating'), { message: /may use 11\.8 GiB/ });
});

t.test('an autoscaler counts with its greatest number, and a rolling update with one more', async (t) => {
  const autoscale = { service: 'api', metric: 'memory' as const, target: 0.5, min: 2, max: 6, cooldownS: 15 };
  t.throws(() => fits(12, { ...SCALED, autoscale }), {
    message: /api of the candidate: 6 replicas \(max of its autoscaler\) x 2 rounds x 512 MiB = 6 GiB/,
  });
  const disturbances = [{ atS: 1, service: 'api', kind: 'rolling-update' as const, to: 'own' as const, drainS: 1 }];
  t.throws(() => fits(12, { ...SCALED, autoscale }, { disturbances }), {
    message:
      /api of the candidate: 7 replicas \(max of its autoscaler, one more for the rolling update\) x 2 rounds x 512 MiB = 7 GiB/,
  });
});

t.test('pressure on memory stays within the limit of the service', async (t) => {
  const pressure = (bytes: number) => () =>
    fits(24, SCALED, { disturbances: [{ atS: 5, service: 'api', kind: 'memory-pressure', forS: 1, bytes }] });
  t.doesNotThrow(pressure(GIB / 4));
  t.throws(pressure(GIB / 2), {
    exitCode: 2,
    message:
      '/src/benchmarks/probe/benchmark.yaml: the memory-pressure at 5 s takes 512 MiB of api, whose memory limit on the side of the candidate is 512 MiB',
    hint: 'Take less (bytes), or raise mem_limit of the service in its Compose file.',
  });
});

t.test('a benchmark that names no deployment is held to no sum', async (t) => {
  const plan = aPlan(['candidate']);
  t.doesNotThrow(() =>
    mustFit({ ...plan, host: { ...plan.host, memory_bytes: GIB } }, new Map([['candidate', SERVICES]]), RUN),
  );
});

t.test('the sum is of both Compose files, and is refused before the engine is asked for anything', async (t) => {
  const dir = t.testdir({
    'compose.yaml': 'services: {api: {image: "${MAYFLY_IMAGE_PROBE}", mem_limit: 512m, environment: {A: "1"}}}',
    'big.yaml': 'services: {api: {mem_limit: 20g}}',
  });
  const big: Deployment = { ...PLAIN, variant: 'big', compose: join(dir, 'big.yaml') };
  const config = aConfig({ services: join(dir, 'compose.yaml'), deployments: { candidate: big, baseline: PLAIN } });
  const asked: PropertyKey[] = [];
  const engine = new Proxy({}, { get: (_, what) => asked.push(what) });
  const ctx = {
    env: process.env,
    paths: { root: join(import.meta.dirname, '../..') },
    signal: new AbortController().signal,
    engine,
  } as unknown as Context;
  await t.rejects(build(aPlan(['candidate', 'baseline'], { config }), ctx), {
    exitCode: 2,
    message: /api of the candidate: 2 rounds x 20 GiB = 40 GiB\n {2}api of the baseline: 2 rounds x 512 MiB = 1 GiB\n/,
  });
  t.strictSame(asked, []);
});
