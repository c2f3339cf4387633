/** The rules of the layout: stages in order, no import cycle, one file for each foreign package, names and images agree. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { IMAGES } from '../scripts/setup/images.ts';

const STAGES = ['config', 'plan', 'stack', 'load', 'collect', 'store', 'compare', 'report', 'archive', 'serve'];
/** What every stage may import. */
const SHARED = ['scripts/types.ts', 'scripts/errors.ts', 'scripts/paths.ts', 'scripts/text.ts', 'scripts/step.ts'];
/** The only files that may import these packages. */
const KNOWN_BY: Record<string, string[]> = {
  'docker-compose': ['scripts/stack/compose.ts'],
  'node:sqlite': ['scripts/store/sqlite.ts'],
  'log-update': ['scripts/report/progress.ts'],
  'cli-table3': ['scripts/report/columns.ts'],
  ajv: ['scripts/config/schema.ts'],
  tar: ['scripts/archive/care/bundle.ts'],
  '@node-rs/crc32': ['scripts/archive/block-check.ts'],
  fastify: ['scripts/serve/http.ts'],
  '@fastify': ['scripts/serve/http.ts'],
  '@octokit/rest': ['scripts/report/github.ts'],
  '@octokit/auth-app': ['scripts/report/github.ts'],
  '@octokit/webhooks': ['scripts/serve/webhook.ts'],
  nodemailer: ['scripts/report/email.ts'],
  'prom-client': ['scripts/serve/metrics.ts'],
};

interface Import {
  file: string;
  target: string;
  typeOnly: boolean;
}

const files = readdirSync('scripts', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => join('scripts', file));
const imports: Import[] = files.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/^(import|export)( type)? [^;]*?from '([^']+)';|^import '([^']+)';/gms)].map(([, , type, from, bare]) => {
    const target = from ?? bare!;
    return { file, typeOnly: Boolean(type), target: target.startsWith('.') ? normalize(join(dirname(file), target)) : target };
  }),
);
const stageOf = (file: string) => STAGES.indexOf(file.split('/')[1]!);

t.test('a stage imports nothing to its right', async (t) => {
  t.ok(imports.length > 50, 'imports were found');
  for (const { file, target, typeOnly } of imports) {
    if (stageOf(file) < 0 || !target.startsWith('scripts/') || SHARED.includes(target)) continue;
    if (target === 'scripts/context.ts' && typeOnly) continue;
    t.ok(stageOf(target) >= 0 && stageOf(target) <= stageOf(file), `${file} imports ${target}`);
  }
});

t.test('there is no import cycle', async (t) => {
  const edges = Map.groupBy(imports.filter((one) => !one.typeOnly && one.target.startsWith('scripts/')), (one) => one.file);
  const done = new Set<string>();
  const visit = (file: string, path: string[]): string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const { target } of edges.get(file) ?? []) {
      const cycle = visit(target, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return null;
  };
  for (const file of files) t.equal(visit(file, [])?.join(' -> '), undefined);
});

t.test('one file knows each foreign package', async (t) => {
  for (const [name, allowed] of Object.entries(KNOWN_BY)) {
    const users = [...new Set(imports.filter(({ target }) => target === name || target.startsWith(`${name}/`)).map(({ file }) => file))];
    t.same(users, allowed, name);
  }
});

t.test('every image of the stack is one that the set-up provides', async (t) => {
  const refs = Object.values(IMAGES).map((image: any) => image.ref as string);
  const files = readdirSync('compose', { recursive: true, encoding: 'utf8' }).filter((file) => /^(fleet\/)?[^/]+\.yaml$/.test(file));
  t.ok(files.length >= 3, files.join());
  for (const file of files) {
    for (const [name, service] of Object.entries<any>(parse(readFileSync(join('compose', file), 'utf8'), { merge: true }).services)) {
      if (service.image && !service.image.startsWith('${')) t.ok(refs.includes(service.image), `${file}: ${name}: ${service.image}`);
    }
  }
});
