/**
 * Every request on the web site: what its endpoint gives, what the page says where there is none, and that nothing
 * asked of it can end the server.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { quantilesOf } from '../../scripts/requests/quantiles.ts';
import { requestsFile } from '../../scripts/requests/view.ts';
import { runView } from '../../scripts/service/server/data/run-data.ts';
import { runBody } from '../../scripts/service/server/pages/run-page.ts';
import { type RequestsView, requestsView, SHARES } from '../../scripts/service/server/single-requests.ts';
import { alone, compared, keep, openSite } from '../service/server/site-store.ts';
import { makeRequests, writeRound } from './made.ts';

const BLOCK = '01K00000000000000000000000';
const PATH = (round: number) => `${BLOCK}/chunks/requests-${round}.parquet`;
type Site = ReturnType<typeof openSite>;

/** A run of six rounds with requests of its first three, `count` each, in the folder bucket. */
async function kept({ ctx, store }: Site, count: number, laid: Partial<RunDocument> = {}): Promise<RunDocument> {
  const shape = compared(1, 0, { count: 6 });
  for (const round of [1, 2, 3])
    await writeRound(join(ctx.paths.bucket, PATH(round)), round, makeRequests(count, { seed: round }), {
      runId: shape.run_id,
      more: round === 1 ? { of: String(count + 500) } : {},
    });
  const archive = {
    bucket: ctx.paths.bucket,
    blocks: [BLOCK],
    verified: true,
    pending: false,
    requests: { files: [1, 2, 3].map(PATH), rows: 3 * count, bytes: 1, verified: true },
  };
  return keep(store, { ...shape, archive, ...laid });
}

t.test(
  'percentiles are exact, shares are of each side, the slowest and the failed are drawn, and the rest is thinned',
  async (t) => {
    const site = openSite(t);
    const run = await kept(site, 20_000);
    const view = await requestsView(site.ctx, run.run_id);
    t.match(view, {
      schema: 'mayfly.site-requests/v1',
      run_id: run.run_id,
      rounds: [1, 2, 3],
      requests: 60_000,
      of: 60_500,
      places: [site.ctx.paths.bucket],
      reasons: [],
      lines: { length: 8 },
    });
    const rows = [1, 2, 3].map((seed) => makeRequests(20_000, { seed }));
    const latencies = (side: number, failed = true) =>
      Float32Array.from(
        rows.flatMap(({ latency, side: sides, failure }) =>
          [...latency].filter((_, i) => sides[i] === side && (failed || failure[i] === 0)),
        ),
      ).sort();
    t.same(
      view.lines.filter(({ name }) => name === null),
      ['candidate', 'baseline'].map((side, i) => ({
        side,
        name: null,
        requests: 30_000,
        failed: i * 60,
        quantiles: quantilesOf(latencies(i, false), SHARES),
      })),
    );

    t.equal(view.edges.length, view.shares[0]!.share.length + 1);
    for (const { side, share } of view.shares)
      t.ok(Math.abs(share.reduce((sum, part) => sum + part, 0) - 1) < 1e-9, side);
    const all = latencies(0);
    const bin = view.edges.findIndex((edge) => edge > all[15_000]!) - 1;
    const inBin =
      all.filter((value) => value >= Math.fround(view.edges[bin]!) && value < view.edges[bin + 1]!).length / all.length;
    t.ok(
      Math.abs(view.shares.find(({ side }) => side === 'candidate')!.share[bin]! - inBin) < 1e-3,
      'a bin holds what lies between its edges',
    );

    for (const [i, { side, due, latency, failed, round }] of view.points.entries()) {
      t.equal(side, ['candidate', 'baseline'][i]);
      t.ok(
        due.length > 1500 && due.length < 2500 && [latency, failed, round].every((list) => list.length === due.length),
        `${due.length} points`,
      );
      const drawn = latency.toSorted((a, b) => b - a);
      t.ok(
        [...latencies(i)]
          .reverse()
          .slice(0, 400)
          .every((value, place) => Math.abs(value - drawn[place]!) < 1e-7),
        'the 400 slowest',
      );
      t.equal(failed.filter(Boolean).length, i * 60, 'every failure');
      t.same(
        due,
        due.toSorted((a, b) => a - b),
      );
      t.same([...new Set(round)].sort(), [1, 2, 3]);
    }
    t.ok(JSON.stringify(view).length < 200_000);
    t.equal(await requestsView(site.ctx, run.run_id.toLowerCase()), view, 'an ended run is read once');
  },
);

