/**
 * What cannot be loaded, or asks for what there is not, ends before the load, with the place and what is allowed; and
 * what a script is made of.
 */
import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import type { LoadPlan } from '../../loadgen/plan.ts';
import { type Files, faultOf, folder, planFor, start } from './generator.ts';

process.env.MAYFLY_BENCHMARK_FOLDER = folder(t, {
  'data/users.csv': '\ufeffname,age\nann,3\n\n"b, c",\n',
  'data/one.json': '{"a":[1]}',
  'data/bad.json': '{"a":',
  'data/bad.csv': 'a,b\n1,"2\n',
});
const { bytes, csv, defineLoad, json, text } = await import('../../loadgen/load.ts');

const IMPORT = `import { defineLoad } from 'mayfly/load';`;
const script = (rest: string) => `${IMPORT}\n${rest}\n`;
const PROTO =
  'syntax = "proto3"; package shop; service Cart { rpc Add (Line) returns (Line); rpc Watch (Line) returns (stream Line); } message Line { int32 n = 1; }';

interface Case {
  files: Files;
  message: RegExp;
  hint?: RegExp;
  plan?: Partial<LoadPlan>;
}

/** The script alone. */
const of = (text: string, message: RegExp, hint?: RegExp, more: Files = {}): Case => ({
  files: { 'load.ts': text, ...more },
  message,
  ...(hint ? { hint } : {}),
});

/** Three at a time: most of a check is the start of a process. */
async function refused(t: Test, cases: Case[]): Promise<void> {
  const left = [...cases];
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      for (let one = left.shift(); one; one = left.shift()) {
        const fault = await faultOf(t, one.files, one.plan).catch((error: Error) => ({
          message: error.message,
          hint: undefined,
          kind: 'none',
          code: null,
        }));
        const said = String(one.message);
        t.match(fault.message, one.message, said);
        t.same([fault.kind, fault.code], ['usage', 2], said);
        if (one.hint) t.match(fault.hint, one.hint, said);
        t.notMatch(`${fault.message} ${fault.hint}`, /\/tmp|\/work|file:|mayfly-loadgen|node:internal/, said);
        t.notMatch(fault.message, /\n/, said);
      }
    }),
  );
}

