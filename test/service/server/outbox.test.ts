import t, { type Test } from 'tap';
import { type Sender, sendWaiting } from '../../../scripts/service/server/outbox.ts';
import { SendError } from '../../../scripts/service/tell/send-error.ts';
import { openStore } from '../../../scripts/store/db.ts';
import { makeContext } from './deliveries.ts';

const MINUTE = 60_000;
const down = () => new SendError('unavailable', 'the network is down');
const refusal = (status: number) => new SendError('refused', `status ${status}`, { status });

/** A store, a clock, and a receiver that takes everything until `fail` says otherwise. */
function setUp(t: Test) {
  const ctx = makeContext(t);
  const got: string[] = [];
  let tries = 0;
  const state: { fail: ((subject: string) => Error | undefined) | undefined } = { fail: undefined };
  const receiver: Sender = async ({ channel, subject, wanted }) => {
    tries++;
    const error = state.fail?.(subject);
    if (error) throw error;
    got.push(`${channel} ${subject}: ${wanted}`);
    return { remoteId: `id of ${subject}` };
  };
  return {
    ctx,
    got,
    state,
    receiver,
    outbox: ctx.store.outbox,
    want: (subject: string, wanted: string, channel = 'a') => ctx.store.outbox.want(channel, subject, wanted),
    turn: (senders = { a: receiver, b: receiver } as Record<string, Sender>) => sendWaiting(ctx, senders),
    pass: (ms: number) => void (ctx.clock.now += ms),
    tries: () => tries,
  };
}

t.test('what is wanted goes out once, and of many states only the newest', async (t) => {
  const { want, turn, got, outbox } = setUp(t);
  want('1', 'old');
  want('1', 'new');
  want('2', 'x');
  want('3', 'y', 'unknown');
  await turn();
  await turn();
  t.strictSame(got, ['a 1: new', 'a 2: x']);
  t.match(outbox.message('a', '1'), { sent: 'new', remote_id: 'id of 1' });
  t.equal(outbox.message('unknown', '3')!.sent, undefined, 'what nobody can send waits');
  want('1', 'newer');
  want('1', 'new');
  await turn();
  t.equal(got.length, 2, 'back to what was sent is nothing to send');
});

t.test('what changes while it is sent is sent again', async (t) => {
  const { want, turn, receiver, got } = setUp(t);
  want('1', 'first');
  want('2', 'first');
  const sender: Sender = (message) => {
    if (message.subject === '1' && message.wanted === 'first') {
      want('1', 'second');
      want('2', 'second');
    }
    return receiver(message);
  };
  await turn({ a: sender });
  t.strictSame(got, ['a 1: first', 'a 2: second']);
  await turn({ a: sender });
  t.strictSame(got.slice(2), ['a 1: second']);
});

t.test('the next state of a subject waits as long as its sender says', async (t) => {
  const { want, turn, pass, receiver, got, ctx } = setUp(t);
  const sender: Sender = async (message) => ({ ...(await receiver(message)), notBefore: ctx.now() + 15_000 });
  for (const state of ['1 round', '2 rounds', '3 rounds', '4 rounds']) {
    want('job', state);
    await turn({ a: sender });
    pass(8000);
  }
  t.strictSame(got, ['a job: 1 round', 'a job: 3 rounds']);
  pass(8000);
  await turn({ a: sender });
  t.strictSame(got.at(-1), 'a job: 4 rounds');
});

t.test(
  'out of reach: pauses double up to 15 minutes, the other channel goes on, nothing is lost, and it is said once',
  async (t) => {
    const { want, turn, pass, got, state, tries, ctx } = setUp(t);
    state.fail = (subject) => (subject === 'other' ? undefined : down());
    for (let i = 0; i < 50; i++) want(`job ${i}`, 'ended');
    want('other', 'x', 'b');
    await turn();
    t.strictSame(got, ['b other: x']);
    t.equal(tries(), 2, 'one failure is enough for a turn');
    const attempts: number[] = [];
    for (let second = 0; second < 3 * 3600; second += 5) {
      const before = tries();
      await turn();
      if (tries() > before) attempts.push(second);
      pass(5000);
    }
    const gaps = attempts.slice(1).map((second, i) => second - attempts[i]!);
    t.strictSame(gaps.slice(0, 8), [10, 20, 40, 80, 160, 320, 640, 900], 'after the first pause of 5 s');
    t.ok(
      gaps.slice(8).every((gap) => gap === 900),
      gaps.join(),
    );
    t.equal(ctx.lines.length, new Set(ctx.lines).size, 'each message once in the log');
    state.fail = undefined;
    pass(15 * MINUTE);
    await turn();
    pass(15 * MINUTE);
    await turn();
    t.equal(got.length, 51, 'all are there');
  },
);

