/** docs/writing-a-benchmark.md is true: its commands are those that are printed, its Compose file is taken. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
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
