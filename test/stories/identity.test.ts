/** What a load script is known by, and what is wrong with it, before anything is built. */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import t, { type Test } from 'tap';
import type { Load } from '../../scripts/config/types.ts';
import { ownerLabels } from '../../scripts/engine/owner.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { ownGenerator } from '../../scripts/measure/load/own-generator.ts';
import type { SetupResult } from '../../scripts/setup/machine.ts';
import { context } from '../archive/trend-context.ts';
import {
  dataFolder,
  engine,
  mayfly,
  nothingLeft,
  onEngine,
  probeBenchmark,
  probeRepository,
  run,
} from '../e2e/helpers.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';

t.teardown(() => engine.close());

const FILES: Record<string, string> = {
  'load.ts': `import { csv, defineLoad, json } from 'mayfly/load';
import { path } from './lib/paths.ts';
import weights from './weights.json' with { type: 'json' };
import { greeting } from 'a-package';
import old from './old.cjs';
const rows = csv('data/products.csv');
const { limit } = json('data/limits.json');
export default defineLoad(async ({ http, random }) => {
  const { late } = await import('./lib/late.js');
  return http.get(path(rows[Math.floor(random() * Math.min(limit, rows.length))].id, weights.one, greeting, old.word, late));
});
`,
  'lib/paths.ts': `import { base } from './base.ts';\nexport const path = (...parts: unknown[]) => base + parts.join('-');\n`,
  'lib/base.ts': `export const base = '/products/';\n`,
  'lib/late.js': `export const late = 'late';\n`,
  'weights.json': '{"one": 1}\n',
  'old.cjs': `module.exports = { word: require('./word.cjs') };\n`,
  'word.cjs': `module.exports = 'word';\n`,
  'node_modules/a-package/package.json':
    '{"name": "a-package", "version": "1.0.0", "type": "module", "exports": "./index.js"}\n',
  'node_modules/a-package/index.js': `export const greeting = 'hello';\n`,
  'data/products.csv': 'id,name\n1,lamp\n2,table\n',
  'data/limits.json': '{"limit": 2}\n',
  'README.md': '# A benchmark\n',
  'benchmark.yaml': 'description: not looked at here\n',
  'data/not-read.csv': 'id\n1\n',
};

