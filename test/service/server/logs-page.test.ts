/** The page with the log lines of a run. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type KeptLine, writeLogFile } from '../../../scripts/logs/kept.ts';
import { MOST_LINES } from '../../../scripts/service/server/log-lines.ts';
import { pageRoutes } from '../../../scripts/service/server/pages/pages.ts';
import { compared, keep, openSite, served } from './site-store.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const line = (second: number, side: KeptLine['side'], service: string, text: string): KeptLine => ({
  time: `2026-11-28T22:00:${String(second).padStart(2, '0')}.000000000Z`,
  stream: 'o',
  side,
  service,
  replica: 1,
  text,
});

type Place = Parameters<typeof openSite>[0];
async function site(t: Place) {
  const { ctx, store } = openSite(t);
  const logs = { files: ['logs-1.gz'], bytes: 9 };
  const compose = { x: { services: { shop: {}, 'b-shop': {} } } };
  const { archive: _, ...bare } = compared(1, 0);
  const run = keep(store, { ...bare, logs, compose });
  const going = keep(store, { ...bare, run_id: '01K0000000000000000000000X', status: 'running' });
  const none = keep(store, { ...bare, run_id: '01K0000000000000000000000Y' });
  const far = keep(store, {
    ...bare,
    run_id: '01K0000000000000000000000Z',
    logs,
    archive: { bucket: 's3://b', blocks: ['01K0000000000000000000000Q'], verified: true, pending: false },
  });
  const dir = join(ctx.paths.runs, run.run_id, 'logs');
  mkdirSync(dir, { recursive: true });
  const http = await served(t, ctx, pageRoutes);
  const get = async (id: string, query = '') => {
    const { statusCode, body } = await http.inject(`/runs/${id}${query}`);
    return { status: statusCode, body, rows: body.match(/<tr><td>/g)?.length ?? 0 };
  };
  return { get, run, going, none, far, dir };
}

t.test('the last lines of all, with nothing of theirs as markup; and those that are asked for', async (t) => {
  const { get, run, dir } = await site(t);
  await writeLogFile(dir, 'logs-1.gz', [
    line(1, 'candidate', 'shop', `level=info trace=${TRACE} msg="<b>placed</b>" order=<7>`),
    line(2, 'baseline', 'shop', 'plain \u202etext'),
  ]);
  await writeLogFile(dir, 'logs-2.gz', [line(9, 'candidate', 'b-shop', 'level=error msg=failed')]);
  writeFileSync(join(dir, 'harness.log'), 'ts=2026-11-28T22:00:00.000000000Z level=info service=harness msg=begin\n');
  const page = (query = '') => get(run.run_id, `/logs${query}`);
  t.match((await get(run.run_id)).body, `<a href="/runs/${run.run_id}/logs">Logs</a>`);
  const { body, status, rows } = await page();
  t.same([status, rows], [200, 4]);
  t.match(body, /begin[^]*placed[^]*plain \?text[^]*failed/, 'by time');
  t.match(
    body,
    `<td>info</td><td>candidate</td><td class="num">1</td><td>shop</td><td><a href="/runs/${run.run_id}/logs?trace=${TRACE}" title="${TRACE}"><code>0af76519</code></a></td><td>&lt;b&gt;placed&lt;/b&gt; <code>order=&lt;7&gt;</code></td>`,
  );
  for (const [query, wanted] of [
    ['?service=shop', ['placed', 'text']],
    ['?side=baseline', ['text']],
    ['?round=2', ['failed']],
    ['?level=warn', ['failed']],
    [`?trace=${TRACE.toUpperCase()}`, ['placed']],
    ['?service=harness', ['begin']],
    ['?service=nobody', []],
  ] as const) {
    const found = await page(query);
    t.equal(found.rows, wanted.length, query);
    for (const word of wanted) t.match(found.body, word, query);
  }
  t.match((await page('?service=nobody')).body, /No line is like that[^]*/);
  t.match((await page('?level=warn')).body, '<option value="warn" selected>warn</option>');
  for (const [query, said] of [
    ['?side=both', 'side must be candidate or baseline, got "both"'],
    ['?level=loud', 'level must be one of debug, info, warn, error, got "loud"'],
    ['?trace=x', 'trace must be the id of a trace, or at least its first 8 digits, got "x"'],
    ['?round=x', 'round must be a whole number, got "x"'],
  ] as const) {
    const { status, body } = await page(query);
    t.equal(status, 400, query);
    t.equal(JSON.parse(body).error, said);
  }
});

t.test('no more lines than a page can hold, and damage is said', async (t) => {
  const { get, run, dir } = await site(t);
  const many = (from: number) =>
    Array.from({ length: MOST_LINES + 100 }, (_, i) => line(from, 'candidate', 'shop', `${from}: line ${i}.`));
  for (const round of [1, 2, 3]) await writeLogFile(dir, `logs-${round}.gz`, many(round));
  const { body, rows } = await get(run.run_id, '/logs');
  t.equal(rows, MOST_LINES);
  t.match(body, 'The last 500 lines. npm run logs prints all.');
  t.match(body, `3: line ${MOST_LINES + 99}.`);
  t.notMatch(body, '3: line 99.');
  t.notMatch(body, '2: line');
  writeFileSync(join(dir, 'logs-3.gz'), readFileSync(join(dir, 'logs-3.gz')).subarray(0, 40));
  t.match(
    (await get(run.run_id, '/logs')).body,
    'Not all of logs-3.gz can be read: it is damaged: unexpected end of file.',
  );
});

t.test('of a run without logs here it is said why', async (t) => {
  const { get, going, none, far } = await site(t);
  for (const [run, said] of [
    [going, 'The run is still going on: reading its logs would disturb it.'],
    [none, 'There are no logs of this run on this host.'],
    [far, `The logs are in s3://b, which is no folder of this host: npm run logs -- ${far.run_id} fetches them.`],
  ] as const) {
    const { status, body, rows } = await get(run.run_id, '/logs');
    t.same([status, rows], [200, 0]);
    t.match(body, said);
  }
  t.equal((await get('01K0000000000000000000000W', '/logs')).status, 404);
});
