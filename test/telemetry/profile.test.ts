import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readProfile } from '../../scripts/telemetry/profile.ts';
import {
  mergeTrees,
  onCpu,
  ProfileFault,
  packTree,
  pruneTree,
  type StackTree,
  totals,
  treeBuilder,
  unpackTree,
} from '../../scripts/telemetry/stacks.ts';
import { stacksOf, treeOf } from './stacks.ts';

/** Burns the CPU: the function that a profile must name. */
function burnForTheProfile(ms: number): number {
  let sum = 0;
  for (const end = performance.now() + ms; performance.now() < end; ) sum += Math.sqrt(sum + 1);
  return sum;
}

/** Writes a profile and reads it. */
async function read(t: Test, content: unknown, name = 'profiler-1-0-1-0.cpuprofile'): Promise<StackTree> {
  const file = join(t.testdir(), name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return readProfile(file);
}

const call = (functionName: string, lineNumber = 0, url = 'file:///a.js') => ({
  functionName,
  url,
  lineNumber,
  columnNumber: 0,
  scriptId: '1',
});
const root = (...children: number[]) => ({ id: 1, callFrame: call('(root)', -1, ''), children });

t.test('a profile of V8 names the function that took the time, and its line', async (t) => {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 500 });
  await session.post('Profiler.start');
  burnForTheProfile(300);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const tree = await read(t, profile);
  const total = totals(tree, tree.self);
  const node = tree.frameOf.findIndex((frame) => tree.frames[frame]!.name === 'burnForTheProfile');
  const { url, line } = tree.frames[tree.frameOf[node]!]!;
  t.match(url, /test\/telemetry\/profile\.test\.ts$/);
  t.ok(line > 1, 'lines are counted from 1');
  t.ok(total[node]! > onCpu(tree) / 2, `${total[node]} of ${onCpu(tree)} samples`);
  t.ok(tree.apart.idle > 0, 'the wait is idle');
  t.ok(tree.seconds >= 0.4, `${tree.seconds} s`);
  t.equal(onCpu(tree) + tree.apart.idle, profile.samples!.length - rootSamples(profile), 'no sample is lost');
  t.notOk(
    tree.frames.some(({ name }) => /^\((root|idle|program|garbage collector)\)$/.test(name)),
    'what is no function is kept apart',
  );
});

/** V8 counts samples of a moment without any stack for its root. */
const rootSamples = ({
  nodes,
  samples,
}: {
  nodes: { id: number; callFrame: { functionName: string } }[];
  samples?: number[];
}) => {
  const { id } = nodes.find(({ callFrame }) => callFrame.functionName === '(root)')!;
  return samples!.filter((sample) => sample === id).length;
};

t.test('idle, program and garbage collector are apart; functions with their names are not', async (t) => {
  const tree = await read(t, {
    nodes: [
      root(2, 3, 4, 5),
      { id: 2, callFrame: call('(idle)', -1, ''), hitCount: 5 },
      { id: 3, callFrame: call('(program)', -1, ''), hitCount: 2 },
      { id: 4, callFrame: call('(garbage collector)', -1, ''), hitCount: 3 },
      { id: 5, callFrame: call('main', 9), hitCount: 1, children: [6, 7] },
      { id: 6, callFrame: call('(idle)', -1, ''), hitCount: 4 },
      { id: 7, callFrame: call('', 2), hitCount: 7 },
    ],
    startTime: 1_000_000,
    endTime: 3_500_000,
  });
  t.same(tree.apart, { idle: 5, program: 2, gc: 3 });
  t.same(stacksOf(tree), {
    'main file:///a.js:10': 1,
    'main file:///a.js:10;(idle)': 4,
    'main file:///a.js:10;(anonymous) file:///a.js:3': 7,
  });
  t.equal(onCpu(tree), 17);
  t.equal(tree.seconds, 2.5);
});

t.test('the list of samples goes before the counts of the nodes', async (t) => {
  const tree = await read(t, {
    nodes: [root(2), { id: 2, callFrame: call('main'), hitCount: 99 }],
    samples: [2, 2, 2],
  });
  t.same(stacksOf(tree), { 'main file:///a.js:1': 3 });
});

