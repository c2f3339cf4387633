/**
 * The rules of the layout: stages in order, no import cycle, one file for each foreign package, the load generator on
 * its own, names and images agree.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { IMAGES } from '../scripts/images/images.ts';

const STAGES = ['config', 'plan', 'stack', 'load', 'collect', 'store', 'compare', 'report', 'archive', 'serve'];
/** What every stage may import. */
const SHARED = [
  'scripts/documents/types.ts',
  'scripts/core/errors.ts',
  'scripts/core/paths.ts',
  'scripts/core/text.ts',
  'scripts/core/step.ts',
];
/**
 * Of the load generator the harness imports what both speak of: what is told and what is answered, and pure helpers.
 * The rest runs in its container.
 */
const OF_LOADGEN = ['plan', 'result', 'version', 'schedule', 'requests-file'].map((name) => `loadgen/${name}.ts`);
/** The only files that may import these packages; what measures in scripts/perf may bring servers of its own. */
const KNOWN_BY: Record<string, string[]> = {
  'docker-compose': ['scripts/engine/compose.ts'],
  'node:sqlite': ['scripts/store/sqlite.ts'],
  'log-update': ['scripts/report/progress.ts'],
  'cli-table3': ['scripts/report/columns.ts'],
  ajv: ['scripts/config/schema.ts'],
  tar: ['scripts/archive/maintenance/bundle.ts', 'scripts/engine/tar.ts'],
  '@node-rs/crc32': ['scripts/archive/block-check.ts'],
  fastify: ['scripts/service/server/http.ts'],
  '@fastify': ['scripts/service/server/http.ts'],
  '@octokit/rest': ['scripts/service/tell/github.ts'],
  '@octokit/auth-app': ['scripts/service/tell/github.ts'],
  '@octokit/webhooks': ['scripts/service/server/webhook.ts'],
  nodemailer: ['scripts/service/tell/email.ts'],
  'prom-client': ['scripts/service/server/server-metrics.ts'],
  hyparquet: ['scripts/requests/read-file.ts'],
  'hyparquet-writer': ['loadgen/requests-file.ts'],
  '@grpc/grpc-js': ['loadgen/grpc.ts'],
  '@grpc/proto-loader': ['loadgen/grpc.ts'],
  'tough-cookie': ['loadgen/cookies.ts'],
};
/** The same within the load generator, of packages that the harness uses in several places. */
const KNOWN_IN_LOADGEN: Record<string, string[]> = {
  undici: ['loadgen/http.ts'],
  'csv-parse': ['loadgen/load.ts', 'loadgen/rows.ts'],
};

interface Import {
  file: string;
  target: string;
  typeOnly: boolean;
}

const files = ['scripts', 'loadgen'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file)),
);
const imports: Import[] = files.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/^(import|export)( type)? [^;]*?from '([^']+)';|^import '([^']+)';/gms)].map(
    ([, , type, from, bare]) => {
      const target = from ?? bare!;
      return {
        file,
        typeOnly: Boolean(type),
        target: target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
      };
    },
  ),
);
const stageOf = (file: string) => (file.startsWith('scripts/') ? STAGES.indexOf(file.split('/')[1]!) : -1);
/** Files that import the package. */
const usersOf = (name: string) => [
  ...new Set(imports.filter(({ target }) => target === name || target.startsWith(`${name}/`)).map(({ file }) => file)),
];

t.test('a stage imports nothing to its right', async (t) => {
  t.ok(imports.length > 50, 'imports were found');
  for (const { file, target, typeOnly } of imports) {
    if (stageOf(file) < 0 || !target.startsWith('scripts/') || SHARED.includes(target)) continue;
    if (target === 'scripts/app/context.ts' && typeOnly) continue;
    t.ok(stageOf(target) >= 0 && stageOf(target) <= stageOf(file), `${file} imports ${target}`);
  }
});

t.test('there is no import cycle', async (t) => {
  const edges = Map.groupBy(
    imports.filter((one) => !one.typeOnly && files.includes(one.target)),
    (one) => one.file,
  );
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
  for (const [name, allowed] of Object.entries(KNOWN_BY))
    t.same(
      usersOf(name)
        .filter((file) => !file.startsWith('scripts/perf/'))
        .sort(),
      allowed,
      name,
    );
  for (const [name, allowed] of Object.entries(KNOWN_IN_LOADGEN))
    t.same(
      usersOf(name)
        .filter((file) => file.startsWith('loadgen/'))
        .sort(),
      allowed,
      name,
    );
});

t.test(
  'the load generator runs in a container of its own: it imports nothing of the harness, and the harness nothing that belongs there',
  async (t) => {
    const across = imports.filter(
      ({ file, target }) => /^(scripts|loadgen)\//.test(target) && file.split('/')[0] !== target.split('/')[0],
    );
    t.ok(across.length > 10, 'imports were found');
    for (const { file, target } of across) t.ok(OF_LOADGEN.includes(target), `${file} imports ${target}`);
    const outside = imports.filter(({ file, target }) => file.startsWith('loadgen/') && /^(\.\.|\/)/.test(target));
    t.same(outside, []);
  },
);

t.test('every image of the stack is one that the set-up provides', async (t) => {
  const refs = Object.values(IMAGES).map((image: any) => image.ref as string);
  const files = readdirSync('compose', { recursive: true, encoding: 'utf8' }).filter((file) =>
    /^(fleet\/)?[^/]+\.yaml$/.test(file),
  );
  t.ok(files.length >= 3, files.join());
  for (const file of files) {
    for (const [name, service] of Object.entries<any>(
      parse(readFileSync(join('compose', file), 'utf8'), { merge: true }).services,
    )) {
      if (service.image && !service.image.startsWith('${'))
        t.ok(refs.includes(service.image), `${file}: ${name}: ${service.image}`);
    }
  }
});