t.test('one that fails alone does not hold up the others', async (t) => {
  const { want, turn, pass, got, state } = setUp(t);
  state.fail = (subject) => (subject === '0' ? down() : undefined);
  for (const subject of ['0', '1', '2']) want(subject, 'x');
  for (let i = 0; i < 60; i++) {
    await turn();
    pass(2000);
  }
  t.strictSame(got, ['a 1: x', 'a 2: x']);
});

t.test('a limit keeps the whole channel silent until it is lifted, over a restart, too', async (t) => {
  const { want, turn, pass, got, state, tries, ctx, receiver } = setUp(t);
  const until = ctx.now() + 40 * MINUTE;
  state.fail = () => new SendError('rate-limited', 'too much', { retryAtMs: until, status: 403 });
  want('1', 'x');
  want('2', 'x');
  await turn();
  want('3', 'x');
  const restarted = openStore(ctx.file);
  t.teardown(() => restarted.close());
  for (let i = 0; i < 39; i++) {
    pass(MINUTE);
    await sendWaiting({ ...ctx, store: restarted }, { a: receiver });
  }
  t.equal(tries(), 1);
  state.fail = undefined;
  pass(MINUTE);
  await turn();
  t.strictSame(got.toSorted(), ['a 1: x', 'a 2: x', 'a 3: x']);
});

t.test('refused: kept with its error, said once, and tried again only when something else is wanted', async (t) => {
  const { want, turn, pass, got, state, tries, ctx, outbox } = setUp(t);
  state.fail = (subject) => (subject === '1' ? refusal(422) : undefined);
  want('1', 'wrong');
  want('2', 'x');
  for (let i = 0; i < 20; i++) {
    await turn();
    pass(MINUTE);
  }
  t.strictSame(got, ['a 2: x'], 'the others go on');
  t.equal(tries(), 2);
  t.match(outbox.message('a', '1'), { error: 'status 422', wanted: 'wrong' });
  t.strictSame(ctx.lines, ['a 1 could not be sent: status 422']);
  want('1', 'wrong too');
  await turn();
  t.equal(tries(), 3, 'at once');
  state.fail = undefined;
  want('1', 'right');
  await turn();
  t.strictSame(got.slice(1), ['a 1: right']);
  t.equal(outbox.message('a', '1')!.error, undefined);
});

for (const status of [401, 403, 404]) {
  t.test(`refused with ${status}, because of who asks: goes out once that is fixed`, async (t) => {
    const { want, turn, pass, got, state, ctx, tries } = setUp(t);
    state.fail = () => refusal(status);
    want('1', 'x');
    for (let i = 0; i < 120; i++) {
      await turn();
      pass(MINUTE);
    }
    t.ok(tries() > 5 && tries() < 20, `${tries()} tries in two hours`);
    t.equal(ctx.lines.length, 1);
    state.fail = undefined;
    pass(15 * MINUTE);
    await turn();
    t.strictSame(got, ['a 1: x']);
  });
}

t.test('a permission that nobody gives is not asked for without end', async (t) => {
  const { want, turn, pass, state, tries } = setUp(t);
  state.fail = () => refusal(403);
  want('1', 'x');
  for (let i = 0; i < 1000; i++) {
    await turn();
    pass(15 * MINUTE);
  }
  t.equal(tries(), 301);
});

t.test('a fault of a sender ends neither the turn nor the message', async (t) => {
  const { want, turn, pass, got, state, ctx } = setUp(t);
  state.fail = (subject) => (subject === '1' ? new TypeError('x is not a function') : undefined);
  want('1', 'x');
  want('2', 'x', 'b');
  await turn();
  t.strictSame(got, ['b 2: x']);
  t.match(ctx.lines, ['a 1 could not be sent: x is not a function']);
  state.fail = undefined;
  pass(5000);
  await turn();
  t.equal(got.length, 2);
});

t.test('pauses that a wrong clock has written are not waited for', async (t) => {
  const { want, turn, pass, got, state } = setUp(t);
  pass(10 * 365 * 24 * 60 * MINUTE);
  state.fail = down;
  want('1', 'x');
  await turn();
  pass(-10 * 365 * 24 * 60 * MINUTE);
  state.fail = undefined;
  await turn();
  t.strictSame(got, ['a 1: x']);
});

t.test('it ends between two messages', async (t) => {
  const { want, ctx, receiver, got } = setUp(t);
  const end = new AbortController();
  for (const subject of ['1', '2', '3']) want(subject, 'x');
  const sender: Sender = (message) => {
    if (message.subject === '2') end.abort();
    return receiver(message);
  };
  await sendWaiting({ ...ctx, signal: end.signal }, { a: sender });
  t.strictSame(got, ['a 1: x', 'a 2: x']);
  t.equal(ctx.store.outbox.message('a', '2')!.sent, 'x', 'what was sent is written down');
});
