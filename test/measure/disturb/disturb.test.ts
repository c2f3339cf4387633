/** What is done to replicas in the window, and what is said of it. */
import t from 'tap';
import type { Disturbance } from '../../../scripts/config/types.ts';
import { InfrastructureError } from '../../../scripts/core/errors.ts';
import { disturb } from '../../../scripts/measure/disturb/disturb.ts';
import { interfacesOf } from '../../../scripts/measure/disturb/network.ts';
import { stopWords } from '../../../scripts/measure/disturb/rolling-update.ts';
import { fakeReplicas, type Laid } from './fake.ts';

const rolling = (to: 'own' | 'candidate' = 'own'): Disturbance => ({
  atS: 0,
  service: 'api',
  kind: 'rolling-update',
  to,
  drainS: 10,
});

async function one(wanted: Disturbance, laid: Laid = {}) {
  const fake = fakeReplicas(laid);
  const [done] = await disturb([wanted], fake.around);
  return { ...fake, done: done!, whats: done!.actions.map(({ what }) => what) };
}

t.test('a rolling update: one more, then one less, until none of the old ones is there', async (t) => {
  const { log, done, whats } = await one(rolling());
  t.same(log, ['add 3 of candidate', 'drain 1 for 10', 'stop 1', 'add 4 of candidate', 'drain 2 for 10', 'stop 2']);
  t.same(whats, [
    'api-3 of cccccccccccc is healthy and takes requests',
    'api-1 is drained after 0.2s',
    'api-1 is stopped (1 of 2)',
    'api-4 of cccccccccccc is healthy and takes requests',
    'api-2 is drained after 0.2s',
    'api-2 is stopped (2 of 2)',
  ]);
  t.equal(done.failure, undefined);
  t.equal(done.why, undefined);
  t.ok(done.ended_s >= done.at_s);
});

t.test('none is unavailable, and the surge is one, for any number of replicas', async (t) => {
  for (const count of [1, 2, 5]) {
    const fake = fakeReplicas({ count });
    await disturb([rolling()], fake.around);
    t.same([fake.least, fake.most], [count, count + 1], `${count} replicas`);
    t.ok(fake.serving.every(({ replica }) => replica > count));
  }
});

t.test('one that is lost meanwhile is made up for before another one is stopped', async (t) => {
  let lost = false;
  const { log } = await one(rolling(), {
    on: (step, fake) => {
      if (step !== 'add 3 of candidate' || lost) return;
      lost = true;
      fake.serving = fake.serving.filter(({ replica }) => replica !== 2);
    },
  });
  t.same(log.slice(0, 3), ['add 3 of candidate', 'add 4 of candidate', 'drain 1 for 10']);
});

t.test('to the candidate: the baseline gets replicas of the candidate, so both serve at once', async (t) => {
  const baseline = await one(rolling('candidate'), { side: 'baseline' });
  t.same(baseline.log[0], 'add 3 of candidate');
  t.equal(baseline.whats[0], 'api-3 of cccccccccccc is healthy and takes requests');
  const candidate = await one(rolling('candidate'));
  t.same(candidate.log[0], 'add 3 of candidate');
  const own = await one(rolling(), { side: 'baseline' });
  t.equal(own.whats[0], 'api-3 of bbbbbbbbbbbb is healthy and takes requests');
});

