/** Every npm package, Go module and jar that an image, or Mayfly itself, is built from, with its licence. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Component, TABLE } from './allowed.ts';

/** `name@version` -> licence: of Go modules, of npm packages whose lock file does not say it, and of jars. */
export type Table = Record<'go' | 'npm' | 'jars', Record<string, string>>;

interface LockedPackage {
  version: string;
  license?: string;
  /** Where a package stands under another name than its own. */
  name?: string;
  link?: boolean;
}

/** Files that ask for packages, from the top of the checkout: those of images and of services, and Mayfly's own. */
export const filesNamed = (root: string, name: string): string[] =>
  ['', 'compose', 'benchmarks']
    .flatMap((folder) =>
      globSync(join(folder, folder ? '**' : '', name), {
        cwd: root,
        exclude: (path) => path.split('/').includes('node_modules'),
      }),
    )
    .sort();

export function readTable(root: string): Table {
  return JSON.parse(readFileSync(join(root, TABLE), 'utf8')) as Table;
}

export function componentsOf(root: string, table: Table): Component[] {
  const read = (file: string) => readFileSync(join(root, file), 'utf8');
  return [
    ...filesNamed(root, 'package-lock.json').flatMap((file) => npmComponents(read(file), file, table)),
    ...filesNamed(root, 'go.mod').flatMap((file) => goComponents(read(file), file, table)),
    ...filesNamed(root, 'pom.xml').flatMap((file) => jarComponents(read(file), file, table)),
  ];
}

/** Those of a lock file, also the ones for other systems than this. */
export function npmComponents(lock: string, requiredBy: string, table: Table): Component[] {
  const packages = Object.entries((JSON.parse(lock) as { packages: Record<string, LockedPackage> }).packages);
  return packages.flatMap(([path, { name = path.split('node_modules/').at(-1)!, version, license, link }]) => {
    if (path === '' || link) return [];
    return { name, version, requiredBy, licence: license ?? table.npm[`${name}@${version}`] ?? null };
  });
}

/** All that go.mod requires, whether it ends in a program or not; what is replaced counts as what replaces it. */
export function goComponents(goMod: string, requiredBy: string, table: Table): Component[] {
  return requiredModules(goMod).map(({ name, version }) => ({
    name,
    version,
    requiredBy,
    licence: table.go[`${name}@${version}`] ?? null,
  }));
}

/** The jars that a pom.xml takes out of its artifact. Any other stays out of the image. */
export function jarComponents(pom: string, requiredBy: string, table: Table): Component[] {
  return [...pom.matchAll(/\bBOOT-INF\/lib\/([^\s,]+)/g)].map(([, file]) => {
    const { name, version } = jarNamed(file!);
    return { name, version, requiredBy, licence: table.jars[`${name}@${version}`] ?? null };
  });
}

/** `netty-codec-4.1.121.Final.jar`: the version begins with the first digit after a hyphen. */
export function jarNamed(file: string): Module {
  const [, name, version] = /^([\w-]+?)-(\d[\w.-]*)\.jar$/.exec(file) ?? [];
  if (!name) throw new TypeError(`no name of a jar with its version: ${file}`);
  return { name, version: version! };
}

interface Module {
  name: string;
  version: string;
}

export function requiredModules(goMod: string): Module[] {
  const replaced = directives(goMod, 'replace').map((line) => {
    const [, name, version, by, byVersion] = /^(\S+)(?: (v\S+))? => (\S+) (v\S+)$/.exec(line) ?? [];
    if (!name) throw new TypeError(`a replacement that is no module: ${line}`);
    return { name, version, by: { name: by!, version: byVersion! } };
  });
  return directives(goMod, 'require').map((line) => {
    const [name, version] = line.split(' ') as [string, string];
    return (
      replaced.find((one) => one.name === name && (one.version === undefined || one.version === version))?.by ?? {
        name,
        version,
      }
    );
  });
}

/** The lines of one kind, alone or in brackets, without comments. */
function directives(goMod: string, kind: string): string[] {
  const found: string[] = [];
  let block: string | undefined;
  for (const line of goMod
    .split('\n')
    .map((text) => text.replace(/\/\/.*/, '').trim())
    .filter(Boolean)) {
    const opening = /^(\w+) \($/.exec(line);
    if (opening) block = opening[1];
    else if (line === ')') block = undefined;
    else if (block === kind) found.push(line);
    else if (!block && line.startsWith(`${kind} `)) found.push(line.slice(kind.length + 1));
  }
  return found;
}