t.test('what cannot be read is said', async (t) => {
  const two = { id: 2, callFrame: call('a') };
  const cases: [unknown, string][] = [
    ['{"nodes": [', 'is no JSON: '],
    ['[]', 'is no JSON object'],
    ['null', 'is no JSON object'],
    [{}, 'has no nodes'],
    [{ nodes: [] }, 'has no nodes'],
    [{ nodes: [root(), 'x'] }, 'has a node without an id, at place 1'],
    [{ nodes: [root(2), two, two] }, 'has two nodes of one id'],
    [{ nodes: [root(3), two] }, 'has a node, 1, with a child that is not there'],
    [{ nodes: [{ ...root(), children: 'x' }] }, 'has a node, 1, whose children are no list'],
    [{ nodes: [root(2, 3), { ...two, children: [3] }, { id: 3 }] }, 'has a node, 3, that two others call'],
    [{ nodes: [root(1)] }, 'has a node, 1, that two others call'],
    [
      { nodes: [root(), { ...two, children: [3] }, { id: 3, callFrame: call('b'), children: [2] }] },
      'has functions that call each other in a circle',
    ],
    [{ nodes: [root(2), { ...two, hitCount: -1 }] }, 'has a node, 2, whose hitCount is no count'],
    [{ nodes: [root(2), two], samples: [2, 7] }, 'has a sample of a node that is not there'],
  ];
  for (const [content, message] of cases) {
    const error = await read(t, content).catch((error: Error) => error);
    t.ok(error instanceof ProfileFault && error.message.startsWith(message), message);
  }
  await t.rejects(read(t, '{}', 'x.txt'), { message: 'is of no format that is known: .cpuprofile' });
});

t.test('a profile that means harm is bounded', async (t) => {
  const long = 'x'.repeat(100_000);
  const named = await read(t, { nodes: [root(2), { id: 2, callFrame: call(long, 5, long), hitCount: 1 }] });
  t.equal(named.frames[0]!.name.length, 200);
  t.equal(named.frames[0]!.url.length, 300);

  const odd = await read(t, {
    nodes: [root(2), { id: 2, callFrame: { functionName: 5, lineNumber: '7' }, hitCount: 1 }],
  });
  t.same(odd.frames, [{ name: '(anonymous)', url: '', line: 0 }]);

  const deep = 100_000;
  const chain = Array.from({ length: deep }, (_, i) => ({
    id: i + 2,
    callFrame: call(`f${i}`),
    hitCount: 1,
    children: i + 1 < deep ? [i + 3] : [],
  }));
  const tree = await read(t, { nodes: [root(2), ...chain] });
  t.equal(tree.parents.length, 512, 'deeper calls are those of their caller');
  t.equal(onCpu(tree), deep, 'and no sample is lost');
  const builder = treeBuilder();
  t.throws(
    () => {
      for (let i = 0; i <= 200_000; i++) builder.child(-1, { name: `f${i}`, url: '', line: 0 });
    },
    { message: 'has more than 200000 different stacks' },
  );
});

t.test('several profiles are one', (t) => {
  const merged = mergeTrees([
    treeOf({ 'a x.js:1;b x.js:2': 3, 'a x.js:1': 1 }, { idle: 2 }),
    treeOf({ 'a x.js:1;b x.js:2': 4, 'c x.js:9': 5 }, { gc: 1 }),
  ]);
  t.same(stacksOf(merged), { 'a x.js:1;b x.js:2': 7, 'a x.js:1': 1, 'c x.js:9': 5 });
  t.same(merged.apart, { idle: 2, program: 0, gc: 1 });
  t.equal(merged.profiles, 2);
  t.equal(merged.seconds, 2);
  t.equal(onCpu(mergeTrees([])), 0);
  t.end();
});

t.test('pruning keeps the widest stacks and every sum', (t) => {
  const stacks = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`main a.js:1;f${i} a.js:${i + 2}`, i + 1]));
  const tree = treeOf({ ...stacks, 'lone a.js:900;deep a.js:901': 1 }, { program: 7 });
  const pruned = pruneTree(tree, 101);
  t.equal(onCpu(pruned), onCpu(tree));
  t.equal(pruned.apart.program, 7);
  const left = stacksOf(pruned);
  t.equal(left['main a.js:1;f499 a.js:501'], 500);
  t.equal(left['main a.js:1;f400 a.js:402'], 401, 'main and the hundred largest of its calls');
  t.equal(left['main a.js:1;f399 a.js:401'], undefined);
  t.equal(left['main a.js:1;(pruned)'], (400 * 401) / 2);
  t.equal(left['(pruned)'], 1);
  t.ok(pruned.parents.length <= 202);
  t.equal(pruneTree(tree, 10_000), tree);
  t.end();
});

t.test('a tree comes back from the store as it was', (t) => {
  const tree = treeOf({ 'a x.js:1;b "é" <x>': 3, '語 x.js:2': 1 }, { idle: 2, gc: 1 });
  t.same(unpackTree(packTree(tree)), tree);
  t.throws(() => unpackTree(Buffer.from('no gzip')), { message: /^cannot be unpacked: / });
  t.end();
});
