import { gzipSync } from 'node:zlib';
import { Profile, StringTable } from 'pprof-format';
import t from 'tap';
import { parsePerfScript } from '../../scripts/telemetry/perf-script.ts';
import { parsePprof } from '../../scripts/telemetry/pprof.ts';
import { ProfileFault, type StackTree, totals } from '../../scripts/telemetry/stacks.ts';

/** Each stack with samples of its own, as `outer;inner samples`. */
function folded(tree: StackTree): string[] {
  const path = (node: number): string => {
    const name = tree.frames[tree.frameOf[node]!]!.name;
    return tree.parents[node]! < 0 ? name : `${path(tree.parents[node]!)};${name}`;
  };
  return tree.self.flatMap((samples, node) => (samples > 0 ? [`${path(node)} ${samples}`] : [])).sort();
}

/** main calls handle, into which parse was put; at times an address without a name. */
function made(type = 'samples', unit = 'count'): Buffer {
  const strings = new StringTable();
  const word = (text: string) => strings.dedup(text);
  const profile = new Profile({
    stringTable: strings,
    sampleType: [
      { type: word('cpu'), unit: word('nanoseconds') },
      { type: word(type), unit: word(unit) },
    ],
    function: [
      { id: 1, name: word('main.main'), filename: word('/src/main.go'), startLine: 10 },
      { id: 2, name: word('main.handle'), filename: word('/src/main.go'), startLine: 40 },
      { id: 3, name: word('main.parse'), filename: word('/src/parse.go'), startLine: 5 },
    ],
    location: [
      { id: 1, line: [{ functionId: 1, line: 12 }] },
      {
        id: 2,
        line: [
          { functionId: 3, line: 7 },
          { functionId: 2, line: 44 },
        ],
      },
      { id: 3, address: 0xbeef },
    ],
    sample: [
      { locationId: [2, 1], value: [70_000_000, 7] },
      { locationId: [1], value: [10_000_000, 1] },
      { locationId: [3, 1], value: [20_000_000, 2] },
    ],
    durationNanos: 2_500_000_000n,
  });
  return Buffer.from(profile.encode());
}

t.test('a profile of pprof: counts, functions put into others, what has no name', async (t) => {
  for (const content of [made(), gzipSync(made())]) {
    const tree = parsePprof(content);
    t.same(folded(tree), ['main.main 1', 'main.main;0xbeef 2', 'main.main;main.handle;main.parse 7']);
    t.same(
      tree.frames.find(({ name }) => name === 'main.parse'),
      { name: 'main.parse', url: '/src/parse.go', line: 5 },
    );
    t.equal(tree.seconds, 2.5);
    t.equal(totals(tree, tree.self)[0], 10);
  }
});

t.test('what is none is a fault', async (t) => {
  const fault = (content: Buffer, message: RegExp) => {
    try {
      parsePprof(content);
      t.fail('it was taken');
    } catch (error) {
      t.type(error, ProfileFault);
      t.match((error as Error).message, message);
    }
  };
  fault(
    made('inuse_space', 'bytes'),
    /^is no CPU profile: it has cpu\/nanoseconds, inuse_space\/bytes, not samples\/count$/,
  );
  fault(Buffer.from('<html>404</html>'), /^is not in the format of pprof|^is no CPU profile/);
  fault(Buffer.alloc(0), /^is no CPU profile: it has no values/);
  fault(gzipSync(made()).subarray(0, 60), /^is not in the format of pprof: /);
});

const PERF = `MainThread     7 100.500000: 
	    7f54d6002c75 JS:*'hotOne [eval]:1:16 (/tmp/perf-7.map)
	         163221c Builtins_JSEntry (/usr/local/bin/node)
	         8762f8 v8::Script::Run (v8::Local) (/usr/local/bin/node)
	    7f54d6000000 [unknown] ([unknown])
	    7f54d6000001 [unknown] ([unknown])

my worker 2     8 103.000000: 
	ffffffff81000000 do_syscall_64+0x2d ([kernel.kallsyms])
	         8762f8 main (/app/server)

my worker 2     8 104.500000: 

`;

t.test('the text of perf script', async (t) => {
  const tree = parsePerfScript(Buffer.from(PERF));
  t.same(folded(tree), [
    '[unknown] 1',
    "[unknown];v8::Script::Run (v8::Local);Builtins_JSEntry;JS:*'hotOne [eval]:1:16 1",
    'main;do_syscall_64 1',
  ]);
  t.equal(tree.seconds, 4);
  t.equal(tree.frames.find(({ name }) => name === 'main')!.url, '/app/server');
});

t.test('what perf script does not write', async (t) => {
  t.throws(() => parsePerfScript(Buffer.from('')), { message: 'has no samples' });
  t.throws(() => parsePerfScript(Buffer.from('perf: not found\n')), {
    message: 'is not what perf script writes, at line 1',
  });
  t.throws(() => parsePerfScript(Buffer.from(`${PERF}\t${'a'.repeat(5000)} x (y)\n`)), {
    message: /has a line of 5007 characters, line 14/,
  });
});
