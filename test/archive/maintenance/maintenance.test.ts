/**
 * Maintenance of the archive, as far as it is pure: what a prune chooses, and what a look at the archive makes of what it
 * finds.
 */
import t from 'tap';
import type { Block } from '../../../scripts/archive/blocks.ts';
import { onlyBlocks, TELEMETRY_MARK } from '../../../scripts/archive/blocks.ts';
import { parseAge, parseCount, parseKeepLabel, parseSize } from '../../../scripts/archive/maintenance/age-and-size.ts';
import { groupRuns, sumOf } from '../../../scripts/archive/maintenance/archived-runs.ts';
import { type Evidence, judge } from '../../../scripts/archive/maintenance/assess.ts';
import { pieces } from '../../../scripts/archive/maintenance/read.ts';
import { type Criteria, selectOlder, selectRuns } from '../../../scripts/archive/maintenance/select.ts';
import { runTable } from '../../../scripts/report/run-table.ts';
import type { StoredRun } from '../../../scripts/store/db.ts';
import { makeRun } from '../../run-document.ts';

const DAY = 86_400_000;
const NOW = Date.parse('2026-06-01T00:00:00.000Z');
const BUCKET = '/data/bucket';

const runId = (n: number) => `01JZZZZZZZZZZZZZZZZZZZZZ${String(n).padStart(2, '0')}`;
const blockId = (n: number) => `01K00000000000000000000B${String(n).padStart(2, '0')}`;

/** The raw block of run `n`, which ended `days` ago and has 100 bytes. */
function raw(n: number, days: number, laid: Partial<Block> = {}): Block {
  const maxTime = NOW - days * DAY;
  return {
    ulid: blockId(n),
    minTime: maxTime - 60_000,
    maxTime,
    samples: 10,
    series: 5,
    chunks: 5,
    level: 1,
    labels: { stream: 'raw', run_id: runId(n), benchmark: 'shop', host: 'h0st' },
    files: { index: 40, 'chunks/000001': 60 },
    marked: false,
    ...laid,
  };
}

const trend = (n: number, days: number, laid: Partial<Block> = {}): Block =>
  raw(n, days, { labels: { stream: 'trend' }, ...laid });

function stored(n: number, days: number, laid: Partial<StoredRun> = {}): StoredRun {
  return {
    run_id: runId(n),
    benchmark: 'shop',
    host_id: 'h0st',
    status: 'complete',
    started_at: new Date(NOW - days * DAY - 60_000).toISOString(),
    labels: {},
    observations: 3,
    archive: { bucket: BUCKET, blocks: [blockId(n)], verified: true, pending: false },
    ...laid,
  };
}

