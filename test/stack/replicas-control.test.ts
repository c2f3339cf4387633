/** What is done to replicas, on an engine that is none: what is told of them, and that nothing is left behind. */
import t from 'tap';
import { controlReplicas } from '../../scripts/stack/replicas.ts';
import type { SideContainer } from '../../scripts/stack/run-stack.ts';
import type { Slots } from '../../scripts/stack/slots.ts';

interface Made {
  /** Answers of the engine for containers, by id. */
  states?: Record<string, Record<string, unknown>>;
  slots?: Partial<Slots>;
  readyTimeoutS?: number;
}

function aControl({ states = {}, slots, readyTimeoutS = 1 }: Made = {}) {
  const called: string[] = [];
  const created = Promise.withResolvers<string>();
  const well = {
    running: true,
    status: 'running',
    exitCode: 0,
    health: 'healthy',
    labels: {},
    oomKilled: false,
    restartCount: 0,
    startError: '',
    pid: 0,
  };
  const call = (name: string) => async (id: string) => void called.push(`${name} ${id}`);
  const engine = {
    inspect: async (id: string) => ({ ...well, id, name: id, probe: null, ...states[id] }),
    describe: async (id: string) => ({
      Id: `${id}-0123456789`,
      Name: `/p-${id}`,
      Image: 'sha256:old',
      Config: { Hostname: 'h', Env: [], Labels: { 'com.docker.compose.project': 'p' } },
      HostConfig: {},
      NetworkSettings: { Networks: { net: { Aliases: [], IPAddress: '10.0.0.7' } } },
    }),
    imageDefaults: async () => ({}),
    createFrom: (name: string, body: { Image: string }) => (
      called.push(`create ${name} ${body.Image}`), created.promise
    ),
    logs: async () => ({ all: 'cannot bind\n' }),
    start: call('start'),
    stop: call('stop'),
    kill: call('kill'),
    wait: async () => 137,
    pause: call('pause'),
    unpause: call('unpause'),
  };
  const containers = ['one', 'two'].map((id, i) => ({
    ...well,
    id,
    name: `p-${id}`,
    side: 'candidate',
    service: 'api',
    replica: i + 1,
    counted: null,
  })) as unknown as SideContainer[];
  const followed: string[][] = [];
  const following = { now: 0, most: 0 };
  const abort = new AbortController();
  const told = (name: string) => async (id: string) => (called.push(`${name} ${id}`), 0);
  const around = {
    slotOf: (id: string) => `slot-${id}`,
    put: async (id: string, address: string) => (called.push(`put ${id} ${address}`), true),
    ready: async (id: string, address: string) => (called.push(`ready ${id} ${address}`), true),
    maintain: told('maintain'),
    leave: (id: string) => void called.push(`leave ${id}`),
    bury: async () => void called.push('bury'),
    ...slots,
  } as unknown as Slots;
  const replicas = controlReplicas(
    {
      containers,
      balancers: slots ? new Map([['candidate', { service: 'api', slots: around }]]) : new Map(),
      of: (side) => ({
        document: { services: { api: { image: `api:${side}` } } },
        commit: `commit of ${side}`,
        network: 'net',
      }),
      readyTimeoutS,
      follow: async (there) => {
        following.most = Math.max(following.most, ++following.now);
        await new Promise(setImmediate);
        followed.push(there.map(({ id }) => id));
        following.now--;
      },
      signal: abort.signal,
    },
    { engine: engine as never, now: () => 0 },
  );
  return {
    replicas,
    called,
    created,
    containers,
    followed,
    following,
    abort,
    own: () => replicas.of('candidate', 'api'),
  };
}

t.test('without a balancer: killed, paused, started anew', async (t) => {
  const { replicas, called, own, followed } = aControl();
  t.match(own(), [{ replica: 1, slot: null, commit: 'commit of candidate' }, { replica: 2 }]);
  const [one, two] = own();
  await replicas.pause(one!);
  t.same(
    own().map(({ id }) => id),
    ['two'],
    'a paused one takes no request',
  );
  await replicas.unpause(one!);
  await replicas.restart(one!, 7);
  await replicas.kill(two!);
  t.same(called, ['pause one', 'unpause one', 'stop one', 'start one', 'kill two']);
  t.same(
    own().map(({ id }) => id),
    ['one'],
  );
  t.same(followed, [['one']], 'Prometheus misses nobody');
  t.same([...replicas.touched], ['one', 'two']);
});

