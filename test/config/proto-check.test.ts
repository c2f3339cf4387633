/** Protos of a benchmark's folder: what is wrong with them is said with file and line before anything is built. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig, parseBenchArgs } from '../../scripts/config/config.ts';
import { protoFaults } from '../../scripts/config/proto-check.ts';
import { BENCHMARK, COMPOSE } from './fixture.ts';

const HEAD = 'syntax = "proto3";\n';

async function faults(t: Test, files: Parameters<Test['testdir']>[0]): Promise<string[]> {
  const dir = t.testdir(files);
  const found = await protoFaults(dir, (file) => file.slice(dir.length + 1));
  return found.map(({ file, line, text }) => `${file}:${line} ${text}`);
}

t.test(
  'what is right is right: comments, services, streams, options, protos of each other and of protobuf',
  async (t) => {
    t.same(
      await faults(t, {
        'shop.proto': `${HEAD}package shop;
import "google/protobuf/empty.proto";
import "protos/line.proto";
// a comment with message Wrong { strin a = 1; }
message Cart { repeated shop.Line lines = 1; map<string, Line> by = 2; oneof what { string a = 3; int32 b = 4; } }
service Shop { rpc Add(stream Cart) returns (google.protobuf.Empty); rpc Get(Cart) returns (stream Line) {} }
`,
        protos: { 'line.proto': `${HEAD}package shop;\nmessage Line { string name = 1; }\n` },
        functions: {
          // from its own root, as protoc is called there
          'a.proto': `${HEAD}import "inner/b.proto";\nmessage A { B b = 1; }\n`,
          inner: {
            'b.proto': `${HEAD}import "inner/c.proto";\nmessage B { C c = 1; }\n`,
            'c.proto': `${HEAD}message C {}\n`,
          },
        },
        'old.proto': 'message A { required string a = 1; extensions 100 to 200; }\n',
        // what it imports is elsewhere: nobody here knows what is in it
        'far.proto': `${HEAD}import "google/api/annotations.proto";\nmessage A { google.api.Rule rule = 1; }\n`,
        node_modules: { x: { 'bad.proto': 'message {' } },
      }),
      [],
    );
  },
);

const WRONG: [what: string, said: string, text: string][] = [
  [
    'a semicolon is missing',
    "a.proto:2 is no proto that can be read: illegal token '}', ';' expected",
    `${HEAD}message A { string a = 1 }\n`,
  ],
  [
    'it ends too early',
    "a.proto:3 is no proto that can be read: illegal token 'null'",
    `${HEAD}service S {\nrpc A(B) returns (B);`,
  ],
  [
    'a type that is nowhere',
    'a.proto:4 names the type strin, which is neither in it nor in what it imports',
    `${HEAD}// a strin\nmessage A {\n  strin a = 1;\n}\n`,
  ],
  [
    'an answer that is nowhere',
    'a.proto:3 names the type Q, which is neither in it nor in what it imports',
    `${HEAD}message P {}\nservice S { rpc X(P) returns (Q); }\n`,
  ],
  [
    'a name twice',
    "a.proto:4 is no proto that can be read: duplicate name 'a' in Type A",
    `${HEAD}message A {\n  string a = 1;\n  string a = 2;\n}\n`,
  ],
  [
    'a number twice',
    'a.proto:4 is no proto that can be read: duplicate id 1 in Type A',
    `${HEAD}message A {\n  string a = 1;\n  string b = 1;\n}\n`,
  ],
];
for (const [what, said, text] of WRONG)
  t.test(what, async (t) => {
    t.same(await faults(t, { 'a.proto': text }), [said]);
  });

t.test('a benchmark with such a proto is refused: exit code 2, and nothing is built', async (t) => {
  const root = t.testdir({
    benchmarks: {
      shop: {
        'benchmark.yaml': BENCHMARK,
        'compose.yaml': COMPOSE,
        'load.ts': '',
        functions: { 'a.proto': `${HEAD}message A { string a = 1 }\n` },
      },
    },
  });
  await t.rejects(loadConfig(parseBenchArgs([]), { root, cwd: join(root, 'benchmarks') }), {
    message: "shop/functions/a.proto:2 is no proto that can be read: illegal token '}', ';' expected",
    exitCode: 2,
  });
});
