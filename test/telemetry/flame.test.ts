import t from 'tap';
import { randomOf } from '../../scripts/dev/perf/verdict-models.ts';
import {
  changeOf,
  changesOf,
  differenceOf,
  differentialFlameOf,
  flameOf,
  functionsOf,
} from '../../scripts/telemetry/flame.ts';
import { onCpu, type StackTree } from '../../scripts/telemetry/stacks.ts';
import { stacksOf, treeOf } from './stacks.ts';

const changes = (candidate: StackTree, baseline: StackTree) => changesOf(differenceOf(candidate, baseline));
const names = (list: readonly { name: string }[]) => list.map(({ name }) => name);

t.test('the difference names what grew first, in shares of the samples on the CPU', (t) => {
  const candidate = treeOf({ 'main a.js:1;slow a.js:9': 300, 'main a.js:1;fast a.js:5': 700 }, { idle: 5000 });
  const baseline = treeOf({ 'main a.js:1;slow a.js:9': 100, 'main a.js:1;fast a.js:5': 900 }, { idle: 100 });
  const [first, last, ...others] = changes(candidate, baseline);
  t.same(others, [], 'main was in no sample by itself');
  t.match(first, {
    name: 'slow',
    url: 'a.js',
    line: 9,
    candidate: { samples: 300, of: 1000 },
    baseline: { samples: 100, of: 1000 },
    sure: true,
  });
  t.equal(first!.change.toFixed(6), '0.200000');
  t.equal(`${first!.low.toFixed(3)} ${first!.high.toFixed(3)}`, '0.166 0.234');
  t.equal(last!.name, 'fast');
  t.equal(last!.change.toFixed(6), '-0.200000');
  t.end();
});

t.test('what a function calls in Node.js and V8 is its own; of other functions it is not', (t) => {
  const tree = treeOf({
    'handle a.js:1;update node:internal/crypto/hash:9;native': 5,
    'handle a.js:1;parse lib.js:3;JSON.parse': 2,
    'handle a.js:1': 1,
    'read node:internal/streams:4': 4,
    'read node:internal/streams:4;handle a.js:1': 1,
    'work a.js:7;sys_read [kernel]:0': 3,
  });
  t.same(
    functionsOf(tree).map(({ name, samples, of }) => [name, samples, of]),
    [
      ['handle', 7, 16],
      ['read', 4, 16],
      ['work', 3, 16],
      ['parse', 2, 16],
    ],
  );
  t.end();
});

t.test('a callback without a name is part of the function of its file that has called it', (t) => {
  const tree = treeOf({
    'list a.js:1;sort;(anonymous) a.js:2': 5,
    'list a.js:1;(anonymous) a.js:3;(anonymous) a.js:4;deep b.js:9': 2,
    'list a.js:1;each b.js:1;(anonymous) a.js:5': 3,
    '(anonymous) a.js:8;(anonymous) a.js:9': 4,
  });
  t.same(
    functionsOf(tree).map(({ name, line, samples }) => [name, line, samples]),
    [
      ['list', 1, 5],
      ['(anonymous)', 8, 4],
      ['(anonymous)', 5, 3],
      ['deep', 9, 2],
    ],
    'one that another file has called stands for itself',
  );
  t.end();
});

t.test('garbage collector and program count, and are named', (t) => {
  const found = changes(
    treeOf({ 'a x.js:1': 50 }, { gc: 40, program: 10 }),
    treeOf({ 'a x.js:1': 80 }, { gc: 10, program: 10 }),
  );
  t.same(names(found), ['(garbage collector)', '(program)', 'a']);
  t.same(found[0]!.candidate, { samples: 40, of: 100 });
  t.end();
});

t.test('a function is the same one where the commit has moved it', (t) => {
  const moved = changes(treeOf({ 'f a.js:13': 6, 'g a.js:23': 4 }), treeOf({ 'f a.js:10': 6, 'g a.js:20': 4 }));
  t.same(
    moved.map(({ name, line, change }) => [name, line, change]),
    [
      ['f', 13, 0],
      ['g', 23, 0],
    ],
  );
  const inOrder = changes(
    treeOf({ '(anonymous) a.js:13': 1, '(anonymous) a.js:16': 9 }),
    treeOf({ '(anonymous) a.js:10': 1, '(anonymous) a.js:13': 9 }),
  );
  t.ok(
    inOrder.every(({ change }) => change === 0),
    'two of one name: by the order of their lines',
  );
  const one = changes(
    treeOf({ '(anonymous) a.js:10': 5, '(anonymous) a.js:20': 3, '(anonymous) a.js:30': 2 }),
    treeOf({ '(anonymous) a.js:20': 6, '(anonymous) a.js:30': 4 }),
  );
  t.same(
    one.map(({ line, baseline }) => [line, baseline.samples]),
    [
      [10, 0],
      [30, 4],
      [20, 6],
    ],
    'one that is new: those of the same line first',
  );
  t.same(names(changes(treeOf({ 'f a.js:1': 1 }), treeOf({ 'f b.js:1': 1 }))), ['f', 'f'], 'not in another file');
  t.end();
});

t.test('a side that was never on the CPU has no changes', (t) => {
  t.same(changes(treeOf({ 'a x.js:1': 5 }), treeOf({}, { idle: 5 })), []);
  t.end();
});

