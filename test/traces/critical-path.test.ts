import fc from 'fast-check';
import t from 'tap';
import { MOST_SPANS, type Tree, treeOf } from '../../scripts/traces/critical-path.ts';
import type { Span } from '../../scripts/traces/spans.ts';
import { made } from './made.ts';

const whole = (spans: readonly Span[]): Tree => {
  const tree = treeOf(spans);
  if (typeof tree === 'string') throw new Error(`the trace is not whole: ${tree}`);
  return tree;
};
/** Name of a span -> its own time on the critical path, or its self time. */
const times = (spans: readonly Span[], what: 'path' | 'self') =>
  Object.fromEntries(whole(spans).nodes.map((node) => [node.span.name, node[what]]));

/** producer calls consumer and waits; a call takes 100 on its way there and 200 back. */
const SYNC = [
  made('producer', null, 0, 5000, { kind: 'SERVER' }),
  made('producer call', 'producer', 1000, 4500, { kind: 'CLIENT' }),
  made('consumer', 'producer call', 1100, 4300, { kind: 'SERVER' }),
];

t.test('a synchronous chain: each caller waits', async (t) => {
  t.equal(whole(SYNC).total, 5000);
  t.strictSame(times(SYNC, 'path'), { producer: 1500, 'producer call': 300, consumer: 3200 });
  t.strictSame(times(SYNC, 'self'), { producer: 1500, 'producer call': 300, consumer: 3200 });
  t.strictSame(
    times(SYNC.toReversed(), 'path'),
    { producer: 1500, 'producer call': 300, consumer: 3200 },
    'in any order',
  );
  t.strictSame(
    whole(SYNC).nodes[0]!.pieces.map(({ from, to }) => to - from),
    [500, 1000],
    'what is its own comes after the call and before it',
  );
});

t.test('of calls side by side the last to end counts; of calls one after the other both do', async (t) => {
  const beside = [made('a', null, 0, 1000), made('b', 'a', 100, 600), made('c', 'a', 200, 900)];
  t.strictSame(times(beside, 'path'), { a: 300, b: 0, c: 700 });
  t.strictSame(times(beside, 'self'), { a: 200, b: 500, c: 700 }, 'the union of both is taken off once');
  const after = [made('a', null, 0, 1000), made('b', 'a', 100, 400), made('c', 'a', 500, 900)];
  t.strictSame(times(after, 'path'), { a: 300, b: 300, c: 400 });
  const touching = [made('a', null, 0, 1000), made('b', 'a', 100, 505), made('c', 'a', 500, 900)];
  t.strictSame(times(touching, 'path'), { a: 200, b: 400, c: 400 }, 'rounded times may overlap a little');
  const overlapping = [made('a', null, 0, 1000), made('b', 'a', 100, 600), made('c', 'a', 500, 900)];
  t.strictSame(times(overlapping, 'path'), { a: 600, b: 0, c: 400 }, 'c did not wait for b');
});

t.test('an asynchronous chain ends with its last span', async (t) => {
  const chain = [
    made('producer', null, 0, 1000),
    made('producer send', 'producer', 300, 900, { kind: 'CLIENT' }),
    made('trigger ingress', 'producer send', 400, 700, { kind: 'SERVER' }),
    made('broker', 'trigger ingress', 650, 3000),
    made('trigger deliver', 'trigger ingress', 3000, 9000, { kind: 'CLIENT' }),
    made('consumer', 'trigger deliver', 3200, 8900, { kind: 'SERVER' }),
  ];
  t.equal(whole(chain).total, 9000);
  t.strictSame(times(chain, 'path'), {
    producer: 300,
    'producer send': 100,
    'trigger ingress': 250,
    broker: 2350,
    'trigger deliver': 300,
    consumer: 5700,
  });
});

t.test('what lies between an event and its consumer counts for what has sent it', async (t) => {
  const chain = [made('a', null, 0, 100), made('b', 'a', 500, 700)];
  t.equal(whole(chain).total, 700);
  t.strictSame(times(chain, 'path'), { a: 500, b: 200 });
  t.strictSame(times(chain, 'self'), { a: 100, b: 200 });
});

t.test('while a span goes on it waits for a call, not for what that has begun', async (t) => {
  const event = [
    made('a', null, 0, 10_000),
    made('b', 'a', 1000, 2000),
    made('c', 'b', 1500, 9000), // b does not wait for it, nor does a
  ];
  t.strictSame(times(event, 'path'), { a: 9000, b: 1000, c: 0 });
  const later = [...event, made('d', 'a', 3000, 12_000)];
  t.strictSame(times(later, 'path'), { a: 2000, b: 1000, c: 0, d: 9000 }, 'the last one to end is another');
});

t.test('of two consumers of an event the later one is on the path', async (t) => {
  const both = [made('a', null, 0, 100), made('b', 'a', 90, 400), made('c', 'a', 90, 300)];
  t.strictSame(times(both, 'path'), { a: 90, b: 310, c: 0 });
});

t.test('the end of a server that is written down after its client has the answer is cut', async (t) => {
  const late = [
    made('producer', null, 0, 5000, { kind: 'SERVER' }),
    made('producer call', 'producer', 1000, 4500, { kind: 'CLIENT' }),
    made('consumer', 'producer call', 1100, 5200, { kind: 'SERVER' }),
  ];
  t.equal(whole(late).total, 5000);
  t.strictSame(times(late, 'path'), { producer: 1500, 'producer call': 100, consumer: 3400 });
  t.strictSame(times(late, 'self'), { producer: 1500, 'producer call': 100, consumer: 3400 });
});

