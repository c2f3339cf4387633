/** A verdict for machines and for a pull request: valid whatever refs, subjects and reasons say. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import type { RunDocument } from '../../scripts/documents/run.ts';
import type { VerdictDocument } from '../../scripts/documents/verdict.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { judgeRun } from '../../scripts/judge/judge-run.ts';
import { verdictBmf } from '../../scripts/report/bmf.ts';
import { verdictJunit } from '../../scripts/report/junit.ts';
import { escaped, verdictMarkdown } from '../../scripts/report/markdown.ts';
import { verdictOpenMetrics } from '../../scripts/report/openmetrics.ts';
import { makeJudged, makeRun } from '../run-document.ts';

const worse = makeJudged({ factors: { latency_med: 1.08 } });
const pass = makeJudged();
const open = makeJudged({ noise: 0.05, count: 8 });
const spoilt = spoil(makeJudged({ count: 2, status: 'invalid' }));

function spoil(run: RunDocument): RunDocument {
  const rounds = run.rounds.map((round) => ({
    ...round,
    valid: false,
    reasons: [{ code: 'host-steal' as const, message: 'stolen | from <b>' }],
  }));
  return { ...run, rounds, verdict: judgeRun({ ...run, rounds }) };
}

/** Everything that others write, as bad as it can be. */
const EVIL =
  'x | `y` @alice #12 GH-7 :tada: <script>alert(1)</script> </details> ]]> <!-- "q" \'r\' & [l](https://evil.example) ![i](x) www.evil.example **b** \u001b[2J\u0000\u0007\u202e\ud800\uffff\n# heading\r\n| row |';
const hostile = ((): RunDocument => {
  const run = spoil(makeJudged());
  const side = { ref: EVIL, commit: EVIL, subject: EVIL, images: [] };
  const rounds = run.rounds.map((round) => ({ ...round, reasons: [{ code: 'host-steal' as const, message: EVIL }] }));
  const metrics = run.metrics.map((metric) => (metric.promql ? { ...metric, primary: true, unit: EVIL } : metric));
  const laid: RunDocument = {
    ...run,
    status: 'invalid',
    sides: { candidate: side, baseline: side },
    rounds: [...rounds, ...makeJudged().rounds.map((round) => ({ ...round, round: round.round + 100 }))],
    metrics,
    host: { ...run.host, cpu_model: EVIL },
  };
  const verdict = judgeRun({ ...laid, status: 'complete' });
  return {
    ...laid,
    verdict: { ...verdict, verdict: 'INVALID', benchmark: EVIL, summary: EVIL, notes: [EVIL], reasons: [EVIL] },
  };
})();
const of = (run: RunDocument): [VerdictDocument, RunDocument] => [run.verdict!, run];

t.test('Markdown: the verdict first, what it excludes, the rest folded', async (t) => {
  const text = verdictMarkdown(...of(worse), ['http://localhost:3000/d/x?var-run=01J&from=1', 'not a link']);
  const lines = text.split('\n');
  t.match(
    lines[0],
    /^\*\*REGRESSION\*\*: shop at HEAD \(a{12}\) against main \(b{12}\): latency med: 8\.\d % slower, 95 % interval 7\.\d to 8\.\d %$/,
  );
  t.match(lines[2], '| primary metric | candidate | baseline | change | 95 % interval | what is sure | verdict |');
  t.match(
    text,
    /\n\| latency med \| 1\.\d\d ms \| 1\.\d\d ms \| \+8\.\d\d % \| .* \| at least 7\.\d % worse \| REGRESSION \|\n\| CPU per request \| .* \| no increase above 0\.\d\d % \| PASS \|\n/,
  );
  t.match(text, /\n- \d+ rounds counted, none INVALID\n- no calibration of this benchmark/);
  t.match(
    text,
    "\n[the run's metrics](<http://localhost:3000/d/x?var-run=01J&from=1>), `npm run show -- 01JZZZZZZZZZZZZZZZZZZZZZZA` shows the run\n",
  );
  t.match(
    text,
    /\n<details>\n<summary>[^]*search\\_p95[^]*Make search faster[^]*method mayfly\.judge\/v1: sequential, 6 to 40 observations, looked at after 6, [^]*\n<\/details>\n$/,
  );
  t.notMatch(text, /[\u2190-\u21ff]|\p{Extended_Pictographic}|not a link/u);
  t.match(verdictMarkdown(...of(open), []), /^\*\*INCONCLUSIVE\*\*[^]*- about \d+ more probably would decide/);
  t.match(verdictMarkdown(...of(spoilt), []), /^\*\*INVALID\*\*[^]*stolen \\\| from \\<b\\>/);
  t.match(
    verdictMarkdown({ ...pass.verdict!, kind: 'baseline', other_run_id: '01OTHER' }, pass, []),
    'against run 01OTHER',
  );
});

