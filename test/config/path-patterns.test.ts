/** Which files `paths` are for, and which lists are refused. */
import t from 'tap';
import { counts, pathFaults, pathPattern } from '../../scripts/config/path-patterns.ts';

const count = (patterns: string[], path: string, submodule = false) =>
  counts(patterns.map(pathPattern), path, submodule);

t.test("a pattern is for the files that it is for in GitHub's workflows", async (t) => {
  const cases: [pattern: string, fits: string[], others: string[]][] = [
    ['*', ['README.md', '.env', 'a\nb'], ['src/a.js']],
    ['**', ['README.md', 'src/a/b.js', '.github/x'], []],
    ['*.js', ['app.js'], ['src/app.js', 'app.jsx', 'appxjs']],
    ['**.js', ['app.js', 'src/js/app.js'], ['app.ts']],
    ['**/*.md', ['a.md', 'docs/a.md', 'docs/x/a.md'], ['a.mdx', 'docs/amd']],
    ['docs/**', ['docs/a', 'docs/a/b.md'], ['docs', 'xdocs/a', 'x/docs/a']],
    ['docs/*', ['docs/a.md'], ['docs/a/b.md']],
    ['**/docs/**', ['docs/a', 'x/docs/a/b'], ['xdocs/a', 'docs']],
    ['src/**/test.js', ['src/test.js', 'src/a/b/test.js'], ['src/atest.js', 'test.js']],
    ['**/*-post.md', ['my-post.md', 'a/their-post.md'], ['post.md']],
    ['go.mod', ['go.mod'], ['gozmod', 'x/go.mod']],
    ['a+(b)|c$^', ['a+(b)|c$^'], ['aab', 'c']],
  ];
  for (const [pattern, fits, others] of cases) {
    t.strictSame(
      fits.filter((path) => !count([pattern], path)),
      [],
      pattern,
    );
    t.strictSame(
      others.filter((path) => count([pattern], path)),
      [],
      `not ${pattern}`,
    );
  }
});

t.test('a name without a star at its end may be a folder', async (t) => {
  for (const pattern of ['services/shop', 'services/shop/', 'services/*/', '**/shop'])
    t.ok(count([pattern], 'services/shop/src/a.js'), pattern);
  t.notOk(count(['services/shop/'], 'services/shop'), 'with a slash it is one');
  t.notOk(count(['services/shop'], 'services/shop2/a.js'));
});

t.test('the last pattern that is for a file decides', async (t) => {
  const paths = ['src/**', '!src/gen/**', 'src/gen/keep.js'];
  t.strictSame(
    ['src/a.js', 'src/gen/a.js', 'src/gen/keep.js', 'docs/a.md'].map((path) => count(paths, path)),
    [true, false, true, false],
  );
});

t.test('a submodule counts where something in it may', async (t) => {
  const of = (...patterns: string[]) => count(patterns, 'vendor/lib', true);
  for (const pattern of ['vendor/lib', 'vendor/**', 'vendor', 'vendor/lib/src/*.c', '*/lib/**', '**/*.c'])
    t.ok(of(pattern), pattern);
  for (const pattern of ['src/**', 'vendor/libx/**', '*.c', 'vendor/*.c']) t.notOk(of(pattern), pattern);
  for (const pattern of ['!vendor/**', '!vendor/lib', '!vendor/lib/**', '!vendor/'])
    t.notOk(of('**', pattern), `${pattern} takes all of it out`);
  for (const pattern of ['!vendor/lib/docs/**', '!vendor/lib/*', '!**/*.md'])
    t.ok(of('**', pattern), `${pattern} takes out but a part`);
});

t.test('what is no such path is refused, by its index', async (t) => {
  const form = 'must be a path from the root of the repository such as src/** or !**/*.md';
  const signs = 'stands for any text without a slash, ** for any, and ? [ ] { } \\ for nothing';
  const cases: [pattern: string, text: string][] = [
    ['', `${form}, got ""`],
    ['!', `${form}, got "!"`],
    ['a\nb', `${form}, got "a\\nb"`],
    ['/src/**', `${form}, without a slash before it, got "/src/**"`],
    ['!/src/**', `${form}, without a slash before it, got "!/src/**"`],
    ['../other', `${form}, without . and .. in it, got "../other"`],
    ['src/../x', `${form}, without . and .. in it, got "src/../x"`],
    ['./src', `${form}, without . and .. in it, got "./src"`],
    ['src//a', `${form}, with one slash between two folders, got "src//a"`],
    ['a?.js', `${form}: * ${signs}, got "a?.js"`],
    ['[ab].js', `${form}: * ${signs}, got "[ab].js"`],
    ['{a,b}', `${form}: * ${signs}, got "{a,b}"`],
    ['src\\a', `${form}: * ${signs}, got "src\\\\a"`],
  ];
  for (const [pattern, text] of cases) t.strictSame(pathFaults(['**', pattern]), [{ index: 1, text }], pattern);
  t.strictSame(pathFaults(['!docs/**', 'src/**']), [
    {
      index: 0,
      text: 'takes files out, and no path before it has let any in; put "**" first for all files, got "!docs/**"',
    },
  ]);
  t.strictSame(pathFaults(['src/**', '!src/..a', 'a..b', '.github/**', '+page.ts']), []);
});