t.test(
  'rounds that do not count are left out; of a run without any that counts they are shown, and it is said',
  async (t) => {
    const site = openSite(t);
    const shape = compared(1, 0, { count: 6 });
    const invalid = (which: number[]) =>
      shape.rounds.map((round) =>
        which.includes(round.round)
          ? { ...round, valid: false, reasons: [{ code: 'host-load' as const, message: 'busy' }] }
          : round,
      );
    const run = await kept(site, 100, { rounds: invalid([2]) });
    t.match(await requestsView(site.ctx, run.run_id), { rounds: [1, 3], requests: 200, reasons: [] });
    const other = openSite(t);
    const none = await kept(other, 100, { rounds: invalid([1, 2, 3, 4, 5, 6]) });
    t.match(await requestsView(other.ctx, none.run_id), {
      rounds: [1, 2, 3],
      reasons: ['no round counts: these are of rounds that do not'],
    });
  },
);

t.test('what is damaged, gone or elsewhere is said; those who ask at the same time share one reading', async (t) => {
  const site = openSite(t);
  const run = await kept(site, 100);
  writeFileSync(join(site.ctx.paths.bucket, PATH(1)), 'garbage');
  rmSync(join(site.ctx.paths.bucket, PATH(3)));
  const [first, second] = await Promise.all([requestsView(site.ctx, run.run_id), requestsView(site.ctx, run.run_id)]);
  t.equal(first, second);
  t.match(first, {
    rounds: [2],
    requests: 100,
    reasons: [/^round 1 is left out: its file cannot be read as Parquet/, /^round 3 is left out: its file is missing$/],
  });
  const elsewhere = keep(site.store, {
    ...compared(2, 0, { count: 6 }),
    archive: {
      ...run.archive!,
      bucket: 'S3 s3.example.net/runs',
      requests: { ...run.archive!.requests!, files: [`01K00000000000000000000009/chunks/requests-1.parquet`] },
    },
  });
  t.match(await requestsView(site.ctx, elsewhere.run_id), {
    requests: 0,
    lines: [],
    reasons: [
      `those of run ${elsewhere.run_id} lie in S3 s3.example.net/runs: npm run requests -- ${elsewhere.run_id} fetches them`,
    ],
  });
});

t.test('what the page says', async (t) => {
  const site = openSite(t);
  const page = async (run: RunDocument) => {
    const [, section] = /<section id="requests"(.*?)<\/section>/s.exec(
      String(runBody(await runView(site.ctx, run.run_id))),
    )!;
    return section!;
  };
  const run = await kept(site, 100);
  t.match(
    await page(run),
    new RegExp(`<script type="application/json" id="requests-data">\\{"url":"/api/runs/${run.run_id}/requests"`),
  );
  t.match(await page(run), /<noscript>.*as JSON/s);
  const old = keep(
    site.store,
    alone(3, {
      load: { generator: 'k6 <b>', target: 'http://shop:8080', rate: 200, duration_s: 20, warmup_s: 5, vus: 50 },
    }),
  );
  t.match(await page(old), /Not kept one by one: the load generator \(k6 &lt;b&gt;\) left no file of them\./);
  t.notMatch(await page(old), /requests-data/);
  const { archive } = run;
  t.match(
    await page(
      keep(site.store, {
        ...compared(4, 0, { count: 6 }),
        archive: { ...archive!, removed_at: '2026-05-01T00:00:00.000Z' },
      }),
    ),
    /Removed with the raw metrics on 2026-05-01\./,
  );
  const going = alone(5, { status: 'running', finished_at: undefined, archive: undefined });
  site.store.addRun(going);
  t.match(await page(going), /They are drawn when the run has ended\./);
  await writeRound(requestsFile(join(site.ctx.paths.runs, going.run_id), 1), 1, makeRequests(10), {
    runId: going.run_id,
  });
  t.match(await requestsView(site.ctx, going.run_id), { requests: 0, reasons: [/still going on/] } satisfies Partial<
    Record<keyof RequestsView, unknown>
  >);
});
