/**
 * sh scripts/run.sh dev/generate-licences: writes compose/images/licences.json anew. What is in it stays; for what is
 * new the licences are read from the module's own files and from those of each package that the programs use, and from
 * the jars. So it needs Go and Maven and, for what is not in their caches, the network. It compiles nothing. To have
 * everything read again, remove the file.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { ROOT } from '../app/open.ts';
import { main } from '../core/cli.ts';
import { EXIT } from '../core/errors.ts';
import { run } from '../core/exec.ts';
import { IMAGES } from '../images/images.ts';
import { unpackArtifact } from '../images/make.ts';
import { createProgress } from '../report/progress.ts';
import { faultOf, TABLE } from './licences/allowed.ts';
import { BY_HAND } from './licences/by-hand.ts';
import {
  componentsOf,
  filesNamed,
  jarComponents,
  jarNamed,
  readTable,
  requiredModules,
  type Table,
} from './licences/components.ts';
import { licenceOfJar } from './licences/jars.ts';
import { expressionOf, isLicenceFile } from './licences/texts.ts';

/** name@version, folder of the module, folder of the package; nothing of the standard library. */
const PACKAGE_FORMAT =
  '{{$dir := .Dir}}{{with .Module}}{{if not .Main}}{{with .Replace}}{{.Path}}@{{.Version}}{{else}}{{.Path}}@{{.Version}}{{end}}\t{{.Dir}}\t{{$dir}}{{end}}{{end}}';

/** Old ways of writing a licence in a package.json. */
const OLD_NAMES: Record<string, string> = { 'Apache 2.0': 'Apache-2.0' };

const NOTHING: Table = { go: {}, npm: {}, jars: {} };

await main(async (io) => {
  const known: Table = { ...NOTHING, ...(existsSync(join(ROOT, TABLE)) ? readTable(ROOT) : {}) };
  const table: Table = {
    go: await goLicences(known.go),
    npm: await npmLicences(known.npm),
    jars: await jarLicences(known.jars),
  };
  writeFileSync(join(ROOT, TABLE), `${JSON.stringify(table, null, 2)}\n`);
  io.stdout(
    `wrote ${TABLE}: ${Object.keys(table.go).length} modules, ${Object.keys(table.npm).length} npm packages, ${Object.keys(table.jars).length} jars`,
  );
  const faults = componentsOf(ROOT, table).flatMap((component) => faultOf(component) ?? []);
  for (const fault of new Set(faults)) io.stdout(fault);
  return faults.length > 0 ? EXIT.invalid : EXIT.pass;
});

/** Packages whose lock file does not say their licence: from where they are installed, else as the registry has it. */
async function npmLicences(known: Table['npm']): Promise<Table['npm']> {
  const unsaid = componentsOf(ROOT, NOTHING).filter(
    ({ requiredBy, licence }) => licence === null && basename(requiredBy) === 'package-lock.json',
  );
  const found: Table['npm'] = {};
  for (const { name, version } of unsaid)
    found[`${name}@${version}`] = known[`${name}@${version}`] ?? (await npmLicence(name, version));
  return sorted(found);
}

async function npmLicence(name: string, version: string): Promise<string> {
  const folder = join(ROOT, 'node_modules', name);
  const installed = existsSync(folder) && JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const here = installed && installed.version === version;
  const { license, licenses } = here
    ? installed
    : JSON.parse(
        await run('npm', ['view', `${name}@${version}`, '--json'], {
          what: `asking for the licence of ${name}`,
          env: process.env,
        }),
      );
  const said = license ?? licenses?.type ?? licenses?.map(({ type }: { type: string }) => type).join(' OR ');
  return said ? (OLD_NAMES[said] ?? said) : expressionOf(here ? licenceTexts(folder) : []);
}

async function goLicences(known: Table['go']): Promise<Table['go']> {
  const required = filesNamed(ROOT, 'go.mod').flatMap((file) =>
    requiredModules(readFileSync(join(ROOT, file), 'utf8')).map(({ name, version }) => ({
      file,
      name,
      key: `${name}@${version}`,
    })),
  );
  const unknown = required.filter(({ key }) => !(key in known));
  const folders = new Map<string, Set<string>>();
  for (const file of new Set(unknown.map((module) => module.file))) await addFolders(file, folders);
  const found = required.map(({ name, key }) => {
    if (key in known) return [key, known[key]!];
    const filesSay = expressionOf([...(folders.get(key) ?? [])].flatMap(licenceTexts));
    return [key, BY_HAND[name]?.filesSay === filesSay ? BY_HAND[name].is : filesSay];
  });
  return sorted(Object.fromEntries(found));
}

