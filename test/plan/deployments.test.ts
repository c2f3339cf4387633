import { join } from 'node:path';
import t from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import type { BalancerConfig, Deployment } from '../../scripts/config/types.ts';
import { paths } from '../../scripts/core/paths.ts';
import { makePlan } from '../../scripts/plan/plan.ts';
import { aConfig } from '../fixtures/plan.ts';

const PLAIN: Deployment = { variant: null, replicas: {}, compose: null, balancer: null, autoscale: null };
const BALANCER: BalancerConfig = { service: 'probe', port: 8080, sticky: 'cookie', health: '/', drainS: 10 };
const SCALED: Deployment = { ...PLAIN, variant: 'scaled', replicas: { probe: 3 }, balancer: BALANCER };

const context = () =>
  ({
    paths: paths(join(import.meta.dirname, '../..'), {}),
    newRunId: () => '01TESTRUN',
    now: () => 0,
    progress: { info() {}, warn() {} },
    machine: {
      engine: { version: '20.10', cores: 2, memoryBytes: 24 * 2 ** 30, kernel: '6.18', os: 'Debian' },
      images: {},
    },
    obtainImages: async (names: string[]) =>
      Object.fromEntries(names.map((name) => [name, { ref: `${name}:1`, id: `sha256:${name}`, source: 'built' }])),
  }) as unknown as Context;

t.test('one commit in two variants is a real comparison, and is built once', async (t) => {
  const image = { probe: { kind: 'image' as const, image: 'probe:${commit}' } };
  const plan = await makePlan(
    aConfig({
      dir: t.testdir({}),
      commit: 'v1',
      against: 'v1',
      builds: image,
      deployments: { candidate: SCALED, baseline: { ...PLAIN, variant: 'single' } },
    }),
    context(),
  );
  const [candidate, baseline] = plan.sides;
  t.match(
    [candidate, baseline],
    [
      { name: 'candidate', commit: 'v1' },
      { name: 'baseline', commit: 'v1' },
    ],
  );
  t.equal(plan.pairing, 'interleaved');
  t.strictSame(candidate!.deployment, SCALED);
  t.equal(baseline!.deployment.variant, 'single');
  t.equal(baseline!.builds, candidate!.builds, 'both have the same builds');
  t.match(plan.ownImages, { haproxy: 'haproxy:1' });
});

t.test('two commits that are one image are compared only where they are deployed differently', async (t) => {
  const dir = t.testdir({});
  const planned = (baseline: Deployment) =>
    makePlan(
      aConfig({
        dir,
        commit: 'v1',
        against: 'v2',
        builds: { probe: { kind: 'image', image: 'probe:latest' } },
        deployments: { candidate: SCALED, baseline },
      }),
      context(),
    );
  t.equal((await planned({ ...PLAIN, variant: 'single' })).sides.length, 2);
  await t.rejects(planned({ ...SCALED, variant: 'other' }), {
    message: 'nothing to compare: v1 and v2 have the same build context, file by file',
  });
});

t.test('deployments are of the stack version where they are named, and only there', async (t) => {
  const dir = t.testdir({ 'a.yaml': 'services: {}', 'b.yaml': 'services: {probe: {cpus: 1}}' });
  const version = async (deployment: Partial<Deployment>, changes: Parameters<typeof aConfig>[0] = {}) => {
    const both = { ...PLAIN, ...deployment };
    const plan = await makePlan(
      aConfig({
        dir,
        commit: 'v1',
        against: 'none',
        builds: { probe: { kind: 'image', image: 'probe:${commit}' } },
        deployments: { candidate: both, baseline: both },
        ...changes,
      }),
      context(),
    );
    return plan.stackVersion;
  };
  const none = await version({});
  t.equal(await version({ variant: 'single' }), none, 'an empty variant is what there was before');
  const autoscale = { service: 'probe', metric: 'memory' as const, target: 0.5, min: 1, max: 3, cooldownS: 15 };
  const versions = [
    none,
    await version({ replicas: { probe: 2 } }),
    await version({ replicas: { probe: 3 } }),
    await version({ compose: join(dir, 'a.yaml') }),
    await version({ compose: join(dir, 'b.yaml') }),
    await version({ balancer: BALANCER }),
    await version({ balancer: { ...BALANCER, sticky: 'none' } }),
    await version({ autoscale }),
    await version({}, { disturbances: [{ atS: 1, service: 'probe', kind: 'restart' }] }),
  ];
  t.equal(new Set(versions).size, versions.length);
  t.equal(await version({ variant: 'x', balancer: BALANCER }), versions[5], 'how it is called is none of it');
});
