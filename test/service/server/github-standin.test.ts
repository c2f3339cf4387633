/** The stand-in finds what is wrong: else the tests that stand on it would prove nothing. */
import t from 'tap';
import { startGitHub } from './github-standin.ts';

const HEADERS = {
  authorization: 'token ghs_actions',
  'user-agent': 'mayfly',
  accept: 'application/vnd.github.v3+json',
  'x-github-api-version': '2022-11-28',
  'content-type': 'application/json',
};
const HEAD = 'a'.repeat(40);
const CHECK = { name: 'mayfly: shop', head_sha: HEAD };

t.test('requests that GitHub would not understand are refused and kept', async (t) => {
  await using standIn = await startGitHub();
  standIn.addRepository('octo/shop', HEAD);
  const ask = (method: string, path: string, body?: unknown, headers: Record<string, string | undefined> = {}) => {
    const all = Object.entries({ ...HEADERS, ...headers }).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && (body !== undefined || entry[0] !== 'content-type'),
    );
    return fetch(`${standIn.url}${path}`, {
      method,
      headers: all,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  };
  const wrong: [Parameters<typeof ask>, RegExp][] = [
    [['GET', '/repos/octo/shop/pull/7'], /this path is not known/],
    [['PUT', '/repos/octo/shop/pulls'], /this path is not known/],
    [['GET', '/repos/octo/shop/pulls/seven'], /pull_number/],
    [['GET', '/repos/octo/shop/pulls?state=opened'], /query parameter state/],
    [['GET', '/repos/octo/shop/pulls?count=3'], /query parameter count is not known/],
    [['POST', '/repos/octo/shop/check-runs'], /body is missing/],
    [['POST', '/repos/octo/shop/check-runs', { name: 'x' }], /head_sha/],
    [['POST', '/repos/octo/shop/check-runs', { ...CHECK, status: 'done' }], /status/],
    [['POST', '/repos/octo/shop/check-runs', { ...CHECK, sumary: 'x' }], /field sumary is not known/],
    [['POST', '/repos/octo/shop/check-runs', { ...CHECK, started_at: 'yesterday' }], /date-time/],
    [
      ['POST', '/repos/octo/shop/check-runs', { ...CHECK, output: { title: 'x', summary: 'x'.repeat(65_536) } }],
      /65535/,
    ],
    [['POST', '/repos/octo/shop/check-runs', '{"name":'], /body/],
    [['POST', '/repos/octo/shop/issues/7/comments', { body: 7 }], /body must be string/],
    [['GET', '/repos/octo/shop', undefined, { authorization: undefined }], /authorization/],
    [['GET', '/repos/octo/shop', undefined, { 'user-agent': 'other' }], /user-agent/],
    [['GET', '/repos/octo/shop', undefined, { accept: 'text/html' }], /accept/],
    [['GET', '/repos/octo/shop', undefined, { 'x-github-api-version': undefined }], /x-github-api-version/],
  ];
  for (const [request, words] of wrong) {
    const before = standIn.faults.length;
    t.equal((await ask(...request)).status, 400, request.slice(0, 3).join(' ').slice(0, 100));
    t.match(standIn.faults.slice(before).join('\n'), words);
  }
  t.equal(standIn.repository('octo/shop').checkRuns.length, 0);
  const faults = standIn.faults.length;
  t.equal((await ask('GET', '/repos/octo/shop')).status, 200);
  t.equal((await ask('POST', '/repos/octo/shop/check-runs', CHECK)).status, 201);
  t.equal((await ask('GET', '/repos/octo/nothing')).status, 404);
  t.equal((await ask('GET', '/repos/octo/shop', undefined, { authorization: 'token stolen' })).status, 401);
  t.equal((await ask('GET', '/app', undefined, { authorization: 'bearer a.b.c' })).status, 401, 'signed by nobody');
  t.equal(standIn.faults.length, faults, 'these are right, whatever is answered');
});
