/** Words that docs/glossary.md retires are not used, alone or as a part of a name. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const ROOT = join(import.meta.dirname, '..');
const PLACES = ['scripts', 'loadgen', 'docs', 'test', 'README.md'];
/** The glossary lists the words; decisions and migrations are records of their time. */
const SKIPPED = /^(docs\/glossary\.md$|docs\/decisions\/|scripts\/store\/migrations\/)|(^|\/)node_modules\/|\.png$/;
/** Names of others, and names in documents and on containers that stay as they are. */
const ALLOWED = ['GitHub', 'gitHub', 'x-hub-signature', 'X-Hub-Signature', 'dev.mayfly.lasting', 'mend: fix'];

/** The first column of the table under "Retired words". */
function retiredWords(glossary: string): string[] {
  const section = glossary.split(/^## /m).find((one) => one.startsWith('Retired words')) ?? '';
  const cells = [...section.matchAll(/^\| ([^|]+) \|/gm)].map(([, cell]) => cell!);
  return cells.filter((cell) => cell !== 'retired').flatMap((cell) => cell.split(', '));
}

/** The words of a text in lower case, those within names too: `startLag` and `start-lag` are two words. */
const wordsOf = (text: string): string =>
  ` ${ALLOWED.reduce((rest, name) => rest.replaceAll(name, ' '), text)
    .replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3 $2')
    .replace(/[^A-Za-z0-9]+/g, ' ')
    .toLowerCase()} `;

/** `file:line: word` for each retired word, and `file:0` for one in the name of the file. */
function uses(file: string, text: string, retired: readonly string[]): string[] {
  return [file, ...text.split('\n')].flatMap((line, number) => {
    const words = wordsOf(line);
    return retired.filter((word) => words.includes(` ${word} `)).map((word) => `${file}:${number}: ${word}`);
  });
}

const filesOf = (place: string): string[] =>
  statSync(join(ROOT, place)).isFile()
    ? [place]
    : readdirSync(join(ROOT, place), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));

const retired = retiredWords(readFileSync(join(ROOT, 'docs/glossary.md'), 'utf8'));

t.test('no retired word is used', async (t) => {
  const files = PLACES.flatMap(filesOf).filter((file) => !SKIPPED.test(file));
  t.ok(files.length > 500, `${files.length} files`);
  t.strictSame(
    files.flatMap((file) => uses(file, readFileSync(join(ROOT, file), 'utf8'), retired)),
    [],
  );
});

t.test('a retired word is found, whatever name it is in', async (t) => {
  t.ok(retired.length > 5, retired.join());
  const of = (text: string, file = 'scripts/x.ts') => uses(file, text, ['old', 'two words']);
  for (const text of ['// An Old thing.', 'oldName', 'theOld', 'OLD_NAME', 'the-old-name', 'anOLDName', "'old'"])
    t.strictSame(of(`first\n${text}`), ['scripts/x.ts:2: old'], text);
  for (const text of ['two words', 'twoWords', 'two-words', 'TwoWordsOf'])
    t.strictSame(of(text), ['scripts/x.ts:1: two words'], text);
  t.strictSame(of('', 'test/old-name.test.ts'), ['test/old-name.test.ts:0: old']);
  t.strictSame(of('bold, older, olds, two other words'), []);
  for (const word of retired) t.strictSame(uses('x', `a ${word} b`, retired), [`x:1: ${word}`]);
});

t.test('names of others are no use of a retired word', async (t) => {
  t.strictSame(
    uses('scripts/x.ts', "GitHub connectGitHub gitHubSettings 'x-hub-signature-256' X-Hub-Signature", retired),
    [],
  );
});