t.test('what a prune chooses', async (t) => {
  const ages = [100, 50, 20, 10, 1];
  const runs = groupRuns(ages.map((days, n) => raw(n, days)));
  const known = ages.map((days, n) => stored(n, days));
  const choose = (criteria: Partial<Criteria>, records = known, list = runs) =>
    selectRuns(list, records, { keepLabels: [], ...criteria }, NOW);
  const chosen = (criteria: Partial<Criteria>, records = known, list = runs) =>
    choose(criteria, records, list).chosen.map(({ run }) => ages[Number(run.run_id.slice(-2))]);

  t.strictSame(chosen({}), [], 'nothing without a criterion');
  t.strictSame(chosen({ olderThanMs: 15 * DAY }), [100, 50, 20]);
  t.strictSame(chosen({ olderThanMs: 100 * DAY }), [], 'as old as said is not older');
  t.strictSame(chosen({ keepLast: 2 }), [100, 50, 20], 'alone: all others go');
  t.strictSame(chosen({ keepLast: 4, olderThanMs: 15 * DAY }), [100], 'the newest stay, however old');
  t.strictSame(chosen({ maxBytes: 250 }), [100, 50, 20], 'the oldest go until the rest fits');
  t.strictSame(chosen({ maxBytes: 500 }), []);
  t.strictSame(chosen({ maxBytes: 250, olderThanMs: 70 * DAY }), [100, 50, 20]);
  t.match(choose({ maxBytes: 0, keepLast: 2 }), {
    chosen: { length: 3 },
    overBytes: 200,
    kept: 2,
    protected: { 'among the newest 2 of their benchmark': 2 },
  });

  const labelled = known.map(
    (run, n): StoredRun => ({ ...run, labels: n === 0 ? { release: '1.0' } : n === 1 ? { keep: 'yes' } : {} }),
  );
  t.strictSame(chosen({ olderThanMs: DAY * 5, keepLabels: [{ name: 'release' }] }, labelled), [50, 20, 10]);
  t.strictSame(
    chosen({ olderThanMs: DAY * 5, keepLabels: [{ name: 'release', value: '2.0' }] }, labelled),
    [100, 50, 20, 10],
  );
  t.strictSame(
    chosen({ olderThanMs: DAY * 5, keepLabels: [{ name: 'release' }, { name: 'keep', value: 'yes' }] }, labelled),
    [20, 10],
  );

  const busy = known.map(
    (run, n): StoredRun =>
      n === 0 ? { ...run, status: 'running' } : n === 1 ? { ...run, archive: { ...run.archive!, pending: true } } : run,
  );
  t.strictSame(chosen({ olderThanMs: DAY * 5 }, busy), [20, 10], 'a run that goes on or waits is never touched');
  t.strictSame(choose({ olderThanMs: DAY * 5 }, busy).protected, { 'still running': 1, 'waiting to be shipped': 1 });

  t.strictSame(
    chosen({ olderThanMs: DAY * 5 }, known.slice(1)),
    [50, 20, 10],
    'a run that the store does not know stays',
  );
  t.strictSame(chosen({ olderThanMs: DAY * 5, unknown: true }, known.slice(1)), [100, 50, 20, 10]);
  t.strictSame(
    chosen({ olderThanMs: DAY * 5, unknown: true, keepLabels: [{ name: 'release' }] }, known.slice(1)),
    [50, 20, 10],
    'its labels are not known',
  );
  t.strictSame(
    chosen(
      { maxBytes: 0, unknown: true },
      [],
      groupRuns([raw(4, 1, { labels: { run_id: '01KT0MM000ZZZZZZZZZZZZZZZZ', benchmark: 'shop' } })]),
    ),
    [],
    'it may still be going on elsewhere',
  );

  t.strictSame(chosen({ olderThanMs: DAY * 5, benchmark: 'other' }), []);
  const marked = groupRuns(ages.map((days, n) => raw(n, days, { marked: n === 0 })));
  t.strictSame(chosen({ maxBytes: 300 }, known, marked), [50], 'what is marked already is neither counted nor chosen');
  t.strictSame(chosen({ olderThanMs: 0 }, known, groupRuns([raw(2, -3000)])), [], 'a block of the future is not old');

  t.strictSame(
    selectOlder([trend(1, 100), trend(2, 10), trend(3, 100, { marked: true })], 50 * DAY, NOW).map(({ ulid }) => ulid),
    [blockId(1)],
  );
  t.strictSame(selectOlder([trend(1, 100)], undefined, NOW), [], 'without an age none');
});

t.test('the values of the flags', async (t) => {
  t.strictSame(
    [parseAge('a', '90d'), parseAge('a', '12h'), parseAge('a', '2w'), parseAge('a', '5m')],
    [90 * DAY, DAY / 2, 14 * DAY, 300_000],
  );
  t.strictSame([parseSize('s', '50GB'), parseSize('s', '1.5kB'), parseSize('s', '7B')], [5e10, 1500, 7]);
  t.strictSame(
    [parseKeepLabel('a'), parseKeepLabel('a='), parseKeepLabel('a=b=c')],
    [{ name: 'a' }, { name: 'a', value: '' }, { name: 'a', value: 'b=c' }],
  );
  for (const bad of ['90', 'd', '-1d', '1.5d', '90 d', ''])
    t.throws(() => parseAge('older-than', bad), { message: /^--older-than must be/ }, bad);
  for (const bad of ['50', '50gb', '-1GB', '5 GB'])
    t.throws(() => parseSize('max-size', bad), { message: /^--max-size must be/ }, bad);
  for (const bad of ['0', '-1', '1.5', 'x'])
    t.throws(() => parseCount('keep-last', bad, 1), { message: /^--keep-last must be/ }, bad);
  for (const bad of ['', '=x', '1a']) t.throws(() => parseKeepLabel(bad), { message: /^--keep-label must be/ }, bad);
});

