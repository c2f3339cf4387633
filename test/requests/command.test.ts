/** npm run requests: percentiles of a stored run, one file of its requests, and what is said where there are none. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { paths } from '../../scripts/core/paths.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { shareName } from '../../scripts/report/requests-text.ts';
import { quantilesOf } from '../../scripts/requests/quantiles.ts';
import { readRequests } from '../../scripts/requests/read-file.ts';
import { requestsFile, roundOfFile } from '../../scripts/requests/view.ts';
import { openStore } from '../../scripts/store/db.ts';
import { dataFolder, engine, mayfly } from '../e2e/helpers.ts';
import { makeComparison, makeRun } from '../run-document.ts';
import { makeRequests, RUN, writeRound } from './made.ts';

t.teardown(() => engine.close());

const BLOCK = '01K00000000000000000000000';

/**
 * A data folder with one run of three rounds, of which the second does not count, and its files in the folder bucket.
 */
async function archived(t: Test, laid: Partial<RunDocument> = {}) {
  const data = dataFolder(t);
  const { bucket, db, runs } = paths(data, { MAYFLY_DATA: data });
  const file = (round: number) => join(bucket, BLOCK, 'chunks', `requests-${round}.parquet`);
  for (const round of [1, 2, 3])
    await writeRound(file(round), round, makeRequests(2000, { seed: round }), {
      more: { of: round === 3 ? '2500' : '2000', cap: '2000' },
    });
  const shape = makeComparison(1.05);
  const rounds = shape.rounds.map((round) =>
    round.round === 2 ? { ...round, valid: false, reasons: [{ code: 'host-load' as const, message: 'busy' }] } : round,
  );
  const archive = {
    bucket,
    blocks: [BLOCK],
    verified: true,
    pending: false,
    requests: {
      files: [1, 2, 3].map((round) => `${BLOCK}/chunks/requests-${round}.parquet`),
      rows: 6000,
      bytes: 1,
      verified: true,
    },
  };
  const store = openStore(db);
  const run: RunDocument = { ...shape, run_id: RUN, rounds, archive, ...laid };
  store.addRun(run);
  if (run.archive) store.saveArchive(RUN, run.archive);
  store.close();
  const asked = (...args: string[]) => mayfly('requests', args, data).done;
  return { data, run, runs, file, asked };
}

t.test('the rounds that count, by side and name', async (t) => {
  const { asked } = await archived(t);
  const { code, stdout, stderr } = await asked('last');
  t.equal(code, 0, stderr);
  t.match(stdout.split('\n')[0], /^side +name +requests +failed +p50 +p90 +p95 +p99 +p99\.9 +max$/);
  t.match(stdout, /^candidate +all +2,000 +0 +\d+ µs/m);
  t.match(stdout, /^baseline +all +2,000 +4 +\d+ µs/m);
  t.equal(stdout.match(/^(candidate|baseline) +(GET \/|POST \/orders|GET \/items\/:id) /gm)?.length, 6);
  t.match(
    stdout,
    new RegExp(`^run ${RUN}: 4,000 requests of 4,500 \\(the rest was beyond the cap\\) in 2 rounds$`, 'm'),
  );
  t.match(stderr, /^rounds that do not count are left out: 2; --round=N takes one of them$/m);
});

t.test('any percentile, as JSON, of one round too', async (t) => {
  const { asked } = await archived(t);
  const { stdout } = await asked(RUN, '--json', '--quantile=0.1234', '--quantile=0.9999', '--round=2');
  const document = JSON.parse(stdout);
  t.match(document, {
    schema: 'mayfly.requests-summary/v1',
    run_id: RUN,
    benchmark: 'shop',
    rounds: [2],
    left_out: [],
    requests: 2000,
    of: 2000,
    faults: [],
    remarks: [],
    lines: { length: 8 },
  });
  const rows = makeRequests(2000, { seed: 2 });
  const own = rows.latency.filter((_, i) => rows.side[i] === 0).sort();
  t.strictSame(document.lines[0], {
    side: 'candidate',
    name: null,
    requests: 1000,
    failed: 0,
    quantiles: quantilesOf(own, [0.1234, 0.9999]),
  });
});

