import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkVerdictFiles, exitCodeOf, writeVerdictFiles } from '../../scripts/app/verdict-files.ts';
import type { VerdictOutputs } from '../../scripts/config/flags.ts';
import { UsageError } from '../../scripts/core/errors.ts';
import { makeJudged } from '../run-document.ts';

const outputs = (files: VerdictOutputs['files'], strict = false): VerdictOutputs => ({ strict, files });

t.test('exit codes', async (t) => {
  for (const [verdict, code, strict] of [
    ['PASS', 0, 0],
    ['IMPROVEMENT', 0, 0],
    ['INCONCLUSIVE', 0, 1],
    ['REGRESSION', 1, 1],
    ['INVALID', 3, 3],
  ] as const) {
    t.strictSame([exitCodeOf(verdict, false), exitCodeOf(verdict, true)], [code, strict], verdict);
  }
});

t.test('files that could not be written are refused before anything starts', async (t) => {
  const dir = t.testdir({ folder: {}, 'file.txt': 'x', shut: {} });
  symlinkSync('folder', join(dir, 'link'));
  const cases: [VerdictOutputs['files'], RegExp][] = [
    [{ markdown: 'folder' }, /^--markdown=folder: it is a folder$/],
    [{ markdown: '' }, /: it is a folder$/],
    [{ junit: 'none/x.xml' }, /^--junit=none\/x\.xml: there is no folder "none"$/],
    [{ junit: 'file.txt/x.xml' }, /there is no folder "file\.txt"/],
    [{ bmf: 'new/' }, /it names a folder/],
    [{ bmf: '/dev/null' }, /it is not a file/],
    [{ bmf: '/proc/x.json' }, /nothing can be written to its folder/],
    [{ bmf: 'x'.repeat(300) }, /it cannot be reached \(ENAMETOOLONG\)/],
    [{ markdown: 'a.md', junit: './a.md' }, /^--markdown and --junit name the same file "\.\/a\.md"$/],
    [{ markdown: 'folder/a.md', openmetrics: 'link/a.md' }, /^--markdown and --openmetrics name the same file/],
  ];
  for (const [files, message] of cases) {
    t.throws(
      () => checkVerdictFiles(outputs(files), dir),
      { constructor: UsageError, message, hint: String },
      JSON.stringify(files).slice(0, 60),
    );
  }
  if (process.getuid?.() !== 0) {
    chmodSync(join(dir, 'shut'), 0o500);
    t.throws(() => checkVerdictFiles(outputs({ bmf: 'shut/x.json' }), dir), {
      message: /nothing can be written to its folder \(EACCES\)/,
    });
    chmodSync(join(dir, 'shut'), 0o700);
  }
  t.strictSame(readdirSync(dir).sort(), ['file.txt', 'folder', 'link', 'shut'], 'looking leaves nothing behind');
});

t.test('every format in its file, whole, and what was there before is gone', async (t) => {
  const dir = t.testdir({ out: {}, 'verdict.md': 'old and much longer than what comes now'.repeat(1000) });
  symlinkSync('../verdict.md', join(dir, 'out/link.md'));
  const all = outputs({
    markdown: 'out/link.md',
    junit: join(dir, 'out/v.xml'),
    bmf: 'out/v.json',
    openmetrics: 'out/v.prom',
  });
  const run = makeJudged({ noise: 0.05, count: 8 });
  checkVerdictFiles(all, dir);
  t.strictSame(readdirSync(join(dir, 'out')), ['link.md']);
  writeVerdictFiles({ ...all, strict: true }, dir, run.verdict!, run, ['http://localhost/x']);
  t.strictSame(
    readdirSync(join(dir, 'out')).sort(),
    ['link.md', 'v.json', 'v.prom', 'v.xml'],
    'no temporary file is left',
  );
  t.ok(lstatSync(join(dir, 'out/link.md')).isSymbolicLink(), 'a link stays a link');
  const read = (file: string) => readFileSync(join(dir, file), 'utf8');
  t.match(read('verdict.md'), /^\*\*INCONCLUSIVE\*\*[^]*http:\/\/localhost\/x[^]*<\/details>\n$/);
  t.match(read('out/v.xml'), /failures="2"/, 'strict');
  t.ok(JSON.parse(read('out/v.json')).shop);
  t.match(read('out/v.prom'), /# EOF\n$/);
});

t.test('what is said of a candidate that is not well is in every file', async (t) => {
  const dir = t.testdir({});
  const run = makeJudged({
    count: 0,
    status: 'failed',
    status_reason: 'this commit does not start; the baseline does',
  });
  const files = { markdown: 'v.md', junit: 'v.xml', bmf: 'v.json', openmetrics: 'v.prom' };
  writeVerdictFiles(
    outputs(files),
    dir,
    run.verdict!,
    run,
    [],
    'this commit does not start; the baseline does\n  its log',
  );
  const read = (file: string) => readFileSync(join(dir, file), 'utf8');
  t.match(
    read('v.md'),
    /^\*\*FAILED\*\*: shop at .*: this commit does not start; the baseline does\n\n```\n {2}its log\n```\n/,
  );
  t.match(
    read('v.xml'),
    '<failure message="this commit does not start; the baseline does" type="FAILED">  its log</failure>',
  );
  t.same(JSON.parse(read('v.json')), { shop: {} }, 'nothing has a figure');
  t.match(read('v.prom'), /\nmayfly_candidate_failed\{.*\} 1\n/);
});

t.test('nothing asked for, nothing written; a folder that has gone since is said', async (t) => {
  const dir = t.testdir({});
  const run = makeJudged();
  checkVerdictFiles(outputs({}), dir);
  writeVerdictFiles(outputs({}), dir, run.verdict!, run, []);
  t.strictSame(readdirSync(dir), []);
  t.throws(() => writeVerdictFiles(outputs({ bmf: 'gone/x.json' }), dir, run.verdict!, run, []), {
    message: /there is no folder "gone"/,
  });
  mkdirSync(join(dir, 'taken'));
  writeFileSync(join(dir, 'taken/x'), '');
  t.throws(() => writeVerdictFiles(outputs({ bmf: 'taken' }), dir, run.verdict!, run, []), {
    message: /it is a folder/,
  });
  t.ok(existsSync(join(dir, 'taken/x')));
});