async function jarLicences(known: Table['jars']): Promise<Table['jars']> {
  const found: Table['jars'] = {};
  for (const file of filesNamed(ROOT, 'pom.xml')) {
    const jars = jarComponents(readFileSync(join(ROOT, file), 'utf8'), file, NOTHING);
    const keys = jars.map(({ name, version }) => `${name}@${version}`);
    const read = keys.every((key) => key in known) ? {} : await readJars(dirname(join(ROOT, file)));
    for (const key of keys) found[key] = known[key] ?? read[key] ?? 'NONE';
  }
  return sorted(found);
}

async function readJars(folder: string): Promise<Table['jars']> {
  const make = Object.values(IMAGES).find((image) => image.folder === folder)?.make;
  if (make?.kind !== 'debian' || !make.maven) throw new TypeError(`no image is made from the pom.xml in ${folder}`);
  const target = await mkdtemp(join(tmpdir(), 'mayfly-licences-'));
  const progress = createProgress({ stream: process.stderr, quiet: false });
  const step = progress.step(`fetch the jars of ${basename(folder)}`);
  try {
    await unpackArtifact(make.maven.sha256, { folder, target }, { env: process.env, step });
    step.done();
    const jars = readdirSync(target, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.jar'));
    return Object.fromEntries(
      jars.map((file) => {
        const { name, version } = jarNamed(basename(file));
        const saysOfItself = licenceOfJar(readFileSync(join(target, file)));
        return [`${name}@${version}`, BY_HAND[name]?.filesSay === saysOfItself ? BY_HAND[name].is : saysOfItself];
      }),
    );
  } finally {
    progress.close();
    await rm(target, { recursive: true, force: true });
  }
}

/**
 * Of each module its own folder, and those between it and every package that the programs of this go.mod use. Modules
 * that are missing are fetched.
 */
async function addFolders(file: string, folders: Map<string, Set<string>>): Promise<void> {
  const add = (key: string, folder: string) => folders.set(key, (folders.get(key) ?? new Set()).add(folder));
  const copy = await mkdtemp(join(tmpdir(), 'mayfly-licences-')); // Go may write into go.sum
  try {
    await cp(join(ROOT, dirname(file)), copy, { recursive: true });
    const env = { ...process.env, GOFLAGS: '-mod=readonly', GOWORK: 'off', CGO_ENABLED: '0', GOOS: 'linux' };
    const modules = await run('go', ['mod', 'download', '-json'], {
      what: `fetching the modules of ${file}`,
      cwd: copy,
      env,
    });
    for (const { Path, Version, Dir } of jsonTexts(modules)) add(`${Path}@${Version}`, Dir!);
    for (const GOARCH of ['amd64', 'arm64']) {
      const packages = await run(
        'go',
        ['list', '-deps', `-tags=${tagsOf(file)}`, `-f=${PACKAGE_FORMAT}`, usesTools(copy) ? 'tool' : '.'],
        { what: `listing the packages of ${file}`, cwd: copy, env: { ...env, GOARCH } },
      );
      for (const [key, top, folder] of packages
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split('\t') as [string, string, string])) {
        for (let one = folder; one.length >= top.length; one = dirname(one)) add(key, one);
      }
    }
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

function usesTools(folder: string): boolean {
  return /^tool\b/m.test(readFileSync(join(folder, 'go.mod'), 'utf8'));
}

function tagsOf(file: string): string {
  const image = Object.values(IMAGES).find(({ folder }) => folder === join(ROOT, dirname(file)));
  return image?.make.kind === 'go' ? image.make.tags.join(',') : '';
}

function licenceTexts(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && isLicenceFile(entry.name))
    .map(({ name }) => readFileSync(join(folder, name), 'utf8'));
}

/** Several JSON objects, one after the other. */
function jsonTexts(text: string): Record<string, string>[] {
  return text
    .split(/^(?=\{)/m)
    .filter((part) => part.trim())
    .map((part) => JSON.parse(part));
}

function sorted(table: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)));
}
