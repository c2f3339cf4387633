import t from 'tap';
import { addsFiles, baseImages, beyondTheBuild, fetchingAdd, needsBuildKit } from '../../scripts/stack/dockerfile.ts';

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

for (const [what, text, found] of [
  ['a cache', 'FROM a\nRUN --mount=type=cache,target=/c npm ci', 'RUN --mount=type=cache,target=/c npm ci'],
  ['a heredoc', 'FROM a\nRUN <<EOF\necho 1\nEOF', 'RUN <<EOF'],
  ['a heredoc of COPY', 'FROM a\nCOPY <<-"EOT" /x\n1\nEOT', 'COPY <<-"EOT" /x'],
  ['a link', 'FROM a\nCOPY --link . .', 'COPY --link . .'],
  ['modes', 'FROM a\nCOPY --chown=1:1 --chmod=755 a b', 'COPY --chown=1:1 --chmod=755 a b'],
  ['a checksum', 'FROM a\nADD --checksum=sha256:0 a b', 'ADD --checksum=sha256:0 a b'],
  ['the platform of the build', 'FROM --platform=$BUILDPLATFORM a', 'FROM --platform=$BUILDPLATFORM a'],
  ['a shift is no heredoc', 'FROM a\nRUN echo $((1 << 3))', null],
  ['a here-string is no heredoc', 'FROM a\nRUN cat <<< x', null],
  ['nothing of it', '# syntax=docker/dockerfile:1\nFROM --platform=linux/amd64 a\nCOPY --from=b --chown=1:1 x y', null],
] as const) {
  t.test(`what needs BuildKit: ${what}`, async (t) => t.equal(needsBuildKit(text), found));
}

t.test('what BuildKit may not do: another frontend, another network, no limits', async (t) => {
  for (const [text, found] of [
    ['# syntax=evil.example/frontend\nFROM a', '# syntax=evil.example/frontend'],
    ['# syntax=docker/dockerfile:1.7\nFROM a\nRUN --network=none true', null],
    ['FROM a\nRUN --network=host curl x', 'RUN --network=host curl x'],
    ['FROM a\nRUN --network=default curl x', 'RUN --network=default curl x'],
    [
      'FROM a\nRUN --mount=type=cache,target=/c --security=insecure mount',
      'RUN --mount=type=cache,target=/c --security=insecure mount',
    ],
    ['FROM a\nONBUILD RUN --security=insecure x', 'ONBUILD RUN --security=insecure x'],
  ] as const)
    t.equal(beyondTheBuild(text, 'none'), found, text);
  t.equal(beyondTheBuild('FROM a\nRUN --network=default x', 'host'), null);
});
