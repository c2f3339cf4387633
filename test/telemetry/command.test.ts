/** npm run telemetry as a user starts it; what it brings to the bucket, and that what looks after runs leaves it alone. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { compile } from '../../scripts/config/schema.ts';
import { blocksIn } from '../archive/trend-context.ts';
import { dataFolder, dumpBlock, engine, mayfly, onEngine, ROOT } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const HEADER = 'Timepoint, Measurement, Label, PID\n';
const AT = 1_780_000_000;
const fits = compile(JSON.parse(readFileSync(join(ROOT, 'docs/schemas/mayfly.telemetry-summary.v1.json'), 'utf8')));

/** A folder as a service leaves it, and a file of another producer. */
const folderOf = (t: Test) =>
  t.testdir({
    'duration-1-0-17-0.csv': `${HEADER}${AT}000000000,0.25,"/orders [POST]",1\n${AT}500000000,0.75,"/orders [POST]",1\nbroken\n`,
    'runtime-1-0-17-0.csv': `${HEADER}${AT + 1}000000000,5000000,rss_bytes,1\n`,
    'notes.txt': 'of nobody\n',
    empty: { 'readme.md': '' },
  });
const telemetry = (args: string[], data = '/nowhere') => mayfly('telemetry', args, data).done;

t.test('summary: a table, what is odd beside it; the same as a document', async (t) => {
  const folder = folderOf(t);
  const table = await telemetry(['summary', folder]);
  t.equal(table.code, 0, table.stderr);
  t.strictSame(
    table.stdout.split('\n').map((line) => line.trimEnd().split(/ {2,}/)),
    [
      ['', 'label', 'count', 'rate', 'mean', 'p50', 'p95', 'p99', 'max'],
      ['duration', '/orders [POST]', '2', '2.0 /s', '500 ms', '500 ms', '725 ms', '745 ms', '750 ms'],
      ['runtime', 'rss_bytes', '1', '1.0 /s', '5.00 MB', '5.00 MB', '5.00 MB', '5.00 MB', '5.00 MB'],
      [''],
      ['3 samples in 2 files'],
      [''],
    ],
  );
  const note = '1 malformed line left out; the first one is duration-1-0-17-0.csv:4: 1 field instead of 4';
  t.equal(table.stderr, `${note}\n`);

  const files = ['duration-1-0-17-0.csv', 'duration-1-0-17-0.csv'].map((name) => join(folder, name));
  const json = await telemetry(['summary', ...files, '--json', '--limit=1']);
  t.equal(json.stderr, '');
  const document = JSON.parse(json.stdout);
  t.ok(fits(document), JSON.stringify(fits.errors));
  t.match(document, {
    files: 1,
    samples: 2,
    labels: [{ label: '/orders [POST]', p50: 0.5, unit: 's' }],
    notes: [note],
  });
});

t.test('what is hostile in a label does not reach the terminal', async (t) => {
  const folder = t.testdir({ 'duration.csv': `${HEADER}${AT}000000000,1,"\u001b[2J\u202eevil",1\n` });
  const { stdout } = await telemetry(['summary', folder]);
  t.match(stdout, 'duration   [2J evil');
  t.notMatch(stdout, /[\u001b\u202e]/);
});

