/**
 * The server as it is put together: who may ask it by which name, and what it does while another process writes for
 * long.
 */

import { request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t, { type Test } from 'tap';
import { paths } from '../../../scripts/core/paths.ts';
import { startServer } from '../../../scripts/service/server/server.ts';
import { openStore } from '../../../scripts/store/db.ts';
import { deliver, pullRequest, SECRET, serviceConfig } from './deliveries.ts';

async function started(t: Test, laid: { site?: string } = {}) {
  const data = t.testdir();
  const file = join(data, 'mayfly.db');
  const store = openStore(file, { busyMs: 100 });
  const end = new AbortController();
  const server = await startServer({
    store,
    paths: paths(data, { MAYFLY_DATA: data }),
    config: { ...serviceConfig(), ...laid },
    env: { MAYFLY_WEBHOOK_SECRET: SECRET },
    github: undefined,
    host: '127.0.0.1',
    port: 0,
    signal: end.signal,
    log: () => {},
  });
  t.teardown(async () => {
    end.abort();
    await server.ended;
    store.close();
  });
  return { ...server, file };
}

/** With a Host of one's own, which fetch does not allow. */
const statusOf = (url: string, path: string, host: string): Promise<number> =>
  new Promise((resolve, reject) =>
    request(`${url}${path}`, { headers: { host } }, (answer) => resolve(answer.resume().statusCode!))
      .on('error', reject)
      .end(),
  );

t.test('a page of another site that was made to lead here reads nothing', async (t) => {
  const { url } = await started(t, { site: 'https://mayfly.example.org' });
  for (const host of ['evil.example', 'evil.example:8420', '127.0.0.1.evil.example']) {
    for (const path of ['/', '/api/overview', '/api/jobs', '/badge/shop.svg'])
      t.equal(await statusOf(url, path, host), 421, `${path} as ${host}`);
  }
  for (const host of ['127.0.0.1:8420', 'localhost', '[::1]:80', 'mayfly.example.org', 'MAYFLY.example.org:443'])
    t.equal(await statusOf(url, '/api/overview', host), 200, host);
  t.equal(await statusOf(url, '/healthz', 'any.example'), 200, 'for those that probe it by its address');
});

t.test('while another process writes for long, a webhook is answered within a second and others go on', async (t) => {
  const { url, file } = await started(t);
  const other = new DatabaseSync(file);
  t.teardown(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  const begun = performance.now();
  const [webhook, health] = await Promise.all([
    deliver(`${url}/webhooks/github`, { event: 'pull_request', payload: pullRequest('opened') }).then(({ status }) => ({
      status,
      ms: performance.now() - begun,
    })),
    fetch(`${url}/healthz`).then(({ status }) => ({ status, ms: performance.now() - begun })),
  ]);
  t.equal(webhook.status, 503, 'GitHub shows it as failed, and what it said is made up for');
  t.equal(health.status, 200);
  t.comment(`webhook ${webhook.ms.toFixed(0)} ms, health ${health.ms.toFixed(0)} ms`);
  t.ok(webhook.ms < 5000 && health.ms < 5000, `webhook ${webhook.ms} ms, health ${health.ms} ms`);
  setTimeout(() => other.exec('ROLLBACK'), 150);
  t.equal(
    (await deliver(`${url}/webhooks/github`, { event: 'pull_request', payload: pullRequest('opened') })).status,
    202,
    'a short wait is waited for',
  );
});