t.test('two profiles of one program: at most 5 % of pairs have a change that is called sure', (t) => {
  const random = randomOf(7);
  // some functions that take much, and very many that take little
  const shares = Array.from({ length: 300 }, (_, i) => 1 / (i + 1) ** 1.2);
  const sum = shares.reduce((a, b) => a + b);
  const cumulative = shares.map(
    (
      (at) => (share: number) =>
        (at += share / sum)
    )(0),
  );
  const draw = (samples: number, slow = 0) => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < samples; i++) {
      const at = random();
      const which = random() < slow ? 'slow' : `f${cumulative.findIndex((one) => at < one)}`;
      counts[`${which} a.js:1`] = (counts[`${which} a.js:1`] ?? 0) + 1;
    }
    return treeOf(counts);
  };
  const pairs = 200;
  const [samples, other] = [1500, 1200];
  let alarms = 0;
  let within = 0;
  let first = 0;
  for (let i = 0; i < pairs; i++) {
    const found = changes(draw(samples), draw(other));
    if (found.some(({ sure }) => sure)) alarms++;
    const f0 = found.find(({ name }) => name === 'f0')!;
    if (f0.low <= 0 && 0 <= f0.high) within++;
    const [most] = changes(draw(samples, 0.05), draw(other));
    if (most!.name === 'slow' && most!.sure) first++;
  }
  t.ok(alarms <= pairs * 0.05, `${alarms} of ${pairs} with a false one`);
  t.ok(within >= pairs * 0.91 && within <= pairs * 0.99, `${within} of ${pairs} intervals hold the truth`);
  t.ok(first >= pairs * 0.97, `5 % in one function is first and sure in ${first} of ${pairs}`);
  t.end();
});

t.test('the more functions are looked at, the more is asked for', (t) => {
  const [candidate, baseline] = [
    { samples: 60, of: 1000 },
    { samples: 35, of: 1000 },
  ];
  t.equal(changeOf(candidate, baseline, 1).sure, true);
  t.equal(changeOf(candidate, baseline, 500).sure, false);
  t.equal(changeOf({ samples: 3, of: 100 }, { samples: 0, of: 100 }, 1).sure, false, 'three samples are none');
  t.end();
});

t.test('the boxes of one side', (t) => {
  const tree = treeOf(
    { 'main a.js:1;b a.js:2': 3, 'main a.js:1;a a.js:3': 5, 'main a.js:1': 1, 'z a.js:9': 1 },
    { idle: 90, gc: 10 },
  );
  const { boxes, path, calls, hidden } = flameOf(tree, 'candidate', { least: 0 });
  t.same(
    boxes.map(({ name, depth, x, width }) => [name, depth, Number(x.toFixed(9)), width]),
    [
      ['main', 0, 0, 0.45],
      ['z', 0, 0.45, 0.05],
      ['(garbage collector)', 0, 0.5, 0.5],
      ['a', 1, 0, 0.25],
      ['b', 1, 0.25, 0.15],
    ],
  );
  t.same(boxes[3]!.candidate, { samples: 5, of: 20 });
  t.notOk('change' in boxes[3]!);
  t.same(path, []);
  t.same(names(calls), ['(garbage collector)', 'main', 'z']);
  t.equal(hidden, 0);
  const narrow = flameOf(tree, 'candidate', { least: 0.2 });
  t.same(names(narrow.boxes), ['main', '(garbage collector)', 'a']);
  t.equal(narrow.hidden, 2);
  t.end();
});

t.test('the picture begins at any node', (t) => {
  const tree = treeOf({ 'main a.js:1;b a.js:2;c a.js:3': 3, 'main a.js:1;b a.js:2': 1, 'z a.js:9': 4 });
  const b = tree.frameOf.findIndex((frame) => tree.frames[frame]!.name === 'b');
  const { boxes, path, calls } = flameOf(tree, 'baseline', { node: b, least: 0 });
  t.same(
    boxes.map(({ name, depth, x, width }) => [name, depth, x, width]),
    [
      ['b', 0, 0, 1],
      ['c', 1, 0, 0.75],
    ],
  );
  t.same(names(path), ['main', 'b']);
  t.same(names(calls), ['c']);
  t.equal(flameOf(tree, 'baseline', { node: 99, least: 0 }).boxes.length, 4, 'a node that is not there: all');
  t.end();
});

t.test('the picture of both shows what came and what went', (t) => {
  const { boxes } = differentialFlameOf(
    differenceOf(
      treeOf({ 'main a.js:3;come a.js:9': 40, 'main a.js:3': 60 }),
      treeOf({ 'main a.js:1;gone a.js:5': 20, 'main a.js:1': 80 }),
    ),
    { least: 0 },
  );
  t.same(
    boxes.map(({ name, x, width, change, candidate, baseline }) => [
      name,
      x,
      width,
      change,
      candidate!.samples,
      baseline!.samples,
    ]),
    [
      ['main', 0, 1, 0, 100, 100],
      ['come', 0, 0.2, 0.4, 40, 0],
      ['gone', 0.2, 0.1, -0.2, 0, 20],
    ],
  );
  t.end();
});

t.test('sums of the difference are those of its sides', (t) => {
  const [candidate, baseline] = [
    treeOf({ 'a x.js:1;b x.js:2': 3, 'c x.js:3': 2 }),
    treeOf({ 'a x.js:1': 7, 'd x.js:8': 1 }),
  ];
  const both = differenceOf(candidate, baseline);
  t.equal(onCpu(both.candidate), 5);
  t.equal(onCpu(both.baseline), 8);
  t.same(stacksOf({ ...candidate, ...both, ...both.baseline }), { 'a x.js:1': 7, 'd x.js:8': 1 });
  t.end();
});

t.test('very deep and very wide stacks are no trouble', (t) => {
  const deep = treeOf({ [Array.from({ length: 600 }, (_, i) => `f${i}`).join(';')]: 1 });
  t.equal(flameOf(deep, 'candidate', { least: 0 }).boxes.length, 512);
  const wide = (from: number) =>
    treeOf(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`same a.js:${from + i}`, 1])));
  t.equal(changes(wide(1), wide(3)).length, 20_000);
  t.end();
});