t.test('export: OpenMetrics, or series as JSON', async (t) => {
  const folder = folderOf(t);
  const text = await telemetry(['export', folder]);
  t.equal(text.code, 0, text.stderr);
  t.match(text.stdout, /^# TYPE mayfly_duration_seconds histogram\n/);
  t.match(text.stdout, `mayfly_duration_seconds_count{label="/orders [POST]"} 2 ${AT + 1}.0005\n`);
  t.match(text.stdout, `mayfly_runtime{label="rss_bytes",pid="1"} 5000000 ${AT + 2}.0005\n# EOF\n`);
  t.match(text.stderr, /^1 malformed line left out/);
  const json = await telemetry(['export', join(folder, 'runtime-1-0-17-0.csv'), '--format=json']);
  t.strictSame(JSON.parse(json.stdout), {
    schema: 'mayfly.telemetry-series/v1',
    step_seconds: 1,
    series: [{ name: 'mayfly_runtime', labels: { label: 'rss_bytes', pid: '1' }, points: [[(AT + 2) * 1000, 5e6]] }],
    notes: [],
  });
});

t.test('what cannot be done is refused before anything is started, with what to do next', async (t) => {
  const folder = folderOf(t);
  const files = join(folder, 'duration-1-0-17-0.csv');
  const header = join(folder, 'duration-none.csv');
  writeFileSync(header, `${HEADER}x\n`);
  const data = t.testdirName.concat('-data');
  for (const [args, wanted] of [
    [
      ['summary'],
      'mayfly: telemetry summary needs telemetry files or folders of them, got 0\nusage: npm run telemetry -- summary FILE... [flags]; docs/telemetry.md says who writes them.',
    ],
    [
      ['summary', '/none.csv'],
      'mayfly: there is no file /none.csv\nName telemetry files (.csv), or the folder that a service writes them to.',
    ],
    [
      ['summary', join(folder, 'empty')],
      `mayfly: there is no telemetry file (.csv) in ${folder}/empty\nA service writes them to the folder that start() of the library is given, or MAYFLY_TELEMETRY names.`,
    ],
    [
      ['export', join(folder, 'notes.txt')],
      'mayfly: no sample was read from 1 file; 1 file left out, since the first line is not "Timepoint, Measurement, Label, PID": notes.txt\nThe first line is Timepoint, Measurement, Label, PID, and each line ends with a newline: telemetry/README.md has the format.',
    ],
    [
      ['import', header, '--name=a'],
      'mayfly: no sample was read from 1 file; 1 malformed line left out; the first one is duration-none.csv:2: 1 field instead of 4\nThe first line is',
    ],
    [['export', files, '--format=xml'], 'mayfly: --format must be openmetrics or json, got "xml"\n'],
    [['summary', files, '--limit=0'], 'mayfly: --limit must be a whole number from 1 to 999999, got "0"\n'],
    [['import', files], 'mayfly: import needs --name=NAME\nUnder it they are found in the archive.'],
    [['import', files, '--name=a b'], 'mayfly: --name must be of letters, digits and _ . -, got "a b"\n'],
    [
      ['import', files, '--name=a', '--label=a.b=c'],
      'mayfly: --label a.b: a label of metrics has letters, digits and _ only, and does not begin with __\n',
    ],
    [
      ['import', files, '--name=a', '--label=run_id=c'],
      'mayfly: --label run_id: that label has a meaning already\nNot to be used: stream, telemetry, run_id, benchmark, host, label, prefix, pid, le.',
    ],
    [['import', files, '--name=a', '--label=b='], 'mayfly: --label b has no value\n'],
    [
      ['summarise', files],
      'mayfly: telemetry cannot "summarise" (did you mean summary?)\nOne of summary, export, import; npm run telemetry -- --help explains them.',
    ],
  ] as [string[], string][]) {
    const { code, stdout, stderr } = await telemetry(args, data);
    t.strictSame({ code, stdout }, { code: 2, stdout: '' }, args.join(' '));
    t.equal(stderr.slice(0, wanted.length), wanted);
  }
  t.notOk(existsSync(join(data, 'bucket')), 'no bucket was made');
});

t.test('import: blocks of a stream of their own, once; what looks after runs leaves them alone', async (t) => {
  const data = dataFolder(t);
  const folder = folderOf(t);
  const args = ['import', folder, '--name=night', '--label=region=eu'];
  const first = await telemetry([...args, '--json'], data);
  t.equal(first.code, 0, first.stderr);
  const labels = { region: 'eu', stream: 'telemetry', telemetry: 'night' };
  const bucket = join(data, 'bucket');
  const document = JSON.parse(first.stdout);
  t.match(document, { schema: 'mayfly.telemetry-import/v1', name: 'night', labels, bucket, values: 2 * 28 + 1 });
  t.strictSame(
    blocksIn(bucket).map(({ name, labels, samples }) => ({ name, labels, samples })),
    [{ name: document.blocks[0], labels, samples: 57 }],
  );
  const dump = await dumpBlock(t, join(bucket, document.blocks[0]));
  t.match(dump, `{__name__="mayfly_duration_seconds_sum", label="/orders [POST]"} 1 ${AT + 1}000`);

  const again = await telemetry(args, data);
  t.equal(
    again.stdout,
    `${bucket} has them already\nPromQL: mayfly_duration_seconds_count{region="eu",stream="telemetry",telemetry="night"}\nnpm run archive:up shows it\n`,
  );
  t.equal(blocksIn(bucket).length, 1);

  const archive = (...args: string[]) => mayfly('archive', args, data).done;
  const list = JSON.parse((await archive('ls', '--json')).stdout);
  t.match(list, { runs: [], others: 0, telemetry: [{ name: 'night', blocks: 1, samples: 57 }] });
  t.match((await archive('ls')).stdout, /^telemetry night: 1 block, 57 samples, .* kB$/m);
  const verified = JSON.parse((await archive('verify', '--json')).stdout);
  t.match(verified, { ok: true, blocks_checked: 1, findings: [] });
  const prune = await archive(
    'prune',
    '--older-than=1d',
    '--unknown',
    '--trend-older-than=1d',
    '--yes',
    '--now',
    '--json',
  );
  t.match(JSON.parse(prune.stdout), { runs: [], trend_blocks: [], telemetry_blocks: [] });
  t.equal(blocksIn(bucket).length, 1);

  const index = join(bucket, document.blocks[0], 'index');
  const whole = readFileSync(index);
  writeFileSync(index, whole.subarray(0, whole.length - 10));
  const damaged = await archive('verify', '--repair');
  t.equal(damaged.code, 4);
  t.match(
    damaged.stdout,
    /^FAULT {2}damaged {2}\S+: block of the telemetry night: index .*; remove it \(prune --telemetry-older-than\), and import its files again$/m,
  );
  t.equal(blocksIn(bucket).length, 1, 'it is not taken for a trend block');

  const gone = await archive('prune', '--telemetry-older-than=1h', '--yes', '--now');
  t.match(gone.stdout, /^0 runs and 1 telemetry block, .*: removed; 0 runs stay$/m, gone.stderr);
  t.strictSame(blocksIn(bucket), []);
  t.same(await onEngine(), []);
});
