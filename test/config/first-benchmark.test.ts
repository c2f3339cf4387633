/** docs/first-benchmark.md shows whole files: they are what bench takes. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../../scripts/config/config.ts';
import { checkPromql } from '../../scripts/plan/promql.ts';
import { context } from '../archive/trend-context.ts';
import { engine } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

t.test('the first benchmark of the documents is one', async (t) => {
  const root = join(import.meta.dirname, '../..');
  const repository = mkdtempSync(join(tmpdir(), 'mayfly-first-'));
  t.teardown(() => rmSync(repository, { recursive: true, force: true }));
  const page = readFileSync(join(root, 'docs/first-benchmark.md'), 'utf8');
  const files = [...page.matchAll(/^```(?:yaml|ts)\n(?:#|\/\/) (\S+)\n(.*?)^```$/gms)].map(([, name, text]) => [
    name!,
    text!,
  ]);
  t.same(
    files.map(([name]) => name),
    ['perf/hello/benchmark.yaml', 'perf/hello/compose.yaml', 'perf/hello/load.ts'],
  );
  for (const [name, text] of [...files, ['Dockerfile', 'FROM scratch\n']] as [string, string][]) {
    mkdirSync(dirname(join(repository, name)), { recursive: true });
    writeFileSync(join(repository, name), text.replace('/home/me/greeter', repository));
  }
  mkdirSync(join(repository, '.git')); // a repository, as far as its name goes
  const config = await loadConfig({ benchmark: join(repository, 'perf/hello') }, { root, cwd: root });
  t.match(config, {
    benchmark: 'perf-hello',
    load: { target: 'http://hello:8080', rate: 200, durationS: 5, warmupS: 2 },
    scrape: [{ service: 'hello', port: 8080 }],
  });
  await checkPromql(config, context(t));
});
