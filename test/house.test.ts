/** The house: types, format, what may import what, what nobody uses; and that these checks can fail. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { CHECKS } from '../scripts/dev/lint.ts';

const ROOT = join(import.meta.dirname, '..');
const run = (program: string, args: string[], cwd = ROOT) => {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
};

/** What the compiler has found of files that are as they were is kept as long as node_modules is. */
const KEPT = ['--incremental', '--tsBuildInfoFile', join('node_modules', '.cache', 'mayfly-tests', 'types.json')];

for (const [what, [program, ...args]] of Object.entries(CHECKS)) {
  t.test(what, async (t) => {
    const { status, said } = run(program, program === 'tsc' ? [...args, ...KEPT] : args);
    t.equal(status, 0, said);
  });
}

t.test('an import upwards, a circle and a package of another file are found', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-house-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['.dependency-cruiser.mjs', 'tsconfig.json', 'package.json', 'node_modules'])
    symlinkSync(join(ROOT, name), join(folder, name));
  const lay = (file: string, text: string) => {
    mkdirSync(join(folder, file, '..'), { recursive: true });
    writeFileSync(join(folder, file), text);
  };
  lay('scripts/commands/show.ts', 'export const show = 1;\n');
  lay('scripts/core/a.ts', "import '../commands/show.ts';\nimport { b } from './b.ts';\nexport const a = () => b;\n");
  lay('scripts/core/b.ts', "import 'fastify';\nimport { a } from './a.ts';\nexport const b = () => a;\n");
  lay('loadgen/planted.ts', "import 'undici';\n");
  const { status, said } = run('depcruise', ['--config', '.dependency-cruiser.mjs', 'scripts', 'loadgen'], folder);
  t.not(status, 0);
  for (const rule of [
    'core imports only',
    'no circle of imports',
    'stand above all',
    'fastify is known by',
    'undici is known by',
  ])
    t.match(said, rule);
});
