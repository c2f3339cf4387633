/** docs/writing-a-benchmark.md is true: its commands are those that are printed, its Compose file is taken. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { oneShotsOf } from '../../scripts/config/compose-check.ts';
import { loadConfig } from '../../scripts/config/config.ts';
import { makeBenchmark, nextSteps, templates } from '../../scripts/config/template.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/writing-a-benchmark.md'), 'utf8');
const blocks = (language: string) =>
  [...PAGE.matchAll(/^```(\w*)\n(.*?)^```$/gms)].filter(([, of]) => of === language).map(([, , text]) => text!);

t.test('every template is on the page, and none that is not there', async (t) => {
  const listed = [...PAGE.matchAll(/^\| `(\w+)` \| a service/gm)].map(([, name]) => name!);
  t.strictSame(listed.sort(), templates(ROOT));
});

t.test('what is printed next is what the page has', async (t) => {
  const made = { name: 'hello', dir: '/home/me/hello', files: [], benchmark: '/home/me/hello', repository: null };
  t.equal(blocks('sh')[0], `${nextSteps(made)}\n`);
});

t.test('the slower greeting fits into the template', async (t) => {
  const server = readFileSync(join(ROOT, 'benchmarks/templates/http/service/server.ts'), 'utf8');
  const [line] = blocks('ts')[0]!.split('\n');
  t.ok(server.split('\n').includes(line!), line!);
});

t.test('the one-shot service is one, and is taken', async (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mayfly-page-')));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const { dir } = makeBenchmark({ name: 'hello', template: 'http', folder }, { root: ROOT, cwd: ROOT });
  const [added] = blocks('yaml').map((text) => parse(text));
  const file = join(dir, 'compose.yaml');
  const { services } = parse(readFileSync(file, 'utf8'));
  const laid = { ...added.services, hello: { ...services.hello, ...added.services.hello } };
  t.strictSame(oneShotsOf(laid), new Map([['seed', 'hello']]));
  writeFileSync(file, stringify({ ...added, services: laid }));
  t.match(await loadConfig({ benchmark: dir }, { root: ROOT, cwd: ROOT }), { benchmark: 'hello' });
});

/** A template in a folder of the test's own. */
function made(t: Test, template: string): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mayfly-page-')));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return makeBenchmark({ name: 'hello', template, folder }, { root: ROOT, cwd: ROOT }).dir;
}

/** Lays lists behind lists, and objects over objects. */
function laidOver(file: string, added: Record<string, unknown>): void {
  const under = parse(readFileSync(file, 'utf8'));
  for (const [key, value] of Object.entries(added))
    under[key] = Array.isArray(value) ? [...(under[key] ?? []), ...value] : value;
  writeFileSync(file, stringify(under));
}

t.test('the metrics of a function are taken', async (t) => {
  const dir = made(t, 'http');
  laidOver(join(dir, 'benchmark.yaml'), parse(blocks('yaml')[1]!));
  const { traces, metrics } = await loadConfig({ benchmark: dir }, { root: ROOT, cwd: ROOT });
  t.match(traces, { sampling: 0.1 });
  t.match(
    metrics.filter(({ name }) => /^hello_/.test(name)),
    [
      { name: 'hello_cpu', unit: 's', primary: true },
      { name: 'hello_self', unit: 's', primary: false },
    ],
  );
});

t.test('the second trigger is taken, and what is shown of a function is in the benchmark of that kind', async (t) => {
  const dir = made(t, 'event');
  laidOver(join(dir, 'triggers.yaml'), parse(blocks('yaml')[2]!));
  const { broker, metrics } = await loadConfig({ benchmark: dir }, { root: ROOT, cwd: ROOT });
  t.match(broker!.triggers, [{ name: 'greetings' }, { name: 'letters', filter: { channel: 'post' }, retries: 5 }]);
  const [, listed] = /^\| what gates, or is shown \| \|\n([^]*?)\n\n/m.exec(PAGE)!;
  const names = [...listed!.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  t.ok(names.length > 15);
  for (const name of names)
    t.ok(
      metrics.some((metric) => metric.name === name),
      name,
    );
  const [, send, three] = blocks('ts');
  const without = (text: string) => text.replace(", channel: 'post'", '').trim();
  t.ok(readFileSync(join(dir, 'service/producer.ts'), 'utf8').includes(without(send!).replace(/^await |;$/g, '')));
  const producer = readFileSync(join(ROOT, 'benchmarks/chain-async/functions/producer.ts'), 'utf8');
  for (const line of three!.trim().split('\n')) t.ok(producer.includes(line), line);
});