t.test('Markdown: foreign text says what it says and does nothing', async (t) => {
  const text = verdictMarkdown(...of(hostile), []);
  t.notMatch(
    text,
    /@alice|#12|GH-7|:tada:|:\/\/|www\.|\u001b|\u0000|\u0007|\u202e|\r/,
    'no mention, no reference, no picture, no link',
  );
  const bare = text.replace(/\\[\\`*_{}[\]<>&|~$]/g, '');
  t.strictSame(bare.match(/<[^>]*>/g), ['<details>', '<summary>', '</summary>', '</details>'], 'no HTML but our own');
  t.notMatch(bare.replace(/^\*\*INVALID\*\*/, '').replace(/`npm run show -- \w+`/, ''), /[`*_[\]{}~]/, 'no markup');
  for (const line of bare.split('\n')) t.notMatch(line, /^(#| heading)/);
  const tables = bare
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').length - 2);
  t.same([...new Set(tables)].sort(), [5, 7], 'no cell too many');
  const cases: [string, string][] = [
    ['# x', '\\# x'],
    ['## x', '#\\# x'],
    ['- x', '\\- x'],
    ['---', '--\\-'],
    ['1. x', '1\\. x'],
    ['a - b 2.1 %', 'a - b 2.1 %'],
    ['+8.1 %', '+8.1 %'],
    ['a\\|b', 'a\\\\\\|b'],
    ['@a', '@\u200ba'],
    ['a@b.c', 'a@\u200bb.c'],
    ['12:30', '12:30'],
    ['o/r#1', 'o/r#\u200b1'],
    ['x\ny', 'x?y'],
  ];
  for (const [from, to] of cases) t.equal(escaped(from), to);
});

interface Element {
  name: string;
  attributes: Record<string, string>;
}

/** Reads XML as strictly as its grammar has it, as far as JUnit uses it; throws where it is not well formed. */
function elementsOf(xml: string): Element[] {
  if (/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(xml))
    throw new Error('a character that XML 1.0 forbids');
  const open: string[] = [];
  const found: Element[] = [];
  const text = /^(?:[^<&]|&(?:amp|lt|gt|quot|apos);)*/;
  let rest = xml.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '');
  while (rest !== '') {
    const between = text.exec(rest)![0];
    if (between.includes(']]>') || (open.length === 0 && between.trim() !== '')) throw new Error(`text ${between}`);
    rest = rest.slice(between.length);
    if (rest === '') break;
    const tag = /^<(\/?)([a-z-]+)((?: [a-z_]+="(?:[^<&"]|&(?:amp|lt|gt|quot|apos);)*")*)(\/?)>/.exec(rest);
    if (!tag) throw new Error(`no tag at ${rest.slice(0, 60)}`);
    const [whole, closing, name, attributes, empty] = tag;
    if (closing && open.pop() !== name) throw new Error(`</${name}> closes another`);
    if (!closing)
      found.push({
        name: name!,
        attributes: Object.fromEntries(
          [...attributes!.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]),
        ),
      });
    if (!closing && !empty) open.push(name!);
    rest = rest.slice(whole.length);
  }
  if (open.length > 0) throw new Error(`${open} is open`);
  return found;
}

