/** Traces on the web site: the page of a run, and the page of one trace. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RoundDocument } from '../../../scripts/documents/run.ts';
import { pageRoutes } from '../../../scripts/service/server/pages/pages.ts';
import { tracesName, writeKept } from '../../../scripts/traces/kept.ts';
import type { Span } from '../../../scripts/traces/spans.ts';
import { made } from '../../traces/made.ts';
import { alone, compared, keep, openSite, served } from './site-store.ts';

/** producer calls consumer; a name is hostile. */
function chain(i: number, consumer: number): Span[] {
  const more = { traceId: String(i).padStart(32, '0') };
  return [
    made('producer', null, 0, consumer + 2000, { ...more, kind: 'SERVER' }),
    made('producer <img src=x>', 'producer', 500, consumer + 1500, { ...more, kind: 'CLIENT' }),
    made('consumer', 'producer <img src=x>', 1000, consumer + 1000, { ...more, kind: 'SERVER' }),
  ];
}

const tracesOf = ({ side, round }: RoundDocument, isKept = true): RoundDocument['traces'] => ({
  sampling: 0.1,
  traces: 90,
  complete: 88,
  holes: 2,
  unfinished: 0,
  spans: 264,
  total_avg: 0.005,
  hops: [{ hop: 'consumer', calls: 1, self_avg: 0.003, self_p95: 0.005, path_avg: 0.0031, share: 0.62 }],
  ...(isKept ? { kept: { file: tracesName(side, round), slowest: 20, sample: 20 } } : {}),
});

type Place = Parameters<typeof openSite>[0];
async function site(t: Place) {
  const { ctx, store } = openSite(t);
  const run = compared(1, 0);
  for (const round of run.rounds) round.traces = tracesOf(round, round.round <= 2);
  const folder = join(ctx.paths.runs, run.run_id, 'traces');
  mkdirSync(folder, { recursive: true });
  for (const { side, round } of run.rounds.filter((one) => one.round <= 2))
    await writeKept(
      join(folder, tracesName(side, round)),
      Array.from({ length: 20 }, (_, i) =>
        chain(
          1000 * round + 100 * (side === 'baseline' ? 1 : 0) + i,
          (side === 'candidate' ? 9000 : 4000) + 10 * i + round,
        ),
      ),
    );
  keep(store, run);
  const http = await served(t, ctx, pageRoutes);
  const get = async (path: string) => {
    const { statusCode, body } = await http.inject(path);
    return { status: statusCode, body };
  };
  return { get, run, store, ctx, folder, http };
}

t.test('the page of a run shows its hops and the slowest trace of each side', async (t) => {
  const { get, run } = await site(t);
  const { body } = await get(`/runs/${run.run_id}`);
  t.match(body, '<h2 id="traces-title">Where the time of a request went</h2>');
  t.match(body, /<th scope="row">consumer<\/th><td class="num">3\.00 ms<\/td><td class="num">3\.00 ms<\/td>/);
  t.match(body, '<h3>The slowest trace of the candidate: 11.2 ms</h3>');
  t.match(body, '<h3>The slowest trace of the baseline: 6.19 ms</h3>');
  t.match(body, /<svg viewBox="0 0 1200 82" width="1200" height="82" aria-hidden="true">/);
  t.match(body, /<title>consumer: consumer: 9\.19 ms, 9\.19 ms of it on the critical path<\/title>/);
  t.match(body, 'producer: producer &lt;img src=x&gt;');
  t.notMatch(body, '<img src=x>');
  t.match(body, /figures are of [\d,]+ of [\d,]+ traces, \d+ had a hole/);
  t.match(body, `<a href="/runs/${run.run_id}/traces">More traces, span by span</a>`);
});

t.test('a page of its own: a chooser, the picture, and the same as a table', async (t) => {
  const { get, run } = await site(t);
  const page = `/runs/${run.run_id}/traces`;
  const { body } = await get(page);
  t.equal(body.match(/\/traces\?trace=\d{32}"/g)!.length, 24, '12 of each side');
  t.match(body, /trace=0{28}2019" aria-current="true">11\.2 ms<\/a>/);
  t.match(body, 'candidate, round 2: 11.2 ms, most of it in consumer (9.19 ms).');
  t.match(
    body,
    /consumer: consumer<\/th><td class="num">1\.00 ms<\/td><td class="num">9\.19 ms<\/td><td class="num">9\.19 ms<\/td><td class="num">9\.19 ms<\/td><td class="num">82\.1 %<\/td>/,
  );
  t.match(body, `npm run traces -- ${run.run_id} opens all that are kept in Zipkin.`);
  const other = await get(`${page}?trace=${'2119'.padStart(32, '0')}`);
  t.match(other.body, 'baseline, round 2: 6.19 ms');
  const wrong = await get(`${page}?trace=no`);
  t.equal(wrong.status, 404);
  t.match(wrong.body, `there is no trace no of run ${run.run_id}`);
});

t.test('a run without traces, and one whose files are elsewhere or gone', async (t) => {
  const { get, store, run, folder } = await site(t);
  const none = keep(store, alone(2));
  t.notMatch((await get(`/runs/${none.run_id}`)).body, 'traces-title');
  const page = await get(`/runs/${none.run_id}/traces`);
  t.equal(page.status, 404);
  t.match(page.body, `there is no trace of run ${none.run_id}`);
  const of = (laid: object, isKept = true) => {
    const made = alone(3 + counter++, laid);
    for (const round of made.rounds) round.traces = tracesOf(round, isKept);
    return keep(store, made);
  };
  let counter = 0;
  const shown = async (id: string) => (await get(`/runs/${id}/traces`)).body;
  t.match(await shown(of({}, false).run_id), 'No trace was kept.');
  const archive = { bucket: 's3://perf', blocks: ['01K00000000000000000000000'], verified: true, pending: false };
  const away = of({ archive });
  t.match(await shown(away.run_id), `They are in s3://perf: npm run traces -- ${away.run_id} opens them.`);
  t.match(await shown(of({ archive: undefined }).run_id), 'Their files are not on this host.');
  for (const { side, round } of run.rounds.filter((one) => one.round <= 2))
    writeFileSync(join(folder, tracesName(side, round)), 'damaged');
  t.match(await shown(run.run_id), 'Their files are not on this host.');
  t.ok(readFileSync(join(folder, tracesName('candidate', 1))), 'and stay as they are');
});