t.test('why requests are lost at the end of a replica', async (t) => {
  const ignored = await one(rolling(), {
    count: 1,
    left: { 1: 3 },
    stopped: { exitCode: 137, killed: true, seconds: 2 },
  });
  t.equal(
    ignored.done.why,
    'api-1 ignored SIGTERM for 2.0s and was killed; 3 requests were under way when it was told to end: does an init process or a shell swallow the signal?',
  );
  t.match(ignored.whats, [
    'api-2 of cccccccccccc is healthy and takes requests',
    /^api-1 still has 3 requests under way after 0.2s of drain$/,
    'api-1 is stopped (1 of 1)',
  ]);
  const words = (exitCode: number, left: number | null, killed = false) =>
    stopWords('api-1', { exitCode, killed, seconds: 2 }, left);
  t.equal(words(0, 0), null);
  t.equal(words(0, 2), null, 'it waited for them');
  t.equal(words(143, 0), null, 'nothing was under way');
  t.equal(
    words(143, 1),
    'api-1 ended on SIGTERM at once, after 2.0s, though 1 request was under way: it has no handler of the signal that waits for them, or a shell before it has none',
  );
  t.equal(words(1, 2), 'api-1 ended on SIGTERM with exit code 1; 2 requests were under way when it was told to end');
  t.equal(
    words(137, null, true),
    'api-1 ignored SIGTERM for 2.0s and was killed: does an init process or a shell swallow the signal?',
  );
  t.equal(
    words(143, null),
    'api-1 ended on SIGTERM at once, after 2.0s: it has no handler of the signal that waits for them, or a shell before it has none',
  );
});

t.test('kill, restart and pause are of the replica that has been there for longest', async (t) => {
  const killed = await one({ atS: 0, service: 'api', kind: 'kill-replica' });
  t.same(killed.log, ['kill 1']);
  t.same(killed.whats, ['api-1 was killed']);
  t.equal(killed.done.why, 'api-1 was killed, with what it had under way');
  const restarted = await one({ atS: 0, service: 'api', kind: 'restart' });
  t.same(restarted.log, ['restart 1']);
  t.same(restarted.whats, ['api-1 is told to end', 'api-1 takes requests again, 1.5s after it was told to end']);
  const paused = await one({ atS: 0, service: 'api', kind: 'pause', forS: 0.05 });
  t.same(paused.log, ['pause 1', 'unpause 1']);
  t.same(paused.whats, ['api-1 is paused', 'api-1 goes on']);
  t.ok(paused.done.ended_s - paused.done.at_s >= 0.045);
});

t.test('each begins at its time, whatever the others do', async (t) => {
  const fake = fakeReplicas();
  const [second, first] = await disturb(
    [
      { atS: 0.15, service: 'api', kind: 'kill-replica' },
      { atS: 0.02, service: 'api', kind: 'pause', forS: 0.3 },
    ],
    fake.around,
  );
  t.same(fake.log, ['pause 1', 'kill 1', 'unpause 1']);
  t.ok(first!.at_s >= 0.019 && second!.at_s >= 0.149);
});

t.test('what could not be carried out is said', async (t) => {
  const failing = await one(rolling(), {
    on: () => {
      throw new Error('a new replica of api of candidate did not become healthy in 30 s');
    },
  });
  t.equal(failing.done.failure, 'a new replica of api of candidate did not become healthy in 30 s');
  t.equal(failing.done.why, `it could not be carried out: ${failing.done.failure}`);
  const long = await one(rolling(), {
    on: () => {
      throw new InfrastructureError('a new replica ended with exit code 3\n  its log is empty', {
        hint: 'See its log.',
      });
    },
  });
  t.equal(long.done.failure, 'a new replica ended with exit code 3 (See its log.)', 'in one line');
  const none = await one({ atS: 0, service: 'api', kind: 'kill-replica' }, { count: 0 });
  t.equal(none.done.failure, 'no replica of api takes requests');
  t.equal((await one(rolling(), { count: 0 })).done.failure, 'no replica of api takes requests');
});

t.test('the end of the load ends all: what was not yet begun, and what goes on, which is undone', async (t) => {
  const waiting = fakeReplicas();
  const never = disturb([{ ...rolling(), atS: 600 }], waiting.around);
  waiting.end();
  t.equal((await never)[0]!.failure, 'the load ended before its time');
  t.same(waiting.log, []);
  const going = fakeReplicas({ on: (step, fake) => void (step === 'pause 1' && fake.end()) });
  const [cut] = await disturb([{ atS: 0, service: 'api', kind: 'pause', forS: 600 }], going.around);
  t.equal(cut!.failure, 'the load ended before it was over');
  t.same(going.log, ['pause 1', 'unpause 1']);
  const half = fakeReplicas({ on: (step, fake) => void (step === 'stop 1' && fake.end()) });
  t.equal((await disturb([rolling()], half.around))[0]!.failure, 'the load ended before it was over');
  t.equal(half.log.at(-1), 'stop 1');
});