t.test('both halves of a call may have one id', async (t) => {
  const call = made('producer call', 'producer', 1000, 4500, { kind: 'CLIENT' });
  const shared = [
    made('producer', null, 0, 5000),
    call,
    made('consumer', 'producer', 1100, 4300, { kind: 'SERVER', id: call.id, shared: true }),
    made('consumer query', 'producer call', 2000, 3000),
  ];
  t.strictSame(times(shared, 'path'), {
    producer: 1500,
    'producer call': 300,
    consumer: 2200,
    'consumer query': 1000,
  });
});

t.test('a trace with a hole, or with a span that has no end, is told apart', async (t) => {
  t.equal(treeOf([made('a', null, 0, 10), made('b', 'gone', 1, 9)]), 'hole', 'a parent is not there');
  t.equal(treeOf([made('b', 'gone', 1, 9)]), 'hole', 'the root is not there');
  t.equal(treeOf([made('a', null, 0, 10), made('b', null, 1, 9)]), 'hole', 'two roots');
  t.equal(treeOf([made('a', null, 0, 10), made('b', 'c', 1, 9), made('c', 'b', 1, 9)]), 'hole', 'a circle');
  t.equal(treeOf([made('a', 'a', 0, 10)]), 'hole', 'its own parent');
  t.equal(treeOf([made('a', null, 0, 10), made('b', 'a', 1, 9, { duration: null })]), 'unfinished');
  t.equal(treeOf([made('a', null, 0, 10, { start: null })]), 'unfinished');
  const many = Array.from({ length: MOST_SPANS }, (_, i) => made(`s${i}`, 'a', 1, 9));
  t.equal(treeOf([made('a', null, 0, 10), ...many]), 'unfinished', 'more spans than a trace may have');
  t.type(treeOf([made('a', null, 0, 10), ...many.slice(1)]), Object);
  t.strictSame(times([...SYNC, SYNC[1]!], 'self'), times(SYNC, 'self'), 'a span that was sent twice is there once');
  const deep = Array.from({ length: MOST_SPANS }, (_, i) => made(`s${i}`, i === 0 ? null : `s${i - 1}`, i, 9999 - i));
  t.equal(whole(deep).nodes.length, MOST_SPANS, 'one in the other');
});

/** Calls one after the other, within one another: a span, the time before each call and after the last, the calls. */
interface Call {
  gaps: number[];
  calls: Call[];
}
const call: fc.Arbitrary<Call> = fc.letrec<{ call: Call }>((tie) => ({
  call: fc
    .array(fc.oneof({ maxDepth: 4, withCrossShrink: true }, fc.constant<Call>({ gaps: [5], calls: [] }), tie('call')), {
      maxLength: 3,
    })
    .chain((calls) =>
      fc
        .array(fc.integer({ min: 1, max: 1000 }), { minLength: calls.length + 1, maxLength: calls.length + 1 })
        .map((gaps) => ({ gaps, calls })),
    ),
})).call;

function spansOf(root: Call): { spans: Span[]; own: Map<string, number> } {
  const spans: Span[] = [];
  const own = new Map<string, number>();
  const add = ({ gaps, calls }: Call, parent: string | null, from: number): number => {
    const name = `s${own.size}`;
    own.set(
      name,
      gaps.reduce((sum, gap) => sum + gap, 0),
    );
    let at = from + gaps[0]!;
    for (const [i, one] of calls.entries()) at = add(one, name, at) + gaps[i + 1]!;
    spans.push(made(name, parent, from, at));
    return at;
  };
  add(root, null, 0);
  return { spans, own };
}

t.test(
  'of any synchronous tree self times and path times are what each span took for itself, and make the whole',
  async (t) => {
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(call, (root) => {
          const { spans, own } = spansOf(root);
          const { nodes, total } = whole(spans);
          return (
            nodes.every(({ span, self, path }) => self === own.get(span.name) && path === self) &&
            nodes.reduce((sum, { self }) => sum + self, 0) === total
          );
        }),
        { numRuns: 500 },
      ),
    );
  },
);

/** Any tree of spans with any times: children before their parents begin, after they end, side by side. */
const anyTree = fc
  .array(
    fc.record({
      parent: fc.nat(),
      from: fc.nat(5000),
      length: fc.integer({ min: 1, max: 3000 }),
      kind: fc.constantFrom('CLIENT', 'SERVER', null),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((list) =>
    list.map(({ parent, from, length, kind }, i) =>
      made(`s${i}`, i === 0 ? null : `s${parent % i}`, from, from + length, { kind }),
    ),
  );

t.test('of any tree the path times make the whole, and the pieces of the path do not overlap', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(anyTree, (spans) => {
        const { nodes, total, root } = whole(spans);
        const pieces = nodes.flatMap((node) => node.pieces).sort((a, b) => a.from - b.from);
        let at = root.start;
        for (const { from, to } of pieces) {
          if (from !== at || to <= from) return false;
          at = to;
        }
        return (
          at === root.reach &&
          nodes.reduce((sum, { path }) => sum + path, 0) === total &&
          nodes.every(({ self, start, end }) => self >= 0 && self <= end - start)
        );
      }),
      { numRuns: 2000 },
    ),
  );
});