t.test('runs of a bucket', async (t) => {
  const second = raw(1, 2, { ulid: blockId(9) });
  const runs = groupRuns([raw(0, 9), raw(1, 3), second, trend(5, 1), raw(6, 1, { labels: { tenant: 'x' } })]);
  t.strictSame(
    runs.map(({ run_id, blocks }) => [run_id, blocks.length]),
    [
      [runId(1), 2],
      [runId(0), 1],
    ],
  );
  t.strictSame([runs[0]!.from, runs[0]!.to], [raw(1, 3).minTime, second.maxTime]);
  t.strictSame(sumOf(runs[0]!.blocks), { blocks: 2, bytes: 200, samples: 20, series: 10 });
  t.strictSame(
    pieces(Array.from({ length: 1001 }, (_, n) => raw(n, 1))).map(({ length }) => length),
    [500, 500, 1],
  );
  t.strictSame(
    pieces([1e9, 1.5e9, 3e9, 1].map((index) => raw(1, 1, { files: { index } }))).map(({ length }) => length),
    [1, 1, 1, 1],
  );
  t.strictSame(JSON.parse(onlyBlocks(['A', 'B'])), [{ action: 'keep', source_labels: ['__block_id'], regex: 'A|B' }]);
});

t.test('what is wrong with an archive', async (t) => {
  const report = (
    ulid: string,
    faults: { file: string; message: string }[] = [],
    ids: string[] = [],
    requests = 0,
  ) => ({ ulid, faults, bytes: 100, ids, requests });
  const whole: Evidence = {
    bucket: BUCKET,
    blocks: [raw(0, 9), raw(1, 3), trend(5, 1)],
    partial: [],
    stored: [stored(0, 9), stored(1, 3)],
    shipping: [],
    read: true,
    reports: [report(blockId(0)), report(blockId(1)), report(blockId(5), [], [runId(0), runId(1)])],
  };
  const seen = (changed: Partial<Evidence>) =>
    judge({ ...whole, ...changed }).map(({ kind, fault, run_id, blocks }) =>
      [kind, fault, run_id?.slice(-2), blocks.map((id) => id.slice(-2)).join(' ')].filter(
        (part) => part !== undefined && part !== '',
      ),
    );
  const damage = [{ file: 'index', message: 'x' }];
  const telemetry = raw(7, 5, { labels: { stream: 'telemetry', telemetry: 'night', region: 'eu' } });
  t.strictSame(seen({ blocks: [...whole.blocks, telemetry] }), [], 'telemetry by hand is of no run, and not foreign');
  t.strictSame(
    seen({ blocks: [...whole.blocks, telemetry], reports: [...whole.reports, report(blockId(7), damage)] }),
    [['damaged', true, '07']],
  );
  t.strictSame(
    seen({ blocks: [...whole.blocks, raw(7, 5, { labels: { stream: 'telemetry' } })] }),
    [['foreign', false, '07']],
    'without a name it is of somebody else',
  );

  t.strictSame(seen({}), []);
  t.strictSame(seen({ reports: [report(blockId(0), damage), ...whole.reports.slice(1)] }), [
    ['damaged', true, '00', '00'],
  ]);
  t.strictSame(seen({ reports: [...whole.reports.slice(0, 2), report(blockId(5), damage, [runId(0), runId(1)])] }), [
    ['damaged', true, '05'],
    ['no-trend', true],
  ]);
  t.strictSame(
    seen({
      blocks: [raw(0, 9, { marked: true }), raw(1, 3), trend(5, 1)],
      reports: [report(blockId(0), damage), ...whole.reports.slice(1)],
    }),
    [['unrecorded', false, '00', '00']],
    'it is being removed',
  );
  t.strictSame(seen({ blocks: whole.blocks.slice(1) }), [['missing', true, '00', '00']]);
  t.strictSame(
    seen({ blocks: whole.blocks.slice(1), partial: [{ ulid: blockId(0), ageS: 5 }] }),
    [['damaged', true, '00', '00']],
    'its meta.json is lost',
  );
  const removed = stored(0, 9, { archive: { ...stored(0, 9).archive!, removed_at: '2026-05-01T00:00:00.000Z' } });
  t.strictSame(seen({ blocks: whole.blocks.slice(1), stored: [removed, stored(1, 3)] }), []);
  t.strictSame(seen({ stored: [removed, stored(1, 3)] }), [['not-removed', false, '00', '00']]);
  t.strictSame(
    seen({
      stored: [stored(0, 9, { archive: { ...stored(0, 9).archive!, bucket: 'S3 runs' } }), stored(1, 3)],
      blocks: whole.blocks.slice(1),
    }),
    [],
    'it was shipped elsewhere',
  );

  const waits = stored(2, 1, {
    archive: { bucket: '', blocks: [blockId(2)], verified: false, pending: true, error: 'x' },
  });
  t.strictSame(seen({ stored: [...whole.stored, waits] }), [['pending', true, '02']]);
  t.strictSame(seen({ stored: [...whole.stored, waits], shipping: [runId(2)] }), [['pending', false, '02']]);
  t.strictSame(seen({ stored: [...whole.stored, waits], partial: [{ ulid: blockId(2), ageS: 7200 }] }), [
    ['pending', true, '02'],
    ['partial', true, '02', '02'],
  ]);
  t.strictSame(
    seen({
      partial: [
        { ulid: blockId(8), ageS: 7200 },
        { ulid: blockId(9), ageS: 5 },
      ],
    }),
    [
      ['partial', false, '08'],
      ['partial', false, '09'],
    ],
    'of nobody: told',
  );

  t.strictSame(seen({ stored: whole.stored.slice(1) }), [['unknown', false, '00', '00']]);
  const others = [
    raw(6, 400, { labels: { cluster: 'prod' } }),
    raw(7, 400, { labels: { cluster: 'prod' } }),
    raw(8, 400, { labels: { stream: 'trend', cluster: 'prod' } }),
    raw(9, 400, { labels: { run_id: 'OTHER', replica: 'a' } }),
  ];
  t.strictSame(
    judge({ ...whole, blocks: [...whole.blocks, ...others] }).map(({ kind, fault, blocks, message }) => [
      kind,
      fault,
      blocks.map((id) => id.slice(-2)),
      message,
    ]),
    [
      ['foreign', false, ['06', '07'], 'not of Mayfly (labels cluster="prod"): left as they are'],
      ['foreign', false, ['08'], 'not of Mayfly (labels cluster="prod", stream="trend"): left as it is'],
      ['foreign', false, ['09'], `not of Mayfly (labels replica="a", run_id="OTHER"): left as it is`],
    ],
    'blocks of others are told, and nothing else is said of them',
  );
  t.strictSame(groupRuns(others), [], 'no prune sees them');
  t.strictSame(
    seen({
      blocks: [
        raw(0, 9, { labels: { stream: 'raw', run_id: runId(0), benchmark: 'other', host: 'h0st' } }),
        raw(1, 3),
        trend(5, 1),
      ],
    }),
    [['labels', true, '00', '00']],
  );
  t.strictSame(seen({ blocks: [...whole.blocks, raw(0, 9, { ulid: blockId(7) })] }), [['duplicate', true, '00', '07']]);
  t.strictSame(
    seen({ blocks: [...whole.blocks, raw(0, 9, { ulid: blockId(7), maxTime: raw(0, 9).maxTime + 1 })] }),
    [['overlap', true, '00', '00 07']],
    'it holds more: it may not go',
  );
  const ofTelemetry = raw(0, 9, { ulid: blockId(7), files: { index: 40, 'chunks/000001': 60, [TELEMETRY_MARK]: 30 } });
  t.strictSame(
    seen({ blocks: [...whole.blocks, ofTelemetry] }),
    [],
    'telemetry lies over what was scraped, whether or not the store names it',
  );
  t.strictSame(
    seen({ blocks: [...whole.blocks, ofTelemetry, { ...ofTelemetry, ulid: blockId(8) }] }),
    [['overlap', true, '00', '07 08']],
    'and not over other telemetry',
  );
  t.strictSame(
    seen({ blocks: [...whole.blocks, raw(0, 8, { ulid: blockId(7) })] }),
    [],
    'a second block after the first',
  );

  t.strictSame(seen({ reports: [...whole.reports.slice(0, 2), report(blockId(5), [], [runId(1)])] }), [
    ['no-trend', true, '00'],
  ]);
  t.strictSame(
    seen({
      reports: [...whole.reports.slice(0, 2), report(blockId(5), [], [runId(1)])],
      trendSince: new Date(NOW - 5 * DAY).toISOString(),
    }),
    [],
    'its trend was pruned',
  );
  t.strictSame(seen({ reports: [], read: false }), [], 'a quick look cannot know');
  t.strictSame(seen({ run: runId(1), blocks: [trend(5, 1), raw(1, 3)] }), [], 'only this run');

  const path = (round: number) => `chunks/requests-${round}.parquet`;
  const files = { index: 40, 'chunks/000001': 60, [path(1)]: 20, [path(2)]: 20 };
  const keeps = stored(0, 9, {
    archive: {
      ...stored(0, 9).archive!,
      requests: { files: [1, 2].map((round) => `${blockId(0)}/${path(round)}`), rows: 50, bytes: 40, verified: true },
    },
  });
  const kept: Partial<Evidence> = {
    stored: [keeps, stored(1, 3)],
    blocks: [raw(0, 9, { files }), raw(1, 3), trend(5, 1)],
    reports: [report(blockId(0), [], [], 50), ...whole.reports.slice(1)],
  };
  t.strictSame(seen(kept), []);
  t.strictSame(seen({ ...kept, reports: [report(blockId(0), [], [], 49), ...whole.reports.slice(1)] }), [
    ['requests', true, '00', '00'],
  ]);
  const { [path(2)]: _gone, ...left } = files;
  t.match(judge({ ...whole, ...kept, blocks: [raw(0, 9, { files: left }), raw(1, 3), trend(5, 1)] }), [
    {
      kind: 'requests',
      fault: true,
      blocks: [blockId(0)],
      message:
        'its block does not have 1 file of its single requests (requests-2.parquet); import of an export brings them back',
    },
  ]);
  t.strictSame(
    seen({ ...kept, reports: [report(blockId(0), [{ file: path(1), message: 'x' }]), ...whole.reports.slice(1)] }),
    [['damaged', true, '00', '00']],
    'told once',
  );
  t.strictSame(
    seen({ ...kept, blocks: [raw(1, 3), trend(5, 1)] }),
    [['missing', true, '00', '00']],
    'they are gone with their block',
  );
  t.strictSame(seen({ ...kept, reports: [], read: false }), [], 'a quick look does not count them');
});

t.test('a run says that its metrics were removed', async (t) => {
  const archive = {
    bucket: BUCKET,
    blocks: [blockId(1)],
    verified: true,
    pending: false,
    removed_at: '2026-05-01T00:00:00.000Z',
  };
  const table = runTable(makeRun({ archive }), { color: false });
  t.ok(table.split('\n').includes(`metrics: removed from ${BUCKET} on 2026-05-01; the samples above stay`), table);
});
