/**
 * Types of `mayfly/load` where a script is written: in another repository, linked as npm links it; and docs/loadgen.md,
 * whose scripts are checked and loaded.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Model, ScenarioModel } from '../../loadgen/plan.ts';
import { closed, folder, planFor, start } from './generator.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/loadgen.md'), 'utf8');
const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(([, text]) => text!);
const [TSCONFIG] = blocks('json');
const SCRIPTS = blocks('ts');

const FILES = {
  'people.csv': 'name,city\nAnn,Ulm\n',
  'settings.json': '{"limit":3}',
  'ca.pem': '',
  'shop.proto':
    'syntax = "proto3"; package shop; message Line { int32 product = 1; int32 quantity = 2; } message Empty {} service Cart { rpc Add (Line) returns (Empty); rpc AddMany (stream Line) returns (Empty); }',
};

/**
 * What the compiler says of scripts in a repository that has installed Mayfly by its path: npm makes a link to the
 * folder (`npm install --save-dev PATH`, npm 11).
 */
function compiled(
  t: Test,
  scripts: Record<string, string>,
  { type = 'module', tsconfig = TSCONFIG! }: { type?: string; tsconfig?: string } = {},
): string[] {
  const inFolder = Object.fromEntries(Object.entries(scripts).map(([name, text]) => [`benchmarks/shop/${name}`, text]));
  const other = folder(t, {
    'package.json': JSON.stringify({ name: 'other', private: true, type }),
    'tsconfig.json': tsconfig,
    'node_modules/.keep': '',
    ...inFolder,
  });
  symlinkSync(ROOT, join(other, 'node_modules/mayfly'));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/lib/tsc.js'), '--project', other, '--pretty', 'false'],
    { encoding: 'utf8', cwd: other },
  );
  const lines = stdout.trim().split('\n').filter(Boolean);
  t.strictSame({ failed: status !== 0, stderr }, { failed: lines.length > 0, stderr: '' });
  return lines;
}

t.test('every script of the page has types in another repository, ours: what there is not is an error', async (t) => {
  t.ok(SCRIPTS.length >= 8);
  const said = compiled(t, {
    ...Object.fromEntries(SCRIPTS.map((text, i) => [`${i}.ts`, text])),
    'property.ts': `import { defineLoad } from 'mayfly/load';\nexport default defineLoad(({ http, nothing }) => http.get('/', { nam: 'x' }));\n`,
    'module.ts': `import { defineLoad } from 'mayfly/loads';\nexport default defineLoad;\n`,
  });
  t.match(said.sort(), [
    /^benchmarks\/shop\/module\.ts.* Cannot find module 'mayfly\/loads'/,
    /^benchmarks\/shop\/property\.ts\(2,\d+\): error TS2339: Property 'nothing' does not exist on type 'Iteration/,
    /^benchmarks\/shop\/property\.ts\(2,\d+\): error TS2561: .*'nam' does not exist/,
  ]);
  t.equal(said.length, 3, said.join('\n'));
});

t.test('in a package of CommonJS, without what the page says to leave out; and for a bundler', async (t) => {
  const plain = JSON.parse(TSCONFIG!);
  delete plain.compilerOptions.verbatimModuleSyntax;
  t.same(compiled(t, { 'load.ts': SCRIPTS[0]! }, { type: 'commonjs', tsconfig: JSON.stringify(plain) }), []);
  const bundler = {
    compilerOptions: {
      module: 'esnext',
      moduleResolution: 'bundler',
      noEmit: true,
      strict: true,
      allowImportingTsExtensions: true,
    },
  };
  t.same(compiled(t, { 'load.ts': SCRIPTS[0]! }, { tsconfig: JSON.stringify(bundler) }), []);
});

/** Of a script that has a function for each: scenarios of these names. */
function modelOf(text: string): { model?: Model } {
  const names = [...text.matchAll(/^ {2}(\w+): (?:async )?\(\{/gm)].map(([, name]) => name!);
  if (!/^export default defineLoad\((\{.*\}, )?\{$/m.test(text) || /setUp/.test(text)) return {};
  const scenarios = names.map((name) => ({ name, startS: 0, maxInFlight: 1, model: closed(1, 1) as ScenarioModel }));
  return { model: { kind: 'scenarios', durationS: 30, scenarios } };
}

t.test('every script of the page loads, and its requests are ones that there are', async (t) => {
  const left = [...SCRIPTS];
  const check = async () => {
    for (let text = left.shift(); text !== undefined; text = left.shift()) {
      const { code, events, stderr } = await start(
        t,
        { ...FILES, 'load.ts': text },
        planFor(['http://127.0.0.1:1'], modelOf(text)),
        'check',
      ).ended;
      t.match({ code, events }, { code: 0, events: [{ event: 'checked' }] }, `${text}\n${stderr}`);
    }
  };
  await Promise.all([check(), check(), check()]);
});