t.test('JUnit: one case for each primary metric', async (t) => {
  const cases: [string, RunDocument, boolean, Record<string, string>, string[]][] = [
    ['REGRESSION', worse, false, { tests: '2', failures: '1', errors: '0', skipped: '0' }, ['failure', 'system-out']],
    ['PASS', pass, true, { tests: '2', failures: '0', errors: '0', skipped: '0' }, ['system-out', 'system-out']],
    ['INCONCLUSIVE', open, false, { tests: '2', failures: '0', errors: '0', skipped: '2' }, ['skipped', 'skipped']],
    [
      'INCONCLUSIVE, strict',
      open,
      true,
      { tests: '2', failures: '2', errors: '0', skipped: '0' },
      ['failure', 'failure'],
    ],
    ['INVALID', spoilt, false, { tests: '2', failures: '0', errors: '2', skipped: '0' }, ['error', 'error']],
    [
      'no primary metric',
      makeJudged({ metrics: makeRun().metrics.map((metric) => ({ ...metric, primary: false })) }),
      false,
      { tests: '1', skipped: '1' },
      ['skipped'],
    ],
  ];
  for (const [what, run, strict, counts, outcomes] of cases) {
    const found = elementsOf(verdictJunit(...of(run), strict));
    for (const suite of found.filter(({ name }) => name.startsWith('testsuite')))
      t.match(suite.attributes, counts, what);
    t.strictSame(
      found.filter(({ name }) => ['failure', 'error', 'skipped', 'system-out'].includes(name)).map(({ name }) => name),
      outcomes,
      what,
    );
  }
  const found = elementsOf(verdictJunit(...of(worse), false));
  t.match(
    found.find(({ name }) => name === 'testcase'),
    { attributes: { classname: 'mayfly.shop', name: 'latency_med' } },
  );
  t.match(
    found.find(({ name }) => name === 'failure'),
    { attributes: { type: 'REGRESSION', message: /^latency med: 8\.\d % slower/ } },
  );
  t.match(
    Object.fromEntries(
      found.filter(({ name }) => name === 'property').map(({ attributes: { name, value } }) => [name, value]),
    ),
    { run_id: worse.run_id, candidate: 'a'.repeat(40), baseline: 'b'.repeat(40), verdict: 'REGRESSION' },
  );
});

t.test('JUnit: well formed whatever is in it', async (t) => {
  const found = elementsOf(verdictJunit(...of(hostile), false));
  t.match(found.find(({ name }) => name === 'testsuite')!.attributes.name, '&lt;script&gt;alert(1)&lt;/script&gt;');
  t.equal(found.filter(({ name }) => name === 'testcase').length, 3);
  for (const bad of ['<a>', '<a b="<"/>', '<a>&x;</a>', '<a/>\u0001', '<a></b>', '<a>]]></a>'])
    t.throws(() => elementsOf(bad), bad);
});