t.test('one less: no new request first, then its end, then its slot is free', async (t) => {
  const { replicas, called, own } = aControl({ slots: {}, states: { one: { exitCode: 137 }, two: { exitCode: 0 } } });
  const [one, two] = own();
  t.match(await replicas.stop(one!), { exitCode: 137, killed: true });
  t.same(called, ['maintain one', 'stop one', 'leave one']);
  called.length = 0;
  await replicas.drain(two!, 5);
  t.match(await replicas.stop(two!), { exitCode: 0, killed: false });
  t.same(called, ['maintain two', 'stop two', 'leave two'], 'that it is drained is known');
});

t.test("one more, of the other side's commit", async (t) => {
  const { replicas, called, created, own, followed } = aControl({ slots: {} });
  created.resolve('three');
  t.match(await replicas.add('candidate', 'api', 'baseline'), { id: 'three', replica: 3, slot: 'slot-three' });
  t.same(called, ['create p-api-3 api:baseline', 'bury', 'start three', 'put three 10.0.0.7']);
  t.equal(own().length, 3);
  t.same(followed, [['one', 'two', 'three']]);
});

t.test(
  'one more that does not start, or that the balancer does not find well, is told of and takes no request',
  async (t) => {
    const ends = aControl({
      slots: {},
      states: { three: { running: false, status: 'exited', exitCode: 3, health: null } },
    });
    ends.created.resolve('three');
    await t.rejects(ends.replicas.add('candidate', 'api'), {
      message:
        /^a new replica of api of candidate ended with exit code 3\n {2}three: ended with exit code 3\n {4}the last lines of its log:\n {6}cannot bind$/,
      hint: 'The replicas before it have started. npm run logs has what this one has written.',
    });
    t.equal(ends.own().length, 2);
    t.ok(ends.replicas.touched.has('three'), 'whoever has added it says so');

    const never = aControl({ readyTimeoutS: 0, states: { three: { health: 'starting' } } });
    never.created.resolve('three');
    await t.rejects(never.replicas.add('candidate', 'api'), {
      message: /^a new replica of api of candidate did not become healthy in 0 s\n/,
    });

    const unseen = aControl({ slots: { put: async () => false } });
    unseen.created.resolve('three');
    await t.rejects(unseen.replicas.add('candidate', 'api'), {
      message: 'the balancer does not find a replica of api of candidate well in 15 s, though it is healthy',
      hint: 'Does balancer/health in benchmark.yaml answer 200 as soon as the service is healthy?',
    });
  },
);

t.test(
  'one that is started anew: its address may be that of a dead one; one that does not get well is named',
  async (t) => {
    const { replicas, called, own } = aControl({ slots: {} });
    await replicas.kill(own()[0]!);
    await replicas.restart(own()[0]!);
    t.same(called, ['kill one', 'leave one', 'stop two', 'bury', 'start two', 'ready two 10.0.0.7']);

    const never = aControl({ readyTimeoutS: 0, states: { one: { health: 'starting' } } });
    await t.rejects(never.replicas.restart(never.own()[0]!), {
      message: /^api-1 of candidate, started anew, did not become healthy in 0 s\n/,
      hint: 'Does its health check succeed a second time? A file that says that the service was well outlives a restart, unless it lies in /dev/shm. npm run logs has what it has written.',
    });
    t.same(
      never.own().map(({ id }) => id),
      ['two'],
    );
  },
);

t.test('Prometheus is told by one after the other, though both sides are at it', async (t) => {
  const { replicas, own, followed, following } = aControl();
  const [one, two] = own();
  const [first, second] = [replicas.kill(one!), replicas.kill(two!)];
  await Promise.all([first, second]);
  t.equal(following.most, 1);
  t.same(followed.at(-1), [], 'who comes last knows most');
});

t.test('an interrupt in the middle: nothing is started after it, and whoever takes the round down waits', async (t) => {
  const { replicas, called, created, abort } = aControl();
  const added = replicas.add('candidate', 'api');
  added.catch(() => {});
  await replicas.pause(replicas.of('candidate', 'api')[0]!);
  abort.abort(new Error('interrupted'));
  let closed = false;
  const closing = replicas.close().then(() => (closed = true));
  await new Promise(setImmediate);
  t.equal(closed, false, 'the engine is still making a container');
  created.resolve('three');
  await closing;
  await t.rejects(added, { message: 'interrupted' });
  t.notOk(called.includes('start three'));
  t.equal(called.at(-1), 'unpause one', 'what is paused ends at no signal');
  await t.rejects(replicas.add('candidate', 'api'), { message: 'interrupted' });
});