function write(folder: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

function newFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-identity-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Gives the identity of the script of a folder, and whether it was tried for it. */
function identifying(t: Test) {
  const ctx = context(t);
  const machine = { images: { node: { ref: IMAGES.node.ref } } } as unknown as SetupResult;
  let tries = 0;
  const paths = { ...ctx.paths, cache: join(ctx.paths.data, 'cache-of-its-own') };
  const counting = {
    ...ctx,
    paths,
    machine,
    engine: { ...engine, create: (spec: Parameters<typeof engine.create>[0]) => (tries++, engine.create(spec)) },
  };
  return async (dir: string, laid: Partial<Load> = {}): Promise<{ workload: string; tried: boolean }> => {
    const load: Load = { ...aConfig().load, generator: { kind: 'mayfly', script: join(dir, 'load.ts') }, ...laid };
    const before = tries;
    const workload = await ownGenerator().identify(
      aPlan(['candidate'], {
        config: aConfig({ dir, load }),
        labels: ownerLabels('01TESTRUN'),
        project: `mayfly-test-identity-${process.pid}`,
      }),
      counting,
    );
    return { workload, tried: tries > before };
  };
}

t.test(
  'the script, every module that it imports and every file that it reads make it another workload; nothing else does',
  async (t) => {
    const identify = identifying(t);
    const folder = newFolder(t);
    write(folder, FILES);
    const first = await identify(folder);
    t.match(first, { workload: /^[0-9a-f]{16}$/, tried: true });
    t.same(await identify(folder), { ...first, tried: false }, 'the same files are not tried again');

    for (const name of ['README.md', 'benchmark.yaml', 'data/not-read.csv', 'new.ts']) {
      write(folder, { [name]: 'something else\n' });
      t.same(await identify(folder), { ...first, tried: false }, name);
    }
    const seen = new Set([first.workload]);
    // What counts as a file of the script, kind by kind, is in test/loadgen/check.test.ts.
    for (const name of ['load.ts', 'lib/base.ts', 'lib/late.js', 'data/products.csv']) {
      write(folder, { [name]: `${FILES[name]}${name.endsWith('.csv') ? '3,chair\n' : '\n'}` });
      const { workload, tried } = await identify(folder);
      t.ok(tried && !seen.has(workload), `${name}: tried again, and another workload`);
      seen.add(workload);
      write(folder, { [name]: FILES[name]! });
    }
    t.equal((await identify(folder)).workload, first.workload, 'as it was before: the same one');

    const copy = join(newFolder(t), 'of another name');
    cpSync(folder, copy, { recursive: true });
    t.equal((await identify(copy)).workload, first.workload, 'wherever the folder lies');
    renameSync(join(copy, 'lib/base.ts'), join(copy, 'lib/basis.ts'));
    write(copy, { 'lib/paths.ts': FILES['lib/paths.ts']!.replace('base.ts', 'basis.ts') });
    t.not((await identify(copy)).workload, first.workload);
    t.same(await onEngine(), []);
  },
);

t.test('a file of requests is part of the workload, with a script and without', async (t) => {
  const identify = identifying(t);
  const folder = newFolder(t);
  write(folder, {
    'log.csv': 'at,method,path\n0,GET,/\n1,GET,/a\n',
    'load.ts': `import { defineLoad } from 'mayfly/load';\nexport default defineLoad(({ http, row }) => http.get(row!.path!));\n`,
  });
  const model = { kind: 'open', arrivals: 'file', file: join(folder, 'log.csv'), rate: 1, durationS: 2 } as const;
  const [alone, scripted] = [{ model, generator: { kind: 'mayfly', script: null } } as const, { model }];
  const before = [await identify(folder, alone), await identify(folder, scripted)];
  t.not(before[0]!.workload, before[1]!.workload);
  t.same((await identify(folder, alone)).tried, false);
  write(folder, { 'log.csv': 'at,method,path\n0,GET,/\n1,GET,/b\n' });
  const after = [await identify(folder, alone), await identify(folder, scripted)];
  t.equal(new Set([...before, ...after].map(({ workload }) => workload)).size, 4);
});

const WITH = (what: string) => `import { defineLoad } from 'mayfly/load';\n${what}\n`;
const OK = "export default defineLoad(({ http }) => http.get('/'));";
/** What is wrong -> the script, what is said, and what hint is given. All faults are in test/loadgen/check.test.ts. */
const BROKEN: [what: string, script: string, said: RegExp, hint?: RegExp][] = [
  [
    'it does not parse',
    WITH(`export default defineLoad(({ http }) => http.get('/');`),
    /probe\/load\.ts:2 .*(Expected|Unexpected|missing)/,
  ],
  [
    'it throws when it is loaded',
    WITH(`const table: number[] = [];\ntable.at(0)!.toFixed();\n${OK}`),
    /probe\/load\.ts:3 .*undefined/,
  ],
  [
    'an unknown option',
    WITH(`export default defineLoad({ cookeis: true }, ({ http }) => http.get('/'));`),
    /probe\/load\.ts:2 defineLoad has no option cookeis/,
    /It takes setUp, http, tls, grpc, cookies/,
  ],
  [
    'a data file outside of the folder',
    WITH(`import { text } from 'mayfly/load';\nconst rows = text('../compose.yaml');\n${OK}`),
    /probe\/load\.ts:3 \.\.\/compose\.yaml is outside of the benchmark's folder/,
  ],
  [
    'it ends the process',
    WITH(`process.exit(0);\n${OK}`),
    /probe: load\.ts ended a thread of the load generator: does it call process\.exit\(\)\?/,
  ],
];

t.test('a bad load script ends with exit code 2, file and line, before anything is built', async (t) => {
  const { folder } = await probeRepository(t, [{}]);
  const data = dataFolder(t);
  const benchmarks = BROKEN.map(([what, script, said, hint]) => {
    const benchmark = probeBenchmark(t, {
      build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile', args: { WHAT: what } } },
    });
    writeFileSync(join(benchmark, 'load.ts'), script);
    return { what, benchmark, said, hint };
  });
  t.jobs = 2;
  for (const { what, benchmark, said, hint } of benchmarks) {
    t.test(what, async (t) => {
      const { code, stdout, stderr } = await mayfly('bench', [`--benchmark=${benchmark}`], data).done;
      t.match({ code, stdout }, { code: 2, stdout: '' }, stderr);
      t.match(stderr, said);
      if (hint) t.match(stderr, hint);
      t.notMatch(
        stderr,
        /^\s+at |\/mayfly\/loadgen|file:\/\//m,
        'neither a stack trace nor a path that only the container knows',
      );
      t.notMatch(stderr, /build probe|start the stack/);
    });
  }
  await t.test('nothing was built, and nothing is left', async (t) => {
    t.notOk(
      (await run('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}']).done).stdout.includes(
        (await run('git', ['-C', folder, 'rev-parse', '--short=12', 'HEAD']).done).stdout.trim(),
      ),
      'no image of its commit',
    );
    t.same(JSON.parse((await mayfly('runs', ['--json'], data).done).stdout).runs, []);
    await nothingLeft(t, data);
  });
});

t.test(
  'what a load script says of itself is not believed, and no file outside of its folder is looked at',
  async (t) => {
    const identify = identifying(t);
    const folder = newFolder(t);
    const elsewhere = join(newFolder(t), 'file-of-the-host');
    writeFileSync(elsewhere, 'a secret of the host');
    symlinkSync(elsewhere, join(folder, 'link'));
    symlinkSync('/dev/zero', join(folder, 'endless'));
    const sha256 = createHash('sha256').update(readFileSync(elsewhere)).digest('hex');
    const up = relative(folder, '/');
    for (const files of [
      {},
      { 'load.ts': '0'.repeat(64) },
      { [relative(folder, elsewhere)]: sha256 },
      { link: sha256 },
      { [`${up}/dev/zero`]: sha256 },
      { endless: sha256 },
      { '.': sha256 },
      { '': sha256 },
    ]) {
      const forged = JSON.stringify(`${JSON.stringify({ event: 'checked', files })}\n`);
      write(folder, {
        'load.ts': `import { defineLoad } from 'mayfly/load';\nimport { writeSync } from 'node:fs';\nwriteSync(1, ${forged});\nexport default defineLoad(({ http }) => http.get('/'));\n`,
      });
      await t.rejects(
        identify(folder),
        { name: 'UsageError', message: /the load script's files have changed while it was tried/ },
        JSON.stringify(files),
      );
    }
  },
);
