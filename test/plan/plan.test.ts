import { join } from 'node:path';
import t from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import type { BrokerConfig } from '../../scripts/config/types.ts';
import { paths } from '../../scripts/core/paths.ts';
import {
  fillPromql,
  imageTag,
  laneOf,
  networkAlias,
  networkName,
  projectName,
  roundProject,
  shortCommit,
  sideNetwork,
  sideProject,
  sideTarget,
} from '../../scripts/engine/names.ts';
import { isAlive, processStart } from '../../scripts/engine/owner.ts';
import { cpuCount, planCpuSets } from '../../scripts/plan/cpusets.ts';
import { fingerprint } from '../../scripts/plan/host.ts';
import { makePlan } from '../../scripts/plan/plan.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';

t.test(
  'CPU sets are disjoint and cover every core where there are four or more; with fewer the services have theirs all the same',
  async (t) => {
    t.same(planCpuSets(1), { services: null, loadgen: null, metrics: null });
    t.same(planCpuSets(2), { metrics: null, loadgen: null, services: '1' });
    t.same(planCpuSets(3), { metrics: null, loadgen: null, services: '1-2' });
    t.same(planCpuSets(4), { metrics: '0', loadgen: '1', services: '2-3' });
    t.same(planCpuSets(8), { metrics: '0', loadgen: '1-2', services: '3-7' });
    t.same(planCpuSets(64), { metrics: '0-7', loadgen: '8-23', services: '24-63' });
    for (const cores of [4, 5, 7, 12, 96]) {
      const sets = planCpuSets(cores);
      t.equal(cpuCount(sets.metrics, cores) + cpuCount(sets.loadgen, cores) + cpuCount(sets.services, cores), cores);
    }
    t.equal(cpuCount(null, 6), 6);
  },
);

t.test('names of a run belong to it alone and are what Compose takes', async (t) => {
  t.equal(projectName('01JABC'), 'mayfly-01jabc');
  t.equal(sideProject('01JABC', 'baseline'), 'mayfly-01jabc-baseline');
  t.equal(networkName('01JABC', 'control'), 'mayfly-01jabc-control');
  t.match(sideProject('01JABC', 'candidate'), /^[a-z0-9][a-z0-9_-]*$/);
});

t.test('a round and the one after it share no name, so that both may be up', async (t) => {
  const plan = aPlan(['candidate', 'baseline']);
  t.same(
    [1, 2, 3, 4].map((round) => laneOf(round, 2)),
    [1, 0, 1, 0],
  );
  t.same(
    [1, 2, 3].map((round) => roundProject(plan, 'candidate', round)),
    ['mayfly-01testrun-candidate-1', 'mayfly-01testrun-candidate-0', 'mayfly-01testrun-candidate-1'],
  );
  t.same(
    [1, 2].map((round) => sideNetwork(plan, 'baseline', round)),
    ['mayfly-01testrun-baseline-1', 'mayfly-01testrun-baseline-0'],
  );
  t.not(networkAlias(1), networkAlias(2), 'nor do their load generators, in a network that both are in');
  const alone = {
    ...plan,
    lanes: 1,
    networks: { ...plan.networks, sides: { candidate: ['mayfly-01testrun-candidate'] } },
  };
  t.same(
    [roundProject(alone, 'candidate', 1), sideNetwork(alone, 'candidate', 1)],
    ['mayfly-01testrun-candidate', 'mayfly-01testrun-candidate'],
    'a run of one round needs but one of each',
  );
  t.match(roundProject(plan, 'candidate', 1), /^[a-z0-9][a-z0-9_-]*$/);
});

t.test('PromQL is filled with window and side', async (t) => {
  t.equal(
    fillPromql('rate(x{a="b",$selector}[$window])', 'baseline', 2, 12.5),
    'rate(x{a="b",side="baseline",round="2"}[12500ms])',
  );
});

t.test("a target is sent to the side's own name", async (t) => {
  t.equal(sideTarget('http://shop:8080', 'candidate'), 'http://shop.candidate:8080');
  t.equal(sideTarget('http://shop:8080/api/', 'baseline'), 'http://shop.baseline:8080/api');
});

t.test('an image tag is one whatever the commit is called', async (t) => {
  t.equal(imageTag('shop', 'shop', 'a'.repeat(40), '12345678'), `mayfly/shop-shop:${'a'.repeat(12)}-12345678`);
  t.equal(imageTag('caddy', 'caddy', 'v2.10.0', '12345678'), 'mayfly/caddy-caddy:v2.10.0-12345678');
  for (const commit of ['$(touch x)', '../..', '-rf', 'feature/ä', '...'])
    t.match(imageTag('b', 'i', commit, '12345678'), /^mayfly\/b-i:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, commit);
});

t.test('a commit is short for people', async (t) => {
  t.equal(shortCommit('a'.repeat(40)), 'a'.repeat(12));
  t.equal(shortCommit(`worktree-${'b'.repeat(40)}`), 'worktree-bbbbbbb');
  t.equal(shortCommit('v2.10.0'), 'v2.10.0');
});

