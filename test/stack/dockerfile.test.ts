import t from 'tap';
import { archiveCommand, fileIn } from '../../scripts/stack/build-guard.ts';
import { addsFiles, baseImages, fetchingAdd } from '../../scripts/stack/dockerfile.ts';
import { aPlan } from '../fixtures/plan.ts';

const URL = 'http://127.0.0.1:9090/x';

for (const [what, text] of [
  ['plain', `FROM a\nADD ${URL} /x`],
  ['any case, any space', `FROM a\n \t add\t${URL}\t/x`],
  ['another kind of space at its beginning', `FROM a\n\u0085\u00a0ADD ${URL} /x`],
  ['carriage returns', `FROM a\r\nADD ${URL} /x\r\n`],
  ['with flags', `FROM a\nADD --chown=1:1 --checksum=sha256:1 ${URL} /x`],
  ['as a list', `FROM a\nADD ["${URL}", "/x"]`],
  ['as a list in other letters', `FROM a\nADD ["\\u0068ttp:\\/\\/127.0.0.1/x", "/x"]`],
  ['the second source', `FROM a\nADD one ${URL} /x/`],
  ['as a trigger', `FROM a\nONBUILD ADD ${URL} /x`],
  ['over two lines', `FROM a\nADD \\\n  ${URL} /x`],
  ['a word over two lines', `FROM a\nA\\\nDD ht\\\ntp://h/x /x`],
  ['with a comment and an empty line inside', `FROM a\nAD\\\n# no\n\nD ${URL} /x`],
  ['with the other escape', `# escape=\`\nFROM a\nADD \`\n${URL} /x`],
  ['after what seems to go on, and does not', `FROM a\nRUN echo \\\\\nADD ${URL} /x`],
  ['a variable', 'FROM a\nENV U=http://h/x\nADD $U /x'],
  ['an escape inside', 'FROM a\nADD ht\\tp://h/x /x'],
  ['quotes inside', 'FROM a\nADD "http"://h/x /x'],
  ['a repository', 'FROM a\nADD git@h:o/r.git /x'],
] as const) {
  t.test(`an ADD that may fetch is found: ${what}`, async (t) => t.match(fetchingAdd(text), /add|A[^]*DD|AD[^]*D/i));
}

t.test('what adds files of the build context may stay', async (t) => {
  for (const text of [
    'FROM a\nADD a.tar.gz b/[c]*.txt /x',
    'FROM a\nADD --chown=1:1 . /app',
    'FROM a\nADD ["a file", "/x"]',
    'FROM a\n# ADD http://h/x /x',
    'FROM a\nRUN echo ADDRESS http://h/x',
    `FROM a\nCOPY x ${URL}`,
    'FROM a\nRUN wget http://h/x',
  ]) {
    t.equal(fetchingAdd(text), null, text);
  }
  t.ok(addsFiles(' a b /x'));
  t.notOk(addsFiles(' http://h/x /x'));
});

t.test('the base images, with build arguments', async (t) => {
  const text = [
    '# syntax=x',
    'ARG VERSION=24',
    'ARG BASE="node:${VERSION}-slim"',
    'FROM --platform=linux/amd64 $BASE AS build',
    'ARG VERSION=1',
    'RUN echo "\\',
    'FROM nothing"',
    'FROM build AS Next',
    'FROM next',
    'FROM scratch',
    'from ${OTHER:-debian:12}',
    'FROM b@sha256:0 \\',
    '  AS last',
  ].join('\n');
  t.same(baseImages(text, {}), { images: ['node:24-slim', 'debian:12', 'b@sha256:0'], unclear: [] });
  t.same(
    baseImages(text, { VERSION: '22', OTHER: 'x' }).images[0],
    'node:22-slim',
    'a value of the recipe goes before the default',
  );
  t.same(baseImages('ARG A\nFROM $A', { A: 'x' }), { images: ['x'], unclear: [] });
  t.same(baseImages('ARG A\nFROM $A\nFROM ${A:+x}', {}), { images: [], unclear: ['FROM $A', 'FROM ${A:+x}'] });
  t.same(baseImages('# escape=`\nFROM a `\n AS b\nRUN x \\\nFROM c', {}), { images: ['a', 'c'], unclear: [] });
  t.same(baseImages('FROM a\r\nFROM b\r\n', {}).images, ['a', 'b']);
});

t.test('the file in a tar; a link is none', async (t) => {
  const header = (type: string, size: number) => {
    const block = Buffer.alloc(512);
    block.write('name');
    block.write(size.toString(8).padStart(11, '0'), 124);
    block.write(type, 156);
    return block;
  };
  const body = Buffer.alloc(512);
  body.write('FROM a\n');
  t.equal(
    fileIn(
      Buffer.concat([header('g', 3), Buffer.alloc(512), header('5', 0), header('0', 7), body, Buffer.alloc(1024)]),
    ),
    'FROM a\n',
  );
  t.equal(fileIn(Buffer.concat([header('2', 0), header('0', 7), body])), null);
  t.equal(fileIn(Buffer.alloc(1024)), null);
});

t.test('the build context is an archive of the commit', async (t) => {
  const [build] = aPlan().sides[0]!.builds;
  t.same(archiveCommand(build!, 'Dockerfile'), [
    'git',
    '-C',
    '/src',
    'archive',
    '--format=tar',
    '--end-of-options',
    `${'a'.repeat(40)}:service`,
    'Dockerfile',
  ]);
});