t.test('one file of all rounds, which is not overwritten', async (t) => {
  const { asked, data } = await archived(t);
  const out = join(data, 'all.parquet');
  const { code, stdout, stderr } = await asked(RUN, `--out=${out}`);
  t.equal(code, 0, stderr);
  t.match(
    stdout,
    new RegExp(
      `^6,000 requests of 6,500 \\(the rest was beyond the cap\\) in 3 rounds of run ${RUN} are in ${out} \\([\\d.]+ kB\\)`,
    ),
  );
  t.match(stderr, /^rounds that do not count are in it too: 2$/m);
  const before = readFileSync(out);
  const again = await asked(RUN, `--out=${out}`);
  t.equal(again.code, 2);
  t.match(again.stderr, /all\.parquet is there already\nName another/);
  t.ok(readFileSync(out).equals(before));
  await t.rejects(readRequests(out), /says no round/, 'no file of one round');
});

t.test('one that is damaged or missing is said, and the others are read', async (t) => {
  const { asked, file } = await archived(t);
  writeFileSync(file(1), 'garbage');
  const { code, stdout, stderr } = await asked(RUN);
  t.equal(code, 0, stderr);
  t.match(stdout, /2,000 requests of 2,500/);
  t.match(stderr, /^the requests of round 1 are not in it: their file cannot be read as Parquet: /m);
  rmSync(file(3));
  const none = await asked(RUN);
  t.equal(none.code, 4);
  t.match(
    none.stderr,
    new RegExp(
      `none of the 2 files of requests of run ${RUN} can be read; that of round 1 cannot be read as Parquet.*\nnpm run archive -- verify --run=${RUN}`,
    ),
  );
});

t.test('where there are none it is said why', async (t) => {
  const of = async (laid: Partial<RunDocument>, message: RegExp) => {
    const { asked } = await archived(t, laid);
    const { code, stderr } = await asked(RUN);
    t.equal(code, 2);
    t.match(stderr, message);
  };
  const load = { generator: 'k6', target: 'http://shop:8080', rate: 200, duration_s: 20, warmup_s: 5, vus: 50 };
  const bucket = { bucket: '/nowhere', blocks: [BLOCK], verified: true, pending: false };
  await of(
    { load, archive: bucket },
    /there are no single requests of run .*: run .* kept none: its load generator \(k6\) left no file of them\nRuns of before they were kept, and of other load generators, have none/,
  );
  await of(
    {
      archive: {
        ...bucket,
        removed_at: '2026-05-01T00:00:00.000Z',
        requests: { files: [`${BLOCK}/chunks/requests-1.parquet`], rows: 1, bytes: 1, verified: true },
      },
    },
    /were removed with its metrics on 2026-05-01/,
  );
  await of(
    {
      archive: {
        ...bucket,
        requests: {
          files: [`${BLOCK}/chunks/requests-9.parquet`, `../${BLOCK}/chunks/requests-1.parquet`],
          rows: 1,
          bytes: 1,
          verified: true,
        },
      },
    },
    /kept none of these rounds/,
  );
  await of(
    { rounds: makeRun().rounds.map((round) => ({ ...round, valid: false })) },
    /no round of run .* counts\n--round=1 shows one of them all the same/,
  );
});

t.test('of a run that goes on: what its finished rounds have left', async (t) => {
  const { asked, runs, run } = await archived(t, { status: 'running', archive: undefined });
  t.match((await asked(RUN)).stderr, /there are no single requests/);
  await writeRound(requestsFile(join(runs, run.run_id), 1), 1, makeRequests(100));
  t.match((await asked(RUN)).stdout, /: 100 requests in 1 round$/m);
});

t.test('what is asked in the wrong way', async (t) => {
  const { asked } = await archived(t);
  for (const [args, message] of [
    [[], /needs one run, got 0/],
    [['nope'], /there is no run/],
    [[RUN, '--round=0'], /--round must be a whole number from 1/],
    [[RUN, '--round=7'], /has no round 7\nIt has rounds 1 to 3/],
    [[RUN, '--quantile=99.9'], /--quantile must be a share from 0 to 1, like 0\.999, got "99\.9"/],
    [[RUN, '--quantil=0.5'], /quantil/],
  ] as const) {
    const { code, stderr } = await asked(...args);
    t.equal(code, 2, stderr);
    t.match(stderr, message);
  }
});

t.test('names of shares and of files', async (t) => {
  t.same([0, 0.5, 0.999, 0.9999, 0.123, 1].map(shareName), ['min', 'p50', 'p99.9', 'p99.99', 'p12.3', 'max']);
  t.same(['round-1.parquet', 'round-12.parquet', 'round-0.parquet', 'round-1.parquet.1.tmp', 'x'].map(roundOfFile), [
    1,
    12,
    null,
    null,
    null,
  ]);
});
