import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { verdictMarkdown } from '../../scripts/report/markdown.ts';
import { grownLines } from '../../scripts/report/profile-text.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import { openStore } from '../../scripts/store/db.ts';
import { readProfiles } from '../../scripts/telemetry/run-profiles.ts';
import { unpackTree } from '../../scripts/telemetry/stacks.ts';
import { compared } from '../service/server/site-store.ts';
import { cpuProfile, profileFiles, stacksOf } from './stacks.ts';

const BEFORE = { 'main a.js:1;fast a.js:5': 900, 'main a.js:1;slow a.js:9': 100 };
const AFTER = { 'main a.js:3;fast a.js:7': 700, 'main a.js:3;slow a.js:11': 300 };

t.test('files of both sides become stacks and changes; one that cannot be read is named', async (t) => {
  const folder = t.testdir();
  const files = profileFiles(folder, 'shop', { candidate: [AFTER, AFTER], baseline: [BEFORE] });
  const broken = join(folder, 'broken.cpuprofile');
  writeFileSync(broken, '{"nodes": [');
  const found = await readProfiles([
    ...files,
    {
      side: 'baseline',
      service: 'shop',
      instance: '9-0',
      kind: 'cpu',
      path: broken,
      file: 'profile-baseline-shop-2.cpuprofile',
    },
  ]);
  t.same(
    found.profiles.map(({ side, samples, fault }) => [side, samples, fault?.slice(0, 11)]),
    [
      ['candidate', 1000, undefined],
      ['candidate', 1000, undefined],
      ['baseline', 1000, undefined],
      ['baseline', 0, 'is no JSON:'],
    ],
  );
  t.match(found.profile_changes, [
    {
      service: 'shop',
      name: 'slow',
      line: 11,
      candidate: { samples: 600, of: 2000 },
      baseline: { samples: 100, of: 1000 },
      sure: true,
    },
    { name: 'fast', line: 7 },
  ]);
  t.same(
    found.trees.map(({ side, service }) => [side, service]),
    [
      ['candidate', 'shop'],
      ['baseline', 'shop'],
    ],
  );
  t.same(stacksOf(unpackTree(found.trees[1]!.tree)), BEFORE);
});

t.test('of one side there is nothing to compare', async (t) => {
  const found = await readProfiles(profileFiles(t.testdir(), 'shop', { candidate: [AFTER] }));
  t.notOk('profile_changes' in found);
  t.equal(found.trees.length, 1);
});

t.test('of a service with very many functions the run names ten, and its stacks are pruned', async (t) => {
  const many = (from: number) =>
    Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`f${i} a.js:${i + 1}`, 1 + ((i + from) % 7)]));
  const found = await readProfiles(profileFiles(t.testdir(), 'shop', { candidate: [many(0)], baseline: [many(3)] }));
  t.equal(found.profile_changes!.length, 10);
  t.ok(found.trees.every(({ tree }) => unpackTree(tree).parents.length <= 8000));
});

t.test('the store gives back what it was given', async (t) => {
  const folder = t.testdir();
  const store = openStore(join(folder, 'mayfly.db'));
  t.teardown(() => store.close());
  const run = compared(1, 0);
  store.addRun(run);
  t.same(store.profileTrees(run.run_id), []);
  const found = await readProfiles(profileFiles(folder, 'shop', { candidate: [AFTER], baseline: [BEFORE] }));
  store.saveProfiles(run.run_id, found);
  store.saveProfiles(run.run_id, found);
  const { profiles, profile_changes } = store.run(run.run_id);
  t.same({ profiles, profile_changes }, { profiles: found.profiles, profile_changes: found.profile_changes });
  t.same(
    store.profileTrees(run.run_id).map(({ side, service, tree }) => [side, service, stacksOf(unpackTree(tree))]),
    [
      ['candidate', 'shop', AFTER],
      ['baseline', 'shop', BEFORE],
    ],
  );
  t.throws(() => store.saveProfiles('01ARZ3NDEKTSV4RRFFQ69G5FAV', found), /there is no run/);
  store.amendRun(run.run_id, { notes: ['one'] });
  t.same(store.run(run.run_id).notes, ['one']);
});

const SLOWER = { factors: { latency_med: 1.2, latency_p95: 1.2, cpu_seconds_per_request: 1.2 } };
async function profiled(folder: string, run: RunDocument, laid: Record<string, number> = AFTER): Promise<RunDocument> {
  const { trees: _, ...found } = await readProfiles(
    profileFiles(folder, 'shop', { candidate: [laid], baseline: [BEFORE] }),
  );
  return { ...run, ...found };
}

t.test('a REGRESSION names what grew most, in the terminal and in a comment', async (t) => {
  const slower = await profiled(t.testdir(), compared(1, 0, SLOWER));
  t.equal(slower.verdict!.verdict, 'REGRESSION');
  const line = 'slow a.js:11: +20.0 points (+16.6 to +23.4), 10.0 % before, 30.0 % now';
  const text = runTable(slower, { color: false });
  t.ok(text.includes(`\n\nWhat grew most on the CPU, of a round that counts for no verdict:\n  ${line}\n\n`), text);
  t.match(text, `npm run profile -- ${slower.run_id}`);
  t.ok(
    verdictMarkdown(slower.verdict!, slower, []).includes(
      'What grew most on the CPU, of a round that counts for no verdict:\n\n- slow a.js:\u200b11: +20.0 points (+16.6 to +23.4), 10.0 % before, 30.0 % now\n\n',
    ),
  );
  const pass = await profiled(t.testdir(), compared(1, 0));
  t.not(pass.verdict!.verdict, 'REGRESSION');
  t.notMatch(runTable(pass, { color: false }), 'What grew most');
  t.notMatch(verdictMarkdown(pass.verdict!, pass, []), 'What grew most');
});

t.test('noise is not named, and names of others do no harm', async (t) => {
  const run = compared(1, 0, SLOWER);
  t.same(grownLines(run), []);
  t.same(grownLines(await profiled(t.testdir(), run, BEFORE)), [
    'nothing that is sure: no function has grown by more than chance makes of so many samples',
  ]);
  const folder = t.testdir();
  mkdirSync(folder, { recursive: true });
  const name = '<img\u202esrc=x>|@everyone';
  writeFileSync(join(folder, 'evil.cpuprofile'), cpuProfile({ [`${name} a\u001b[31m.js:1`]: 1000 }));
  const [other] = profileFiles(folder, 'shop', { baseline: [BEFORE] });
  const { profile_changes } = await readProfiles([
    {
      side: 'candidate',
      service: 'shop',
      instance: '1-0',
      kind: 'cpu',
      path: join(folder, 'evil.cpuprofile'),
      file: 'x',
    },
    other!,
  ]);
  const evil = { ...run, ...(profile_changes ? { profile_changes } : {}) };
  t.match(grownLines(evil)[0], '<img?src=x>|@everyone a.js:1: +100.0 points');
  const comment = verdictMarkdown(run.verdict!, evil, []);
  t.match(comment, '\\<img?src=x\\>\\|@\u200beveryone a.js:\u200b1');
});