t.test('scripts that cannot be loaded', async (t) => {
  await refused(t, [
    of(script('export default defineLoad(({ http }) => http.get("/");'), /^load\.ts:2 /),
    of(script(`\nenum Kind { A, B }\nexport default defineLoad(() => Kind.A);`), /^load\.ts:3 .*enum/i),
    of(
      script(`import { helper } from './lib/helper.ts';\nexport default defineLoad(helper);`),
      /^lib\/helper\.ts:2 /,
      undefined,
      { 'lib/helper.ts': 'export const a = 1;\nexport const helper = (;\n' },
    ),
    of(script(`\nthrow new Error('out of stock');`), /^load\.ts:3 out of stock$/),
    of(
      script(`await new Promise(() => {});\nexport default defineLoad(() => 1);`),
      /^load\.ts waits for what never comes$/,
      /top level/,
    ),
    of(script(`process.exit(0);`), /^load\.ts ended .*process\.exit\(\)/),
    of(
      script(`import { connect } from 'no-such-package';\nexport default defineLoad(() => connect());`),
      /^load\.ts:2 there is no package no-such-package$/,
      /node_modules of the benchmark/,
    ),
    of(
      script(`import { page } from './lib/page.ts';\nexport default defineLoad(page);`),
      /^lib\/page\.ts:2 there is no file \.\/gone\.ts$/,
      /from the file that imports them/,
      { 'lib/page.ts': `\nimport { gone } from "./gone.ts"; export const page = gone;` },
    ),
    of(`import { defineLaod } from 'mayfly/load';\nexport default defineLaod(() => 1);`, /^load\.ts:1 .*defineLaod/),
    { files: { 'other.ts': '' }, message: /^there is no file load\.ts in the benchmark's folder$/ },
    of('export const load = 1;', /^load\.ts:1 has no default export$/, /export default defineLoad/),
    of(
      'export default ({ http }) => http.get("/");',
      /^load\.ts:1 its default export is not made by defineLoad/,
      /import \{ defineLoad \}/,
    ),
  ]);
});

t.test('scripts that ask for what there is not', async (t) => {
  const request = (text: string) => script(`export default defineLoad(({ http }) =>\n${text}\n);`);
  const grpc = (rest: string) =>
    script(`export default defineLoad({ grpc: { protos: ['shop.proto'] } }, ({ grpc }) =>\n${rest}\n);`);
  await refused(t, [
    of(
      script('\nexport default defineLoad({ rate: 5 }, () => 1);'),
      /^load\.ts:3 defineLoad has no option rate$/,
      /^It takes setUp, http, tls, grpc, cookies\.$/,
    ),
    of(
      script(`import { users } from './users.ts';\nexport default defineLoad(() => users);`),
      /^users\.ts:2 there is no file users\.csv in the benchmark's folder$/,
      /folder that holds benchmark\.yaml/,
      { 'users.ts': `import { csv } from 'mayfly/load';\nexport const users = csv('users.csv');` },
    ),
    of(
      request(`http.get('/', { header: {} })`),
      /^load\.ts:3 http\.get has no option header$/,
      /^It takes name, headers, json/,
    ),
    of(
      request(`http.post('/', { expect: { statsu: 200 } })`),
      /^load\.ts:3 expect has no option statsu$/,
      /status, headers, body/,
    ),
    of(
      request(`http.get('http://other/')`),
      /^load\.ts:3 the path must begin with \/, got "http:\/\/other\/"$/,
      /target of benchmark\.yaml/,
    ),
    of(request(`http.gett('/')`), /^load\.ts:3 http\.gett is not a function$/),
    of(
      script(
        `export default defineLoad({ setUp: ({ http }) => http.get('/', { wait: 1 }) }, ({ http }) => http.get('/'));`,
      ),
      /^load\.ts:2 http\.get has no option wait$/,
    ),
    of(
      script(
        `export default defineLoad(async ({ http, journey }) => journey('all', async () => {\n  await http.get('/');\n  await http.request('FETCH', '/');\n}));`,
      ),
      /^load\.ts:4 there is no method FETCH$/,
      /GET, HEAD/,
    ),
    of(grpc('1'), /^shop\.proto:2 illegal /, undefined, { 'shop.proto': 'syntax = "proto3";\nmessage { }\n' }),
    of(grpc('1'), /^shop\.proto.*gone\.proto/, undefined, {
      'shop.proto': 'syntax = "proto3"; import "gone.proto"; message A { B b = 1; }',
    }),
    of(
      grpc(`grpc.unary('shop.Cart/Remove', {})`),
      /^load\.ts:3 there is no gRPC method shop\.Cart\/Remove$/,
      /^The protos have shop\.Cart\/Add, shop\.Cart\/Watch\.$/,
      { 'shop.proto': PROTO },
    ),
    of(
      grpc(`grpc.unary('shop.Cart/Add', { count: 1 })`),
      /^load\.ts:3 the message of shop\.Cart\/Add has no option count$/,
      /^It takes n\.$/,
      { 'shop.proto': PROTO },
    ),
    of(grpc(`grpc.unary('shop.Cart/Watch', {})`), /^load\.ts:3 shop\.Cart\/Watch is a stream$/, /grpc\.stream/, {
      'shop.proto': PROTO,
    }),
    of(
      grpc(`grpc.unary('shop.Cart/Add', {}, { deadline: 1 })`),
      /^load\.ts:3 a call has no option deadline$/,
      /timeoutMs/,
      { 'shop.proto': PROTO },
    ),
    of(
      script(`export default defineLoad(({ grpc }) => grpc.unary('shop.Cart/Add', {}));`),
      /^load\.ts:2 the script names no protos/,
      /protos/,
    ),
    {
      files: { 'log.csv': 'at,method,path\n10,GET,/\n' },
      plan: { script: null, model: { kind: 'open', arrivals: 'file', file: 'log.csv', rate: 1, durationS: 9 } },
      message: /^log\.csv holds no request before 9 s$/,
    },
  ]);
});

t.test('what the library refuses, and what is allowed', async (t) => {
  const iterate = () => 1;
  const cases: [() => unknown, RegExp, RegExp?][] = [
    [() => (defineLoad as any)(), /^defineLoad needs the function/, /defineLoad\(\(\{ http \}\)/],
    [() => defineLoad({}, {} as any), /^defineLoad needs the function/],
    [() => defineLoad(null as any, iterate), /^the options of defineLoad must be an object$/],
    [
      () => defineLoad({ http: { keepalive: false } } as any, iterate),
      /^defineLoad http has no option keepalive$/,
      /keepAlive/,
    ],
    [() => defineLoad({ tls: { CA: '' } } as any, iterate), /^defineLoad tls has no option CA$/, /ca, verify/],
    [() => defineLoad({ grpc: { proto: '' } } as any, iterate), /^defineLoad grpc has no option proto$/, /protos/],
    [() => defineLoad({ http: { version: 3 } } as any, iterate), /^http\.version must be 1 or 2, got 3$/],
    [() => defineLoad({ setUp: 1 } as any, iterate), /^setUp must be a function$/],
    [() => defineLoad({ tls: { ca: 'ca.pem' } }, iterate), /^there is no file ca\.pem/],
    [() => defineLoad({ grpc: { protos: ['shop.proto'] } }, iterate), /^there is no file shop\.proto/],
    [() => text('..'), /^\.\. is outside of the benchmark's folder$/],
    [
      () => text('data/../../secret'),
      /^data\/\.\.\/\.\.\/secret is outside of the benchmark's folder$/,
      /Only what lies in the folder/,
    ],
    [() => text('/etc/passwd'), /^\/etc\/passwd is outside of the benchmark's folder$/],
    [() => text('data'), /^there is no file data in the benchmark's folder$/],
    [() => json('data/bad.json'), /^data\/bad\.json is no JSON: /],
    [() => json('data/none.json'), /^there is no file data\/none\.json/],
    [() => csv('data/bad.csv'), /^data\/bad\.csv is no CSV: /],
  ];
  for (const [call, message, hint] of cases) t.throws(call, { message, ...(hint ? { hint } : {}) }, String(message));
  t.same(csv('data/users.csv'), [
    { name: 'ann', age: '3' },
    { name: 'b, c', age: '' },
  ]);
  t.same(json('data/one.json'), { a: [1] });
  t.equal(text('data/..//data/one.json'), '{"a":[1]}');
  t.equal(Buffer.concat([...bytes(200_000)()]).length, 200_000);
  t.equal([...bytes(0)()].length, 0);
});

const hashOf = (content: string) => createHash('sha256').update(content).digest('hex');

async function checked(t: Test, files: Files): Promise<Record<string, string>> {
  const { events, code, stdout, stderr } = await start(
    t,
    files,
    planFor(['http://127.0.0.1:1', 'http://127.0.0.1:1']),
    'check',
  ).ended;
  t.equal(code, 0, `${stdout}${stderr}`);
  t.match(events, [{ event: 'checked' }]);
  return (events[0] as { files: Record<string, string> }).files;
}

t.test('what a script is made of: modules, data, protos, authority, each with its hash', async (t) => {
  const files = {
    'load.ts': `
      import { csv, defineLoad, json, text } from 'mayfly/load';
      import { page } from './lib/pages.ts';
      import more from './lib/more.js';
      import old from './lib/old.cjs';
      import words from './data/words.json' with { type: 'json' };
      import own from 'own-package';
      import { parse } from 'csv-parse/sync';
      const all = [page, more, old, words, own, parse, csv('data/users.csv'), json('data/one.json'), text('data/a b.txt')];
      export default defineLoad({ tls: { ca: 'ca.pem' }, grpc: { protos: ['protos/shop.proto'] } }, async ({ http }) => {
        await http.get(page + all.length);
        const { late } = await import('./lib/late.ts');
        await http.get(late);
      });`,
    'lib/pages.ts': `import { prefix } from './deep/prefix.ts'; export const page: string = prefix + 'a';`,
    'lib/deep/prefix.ts': `export const prefix = '/';`,
    'lib/more.js': 'export default 1;',
    'lib/old.cjs': 'module.exports = require("./older.cjs");',
    'lib/older.cjs': 'module.exports = 2;',
    'lib/late.ts': `export const late = '/late';`,
    'lib/unused.ts': 'export {};',
    'data/words.json': '["a"]',
    'data/users.csv': 'name\nann\n',
    'data/one.json': '1',
    'data/a b.txt': 'text',
    'data/unused.csv': '',
    'node_modules/own-package/package.json': '{"name":"own-package","version":"1.0.0","main":"index.js"}',
    'node_modules/own-package/index.js': 'module.exports = 3;',
    'ca.pem': '',
    'protos/shop.proto':
      'syntax = "proto3"; package shop; import "common.proto"; import "google/protobuf/empty.proto"; service Cart { rpc Add (shop.Line) returns (google.protobuf.Empty); }',
    'protos/common.proto':
      'syntax = "proto3"; package shop;\nimport "protos/money.proto"; message Line { Money price = 1; }',
    'protos/money.proto': 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }',
    'benchmark.yaml': '',
  };
  const used = Object.fromEntries(
    Object.entries(files).filter(([path]) => !/unused|benchmark\.yaml|package\.json/.test(path)),
  );
  const found = await checked(t, files);
  const expected = Object.fromEntries(Object.entries(used).map(([path, content]) => [path, hashOf(content)]));
  delete found['node_modules/own-package/package.json']; // whether Node.js reads it by the same way is its matter
  t.same(found, expected);
  t.same(Object.keys(found), Object.keys(found).toSorted(), 'always in the same order');
});

t.test('a changed module or data file is another workload', async (t) => {
  const files = {
    'load.ts': `import { csv, defineLoad } from 'mayfly/load'; import { page } from './page.ts'; const users = csv('users.csv'); export default defineLoad(({ http }) => http.get(page + users.length));`,
    'page.ts': `export const page = '/a';`,
    'users.csv': 'name\nann\n',
  };
  const [before, after] = await Promise.all([
    checked(t, files),
    checked(t, { ...files, 'page.ts': `export const page = '/b';` }),
  ]);
  t.not(before!['page.ts'], after!['page.ts']);
  t.same({ ...before, 'page.ts': '' }, { ...after, 'page.ts': '' });
});

t.test('a good script is tried and not run: no request leaves', async (t) => {
  // The sides' addresses refuse every connection; whatever was asked was answered by the generator itself.
  const good = script(`
    export default defineLoad({ setUp: async ({ http }) => (await http.get('/token', { keep: true })).json() }, async ({ http, journey, time, choose, random, data, pair, url, side }) => {
      await journey('all', async () => {
        const { status } = await http.get('/page/' + Math.floor(random() * 10));
        if (status !== 200) throw new Error('refused');
        await time('other client', async () => { throw new Error('is not called in a try'); });
      });
      process.stderr.write(side + ' ' + choose([[1, 'chosen']]) + ' ' + typeof data + ' ' + pair + '\\n');
    });`);
  const { events, code, stderr } = await start(t, good, planFor(['http://127.0.0.1:1', 'http://127.0.0.1:1']), 'check')
    .ended;
  t.same([code, events.map(({ event }) => event)], [0, ['checked']], stderr);
  const lines = stderr.trim().split('\n');
  t.ok(lines.length > 0);
  t.same([...new Set(lines.map((line) => line.replace(/ \d+$/, '')))].sort(), [
    'baseline chosen object',
    'candidate chosen object',
  ]);
});

t.test('a plan that is none', async (t) => {
  const { code, events } = await start(t, 'export default 1', { schema: 'mayfly.load-plan/v9' } as any, 'run').ended;
  t.match(events, [{ event: 'fault', kind: 'usage', message: /^usage: MAYFLY_LOAD=/ }]);
  t.equal(code, 2);
});