const pressure: Disturbance = { atS: 0, service: 'api', kind: 'memory-pressure', forS: 3, bytes: 200 * 2 ** 20 };

t.test('memory is taken within the container', async (t) => {
  const asked: unknown[] = [];
  const { whats, done } = await one(pressure, {
    exec: async (...args) => (asked.push(args), { exitCode: 0, stdout: '', stderr: '' }),
  });
  t.same(asked, [['id-1', ['sh', '-c', '{ head -c 209715200 /dev/zero && sleep 3; } | tail > /dev/null']]]);
  t.same(whats, ['210 MB are taken in api-1', 'the memory in api-1 is free again']);
  t.equal(done.why, undefined);
});

t.test('memory that cannot be taken', async (t) => {
  const failure = async (exitCode: number, stderr = '', more: Laid = {}) =>
    (await one(pressure, { exec: async () => ({ exitCode, stdout: '', stderr }), ...more })).done;
  t.equal(
    (await failure(137)).failure,
    'the kernel ended what took 210 MB in api-1: they do not fit beside the service within its memory limit',
  );
  t.equal(
    (await failure(127, 'sh: tail: not found')).failure,
    'api-1 has no program to take memory with: its image needs sh, head, tail and sleep (sh: tail: not found)',
  );
  t.equal((await failure(2)).failure, 'what takes memory in api-1 ended with exit code 2');
  const ended = await failure(137, '', { running: false, oomKilled: true });
  t.equal(ended.failure, undefined, 'that is what it caused');
  t.equal(ended.why, 'api-1 ended under the pressure, out of memory');
});

const DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
  eth0:    1210      13    0    0    0     0          0         0        0       0    0    0    0     0       0          0
`;

t.test('delay and loss: netem on what every replica sends, and away again', async (t) => {
  t.same(interfacesOf(DEV), ['eth0']);
  const ran: string[] = [];
  const network = {
    run: async (argv: readonly string[]) => (ran.push(argv.join(' ')), { exitCode: 0, stderr: '' }),
    devices: async () => DEV,
  };
  const delay = await one({ atS: 0, service: 'api', kind: 'network-delay', forS: 0.01, delayS: 0.05 }, { network });
  t.same(ran.splice(0), [
    'nsenter --target=101 --net tc qdisc add dev eth0 root netem delay 50000us',
    'nsenter --target=102 --net tc qdisc add dev eth0 root netem delay 50000us',
    'nsenter --target=101 --net tc qdisc del dev eth0 root',
    'nsenter --target=102 --net tc qdisc del dev eth0 root',
  ]);
  t.same(delay.whats, ['what api-1, api-2 send is late by 50.0 ms', 'the network of api-1, api-2 is as before']);
  const loss = await one(
    { atS: 0, service: 'api', kind: 'network-loss', forS: 0.01, loss: 0.02 },
    { network, count: 1 },
  );
  t.equal(ran[0], 'nsenter --target=101 --net tc qdisc add dev eth0 root netem loss 2%');
  t.equal(loss.whats[0], 'what api-1 sends is lost, 2.00 % of the packets');
  const refused = await one(
    { atS: 0, service: 'api', kind: 'network-loss', forS: 0.01, loss: 0.02 },
    { network: { ...network, run: async () => ({ exitCode: 2, stderr: 'RTNETLINK answers: No such file\n' }) } },
  );
  t.equal(refused.done.failure, 'tc of api-1 ended with exit code 2 (RTNETLINK answers: No such file)');
});
