/** docs/where-is-what.md is true: its files are there, with what it says is in them, and no folder lacks. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const ROOT = join(import.meta.dirname, '..');
const [folders, rules] = readFileSync(join(ROOT, 'docs/where-is-what.md'), 'utf8')
  .split(/^## /m)
  .slice(1)
  .map((part) => part.split('\n').filter((line) => line.startsWith('| ') && !/^\| (folder|rule) \|/.test(line)));

/** What the lines have in backticks and looks like a path of this checkout. */
const pathsIn = (lines: string[]) =>
  lines.flatMap((line) => [...line.matchAll(/`([\w.-]+\/[\w./-]*)`/g)].map(([, path]) => path!));

t.test('every path that it names is there', async (t) => {
  const paths = pathsIn([...folders!, ...rules!]);
  t.ok(paths.length > 60, `${paths.length} paths were found`);
  for (const path of paths) t.ok(existsSync(join(ROOT, path)), path);
});

t.test('every folder of scripts/ has a line, and no other', async (t) => {
  const listed = folders!.map((line) => /^\| `([^`]+)\/` \|/.exec(line)?.[1]);
  const there = readdirSync(join(ROOT, 'scripts'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
  t.same(listed.filter((folder) => folder?.startsWith('scripts/')).sort(), there.sort());
  t.same(
    listed.filter((folder, i) => listed.indexOf(folder) !== i),
    [],
    'each once',
  );
});

t.test('every rule has a place, and what is named is in that file', async (t) => {
  const named = rules!.map(
    (line) => /^\| ([^|:]+)(?:: [^|]+)? \| `([^`]+)` \| `(\w+)` \|$/.exec(line)?.slice(1) ?? [line],
  );
  t.ok(new Set(named.map(([rule]) => rule)).size >= 12, 'the twelve that newcomers asked for, and what came since');
  for (const [rule, file, name] of named) {
    if (t.ok(file, `${rule}: a file and a name`))
      t.match(readFileSync(join(ROOT, file!), 'utf8'), new RegExp(`\\b${name}\\b`), `${file}: ${name}`);
  }
});
