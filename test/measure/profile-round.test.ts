/** A profile round that fails harms nothing; with real containers it is proved in test/stories/telemetry.test.ts. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import { Interrupted } from '../../scripts/core/errors.ts';
import { profileRound } from '../../scripts/measure/profile-round.ts';
import type { Stack } from '../../scripts/stack/run-stack.ts';
import { openStore } from '../../scripts/store/db.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';
import { makeComparison } from '../run-document.ts';

type Profile = 'cpu' | undefined;
function setUp(t: Test, profile: Profile, pairing: 'interleaved' | 'alternating' = 'interleaved') {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const run = { ...makeComparison(1.1), pairing, notes: ['said before'] };
  store.addRun(run);
  const telemetry = [{ service: 'shop', folder: '/telemetry', bytes: 2 ** 26, ...(profile ? { profile } : {}) }];
  const plan = {
    ...aPlan(['candidate', 'baseline'], { config: aConfig({ telemetry }) }),
    runId: run.run_id,
    dir: t.testdirName,
  };
  const said: string[] = [];
  const started: string[] = [];
  const ending = new AbortController();
  const step = (title: string) => {
    started.push(title);
    return { update: () => {}, done: () => {}, fail: () => {} };
  };
  const fails = async () => {
    throw new Error('no room for it\nmore of it');
  };
  const stack = {
    built: { plan },
    signal: ending.signal,
    startSides: fails,
  } as unknown as Stack;
  const ctx = {
    store,
    machine: { images: { node: { ref: 'node' } } },
    paths: { root: t.testdirName },
    engine: { create: fails },
    progress: { step, warn: (line: string) => void said.push(line), info: () => {} },
  } as unknown as Context;
  const rounds = JSON.stringify(run.rounds);
  const unharmed = () => t.equal(JSON.stringify(store.run(run.run_id).rounds), rounds, 'the rounds are what they were');
  return { stack, ctx, store, run, said, started, ending, unharmed };
}

t.test('nothing is started where no profile is asked for', async (t) => {
  const { stack, ctx, started, unharmed } = setUp(t, undefined);
  await profileRound(stack, ctx);
  t.same(started, []);
  unharmed();
});

t.test('what fails is told and kept as a note', async (t) => {
  const { stack, ctx, store, run, said, started, unharmed } = setUp(t, 'cpu');
  await profileRound(stack, ctx);
  t.same(started, ['profile round, which does not count']);
  t.same(said, ['there is no profile: no room for it']);
  t.same(store.run(run.run_id).notes, ['said before', 'there is no profile: no room for it']);
  t.notOk(store.run(run.run_id).profiles);
  unharmed();
});

t.test('sides that are too much at once are profiled one after the other', async (t) => {
  const { stack, ctx, started } = setUp(t, 'cpu', 'alternating');
  await profileRound(stack, ctx);
  t.same(started, ['profile round of candidate, which does not count']);
});

t.test('an interrupt ends the run', async (t) => {
  const { stack, ctx, store, run, said, ending, unharmed } = setUp(t, 'cpu');
  ending.abort(new Interrupted('SIGINT'));
  await t.rejects(profileRound(stack, ctx), ending.signal.reason);
  t.same(said, []);
  t.same(store.run(run.run_id).notes, ['said before']);
  unharmed();
});