t.test('the fingerprint changes with the CPU, the kernel and the engine, not with a few bytes of memory', async (t) => {
  const facts = { version: '20.10', cores: 2, memoryBytes: 24 * 2 ** 30, kernel: '6.18', os: 'Debian' };
  const id = fingerprint(facts, 'Xeon').id;
  t.equal(fingerprint({ ...facts, memoryBytes: facts.memoryBytes - 4096 }, 'Xeon').id, id);
  t.not(fingerprint({ ...facts, kernel: '6.19' }, 'Xeon').id, id);
  t.not(fingerprint({ ...facts, version: '28' }, 'Xeon').id, id);
  t.not(fingerprint(facts, 'EPYC').id, id);
});

t.test('a process is told from a later one with the same pid', async (t) => {
  const start = processStart(process.pid);
  t.match(start, /^\d+$/);
  t.ok(isAlive(process.pid, start!));
  t.notOk(isAlive(process.pid, '1'));
  t.notOk(isAlive(2 ** 22 + 1, start!));
  t.notOk(isAlive(0, ''));
});

t.test('how two sides meet is what was asked for; one side is alone', async (t) => {
  const dir = t.testdir({});
  const ctx = {
    paths: paths(join(import.meta.dirname, '../..'), {}),
    newRunId: () => '01TESTRUN',
    now: () => 0,
    machine: {
      engine: { version: '20.10', cores: 2, memoryBytes: 24 * 2 ** 30, kernel: '6.18', os: 'Debian' },
      images: {},
    },
  } as unknown as Context;
  const planned = (pairing: 'auto' | 'interleaved' | 'alternating', against = 'v2') =>
    makePlan(
      aConfig({
        dir,
        commit: 'v1',
        against,
        builds: { probe: { kind: 'image', image: 'probe:${commit}' } },
        comparison: { pairing, min: 6, fixed: 3 },
      }),
      ctx,
    );
  const comparison = { design: 'fixed', min: 3, max: 3 };
  for (const [asked, pairing] of [
    ['auto', 'interleaved'],
    ['interleaved', 'interleaved'],
    ['alternating', 'alternating'],
  ] as const) {
    const plan = await planned(asked);
    t.match(plan, { pairing, lanes: 2, comparison, sides: [{ commit: 'v1' }, { commit: 'v2' }] }, asked);
  }
  t.match(await planned('alternating', 'none'), { pairing: 'solo', comparison: undefined, sides: [{ commit: 'v1' }] });
});

t.test(
  'a broker and traces: exactly their images are got, and they are of the stack of this benchmark alone',
  async (t) => {
    const dir = t.testdir({ 'broker.yaml': 'services: {}' });
    const asked: string[][] = [];
    const ctx = {
      paths: paths(join(import.meta.dirname, '../..'), {}),
      newRunId: () => '01TESTRUN',
      now: () => 0,
      machine: {
        engine: { version: '20.10', cores: 2, memoryBytes: 24 * 2 ** 30, kernel: '6.18', os: 'Debian' },
        images: { prometheus: { ref: 'prom:1', id: 'sha256:p', source: 'present' } },
      },
      obtainImages: async (names: string[]) => {
        asked.push(names);
        return Object.fromEntries(
          names.map((name) => [name, { ref: `${name}:1`, id: `sha256:${name}`, source: 'built' }]),
        );
      },
    } as unknown as Context;
    const planned = (changes: Parameters<typeof aConfig>[0] = {}) =>
      makePlan(
        aConfig({
          dir,
          commit: 'v1',
          against: 'none',
          builds: { probe: { kind: 'image', image: 'probe:${commit}' } },
          ...changes,
        }),
        ctx,
      );
    const broker: BrokerConfig = {
      kind: 'nats',
      file: join(dir, 'broker.yaml'),
      url: 'nats://broker:4222',
      triggers: [],
      services: ['probe'],
      drainS: 30,
      notDrained: 'invalid',
      recordsBytes: 2 ** 20,
    };
    const traces = { sampling: 0.1, keep: 20 };

    const none = await planned();
    t.same(asked, [], 'none is asked for where none is named');
    t.match(none, { ownImages: {}, stackImages: { length: 1 } });
    t.notOk(none.networks.traces);

    const both = await planned({ broker, traces });
    t.same(asked, [['nats', 'trigger', 'zipkin']]);
    t.same(both.ownImages, { nats: 'nats:1', trigger: 'trigger:1', zipkin: 'zipkin:1' });
    t.same(
      both.stackImages.map(({ id }) => id),
      ['sha256:p', 'sha256:nats', 'sha256:trigger', 'sha256:zipkin'],
      'the record of the run has them',
    );
    t.equal(both.networks.traces, 'mayfly-01testrun-traces');

    asked.length = 0;
    await planned({ broker: { ...broker, kind: 'own.yaml' } });
    await planned({ broker: { ...broker, kind: 'rabbitmq' } });
    await planned({ traces });
    t.same(asked, [['trigger'], ['rabbitmq', 'trigger'], ['zipkin']]);

    const version = async (changes: Parameters<typeof aConfig>[0]) => (await planned(changes)).stackVersion;
    t.equal(await version({}), none.stackVersion);
    const versions = [
      none.stackVersion,
      await version({ traces }),
      await version({ traces: { ...traces, sampling: 1 } }),
      await version({ broker }),
      await version({ broker: { ...broker, kind: 'rabbitmq' } }),
      await version({ broker: { ...broker, drainS: 60 } }),
      await version({ logFormat: 'json' }),
    ];
    t.equal(new Set(versions).size, versions.length, 'what is measured with them is another stack');
    t.equal(await version({ traces: { ...traces, keep: 5 } }), versions[1], 'how many are kept is none of it');
  },
);