t.test('Bencher Metric Format', async (t) => {
  const measures = JSON.parse(verdictBmf(...of(worse))).shop;
  t.match(Object.keys(measures), [
    'latency-med',
    'cpu-seconds-per-request',
    'latency-avg',
    'latency-p95',
    'request-rate',
    'memory-peak',
    'failed-requests',
    'search-p95',
    'latency-med-change',
    'cpu-seconds-per-request-change',
  ]);
  for (const [slug, { value, lower_value, upper_value, ...rest }] of Object.entries<Record<string, number>>(measures)) {
    t.match(slug, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    t.ok(lower_value! <= value! && value! <= upper_value!, slug);
    t.strictSame(rest, {});
  }
  t.ok(Math.abs(measures['latency-med-change'].value - 0.08) < 0.005);
  t.strictSame(JSON.parse(verdictBmf(...of(spoilt))), { shop: {} }, 'what was not measured has no figures');
  const long = {
    ...worse,
    metrics: worse.metrics.map((metric) => ({
      ...metric,
      name: metric.name === 'search_p95' ? `${'s'.repeat(70)}_p95` : metric.name,
    })),
  };
  const named = {
    ...long,
    rounds: long.rounds.map((round) => ({
      ...round,
      samples: { ...round.samples, [`${'s'.repeat(70)}_p95`]: round.samples.search_p95! },
    })),
  };
  for (const slug of Object.keys(JSON.parse(verdictBmf(judgeRun(named), named)).shop)) t.ok(slug.length <= 64, slug);
});

t.test('OpenMetrics', async (t) => {
  const text = verdictOpenMetrics(worse.verdict!);
  t.match(text, /^# TYPE mayfly_verdict gauge\n/);
  t.ok(text.endsWith('\n# EOF\n'));
  t.same(
    [...text.matchAll(/^mayfly_verdict\{.*verdict="(\w+)"\} (\d)$/gm)].map(
      ([, verdict, value]) => `${verdict} ${value}`,
    ),
    ['REGRESSION 1', 'IMPROVEMENT 0', 'PASS 0', 'INCONCLUSIVE 0', 'INVALID 0'],
  );
  t.match(text, /^mayfly_change_ratio\{.*metric="latency_med",primary="true"\} 0\.0[78]\d+$/m);
  t.match(text, /^mayfly_change_ratio_low\{.*metric="latency_med",primary="true",level="0\.95"\} 0\.07\d+$/m);
  t.match(text, /^mayfly_change_ratio_high\{/m);
  t.match(text, /^mayfly_sample_median\{.*metric="latency_med",primary="true",side="baseline",unit="s"\} 0\.00\d+$/m);
  const none = verdictOpenMetrics(spoilt.verdict!);
  t.match(none, /verdict="INVALID"\} 1\n/);
  t.notMatch(none, 'mayfly_change_ratio');
  for (const one of [text, none, verdictOpenMetrics(hostile.verdict!)]) {
    const checked = spawnSync(
      'docker',
      ['run', '--rm', '-i', '--network=none', '--entrypoint=promtool', IMAGES.prometheus.ref, 'check', 'metrics'],
      { input: one, encoding: 'utf8' },
    );
    t.match(checked, { status: 0, stdout: '', stderr: '' }, 'promtool has nothing to say');
  }
});

t.test('a candidate that is not well fails in every format, with the sentence of the terminal', async (t) => {
  const reason = 'this commit does not start; the baseline does: candidate (b, 1): shop ended with exit code 3';
  const crashed = ((): RunDocument => {
    const run = makeJudged({ count: 0, status: 'failed', status_reason: reason });
    return { ...run, verdict: judgeRun(run) };
  })();
  const said = `${reason}\n  shop: ended with exit code 3\n    the last lines of its log:\n      no such table: <orders>\n\`\`\``;

  const text = verdictMarkdown(...of(crashed), [], said);
  t.equal(
    text.split('\n- ')[0],
    `**FAILED**: shop at HEAD (aaaaaaaaaaaa) against main (bbbbbbbbbbbb): ${reason}

\`\`\`\`
  shop: ended with exit code 3
    the last lines of its log:
      no such table: <orders>
\`\`\`
\`\`\`\`
`,
  );
  t.match(text, /`npm run show -- 01JZ[A-Z]+` shows the run/);
  t.notMatch(verdictMarkdown(...of(crashed), [], reason), '```', 'no block without anything in it');
  t.match(
    verdictMarkdown(...of(crashed), [], `x\n${'line\n'.repeat(100)}${'w'.repeat(400)}`),
    /\n(line\n){59}w{297}\.\.\.\n/,
  );

  const found = elementsOf(verdictJunit(...of(crashed), false, said));
  for (const suite of found.filter(({ name }) => name.startsWith('testsuite')))
    t.match(suite.attributes, { tests: '1', failures: '1', errors: '0', skipped: '0' });
  t.match(
    found.find(({ name }) => name === 'testcase'),
    { attributes: { classname: 'mayfly.shop', name: 'service' } },
  );
  t.match(
    found.find(({ name }) => name === 'failure'),
    { attributes: { type: 'FAILED', message: reason } },
  );
  t.match(
    verdictJunit(...of(crashed), false, said),
    '>  shop: ended with exit code 3\n    the last lines of its log:\n      no such table: &lt;orders&gt;\n```</failure>',
  );
  t.match(
    verdictJunit(...of(crashed), false, said),
    `name="summary" value="shop at HEAD (aaaaaaaaaaaa) against main (bbbbbbbbbbbb): ${reason}"`,
  );
  t.match(verdictJunit(...of(crashed), false, said), '<property name="verdict" value="FAILED"/>');
  t.match(
    elementsOf(verdictJunit(...of(hostile), false, EVIL)).find(({ name }) => name === 'failure'),
    { attributes: { type: 'FAILED' } },
  );

  const metrics = verdictOpenMetrics(crashed.verdict!, true);
  t.match(
    metrics,
    /\nmayfly_candidate_failed\{benchmark="shop",run_id="01JZ[A-Z]+",commit="a{40}",against="b{40}"\} 1\n/,
  );
  t.notMatch(verdictOpenMetrics(worse.verdict!), 'mayfly_candidate_failed');
});
