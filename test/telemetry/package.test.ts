/** The package as npm makes it, used by a plain JavaScript service and, with the decorator, by one in TypeScript. */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import t from 'tap';
import { readStrict } from './strict-files.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const TSC = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc');
/** A Node.js without the flags of this test's. */
const env = { ...process.env, NODE_OPTIONS: '' };

/** A folder of a service that has installed the package. */
const service = t.testdir({ source: {}, service: { 'package.json': '{"type": "module"}' } });
const inService = join(service, 'service');

t.before(() => {
  for (const name of ['src', 'package.json', 'tsconfig.json', 'README.md', 'LICENSE']) {
    cpSync(join(ROOT, 'telemetry', name), join(service, 'source', name), { recursive: true });
  }
  const npm = { env, encoding: 'utf8' as const, stdio: 'pipe' as const };
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', service], { ...npm, cwd: join(service, 'source') })
      // Of the script that builds it come lines before.
      .replace(/^[^]*?(?=^\[$)/m, ''),
  );
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', join(service, packed.filename)], {
    ...npm,
    cwd: inService,
  });
});

t.test('what is in it', async (t) => {
  const installed = join(inService, 'node_modules/mayfly-telemetry');
  const { dependencies, version, license } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  t.same({ dependencies, license }, { dependencies: undefined, license: 'Apache-2.0' });
  t.match(version, /^\d+\.\d+\.\d+$/);
  for (const file of ['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts'])
    t.ok(readFileSync(join(installed, file)).length > 0, file);
  t.throws(() => readFileSync(join(installed, 'src/index.ts')), 'the source stays at home');
});

t.test('a plain JavaScript service uses it', async (t) => {
  writeFileSync(
    join(inService, 'plain.js'),
    `import { start, startDuration, stop, stopDuration, time } from 'mayfly-telemetry';
     console.log(start(), startDuration());
     console.log(start({ dir: 'plain', runtime: false }));
     const id = startDuration();
     stopDuration('block', id);
     time('function', () => 1);
     console.log(stop(), stop());`,
  );
  const said = execFileSync(process.execPath, ['plain.js'], { cwd: inService, encoding: 'utf8', env });
  t.equal(said, 'false 0\ntrue\ntrue false\n');
  t.same(
    readStrict(join(inService, 'plain'))[0]!.rows.map(({ label }) => label),
    ['block', 'function'],
  );
});

t.test('@timed is the standard decorator: tsc compiles it, and every call is timed', async (t) => {
  writeFileSync(
    join(inService, 'shop.ts'),
    `import { start, stop, timed } from 'mayfly-telemetry';
     class Shop {
       #name = 'shop';
       static kinds = 0;
       @timed('order') order(lines: number): string { return this.#name + lines; }
       @timed('pay') async pay(cents: number): Promise<number> { return cents * 2; }
       @timed('fail') async fail(): Promise<void> { throw new Error('of ' + this.#name); }
       @timed('kind') static kind(): number { return ++Shop.kinds; }
     }
     const shop = new Shop();
     const said: unknown[] = [shop.order(1)];
     start({ dir: 'decorated', runtime: false });
     said.push(shop.order(2), await shop.pay(3), await shop.fail().catch((error: Error) => error.message), Shop.kind());
     stop();
     said.push(shop.order(3));
     console.log(JSON.stringify(said));`,
  );
  execFileSync(
    process.execPath,
    [TSC, '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node', '--ignoreConfig', 'shop.ts'],
    {
      cwd: inService,
      encoding: 'utf8',
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const said = execFileSync(process.execPath, ['shop.js'], { cwd: inService, encoding: 'utf8', env });
  t.same(JSON.parse(said), ['shop1', 'shop2', 6, 'of shop', 1, 'shop3']);
  t.same(
    readStrict(join(inService, 'decorated'))[0]!.rows.map(({ label }) => label),
    ['order', 'pay', 'fail', 'kind'],
  );
});
