/**
 * The charts of every request in a real browser: drawn, when they come into view, fit for everybody, and what is said
 * where they cannot be read.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { paths } from '../../scripts/core/paths.ts';
import { openStore } from '../../scripts/store/db.ts';
import { dataFolder, engine, ROOT } from '../e2e/helpers.ts';
import { compared, keep } from '../service/server/site-store.ts';
import { startBrowser } from '../stories/browser.ts';
import { makeRequests, writeRound } from './made.ts';

t.teardown(() => engine.close());

const AXE = readFileSync(join(ROOT, 'node_modules', 'axe-core', 'axe.min.js'), 'utf8');
const BLOCK = '01K00000000000000000000000';
const HOSTILE = `<img src=x onerror=alert(1)>`;

t.test('distribution, tail and single requests', { timeout: 300_000 }, async (t) => {
  const data = dataFolder(t);
  const { bucket, db } = paths(data, { MAYFLY_DATA: data });
  const store = openStore(db);
  const shape = compared(1, 0, { count: 6 });
  const files = [1, 2].map((round) => `${BLOCK}/chunks/requests-${round}.parquet`);
  for (const round of [1, 2])
    await writeRound(
      join(bucket, files[round - 1]!),
      round,
      { ...makeRequests(8000, { seed: round }), names: ['GET /', HOSTILE, 'GET /items/:id'] },
      { runId: shape.run_id },
    );
  const run = keep(store, {
    ...shape,
    archive: {
      bucket,
      blocks: [BLOCK],
      verified: true,
      pending: false,
      requests: { files, rows: 16_000, bytes: 1, verified: true },
    },
  });
  store.close();

  const child = spawn(process.execPath, [join(ROOT, 'scripts', 'commands', 'serve.ts'), '--port=0'], {
    cwd: ROOT,
    env: { ...process.env, MAYFLY_DATA: data, GITHUB_TOKEN: '', MAYFLY_WEBHOOK_SECRET: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.teardown(() => (child.kill('SIGTERM'), ended));
  let site = '';
  for await (const line of createInterface({ input: child.stdout }))
    if ((site = /^listening on (http:\S+)$/.exec(line)?.[1] ?? '')) break;

  const browser = await startBrowser(t);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
  const page = await context.newPage();
  const asked: string[] = [];
  page.on('console', (message) => message.type() === 'error' && t.fail(`console: ${message.text()}`));
  page.on('pageerror', (error) => t.fail(`fault: ${error.message}`));
  page.on('dialog', (dialog) => (t.fail('a dialog'), dialog.dismiss()));
  page.on('request', (request) => /\/requests$/.test(request.url()) && asked.push(request.url()));
  await page.goto(`${site}/runs/${run.run_id}`);
  await page.locator('#series canvas').first().waitFor();
  t.same(asked, [], 'not read before it comes into view');
  await page.locator('#requests').scrollIntoViewIfNeeded();
  await page.locator('#requests canvas').nth(2).waitFor();
  t.same(asked, [`${site}/api/runs/${run.run_id}/requests`]);
  t.equal(await page.locator('#requests canvas').count(), 3);
  const colours = () =>
    page.evaluate<number[]>(
      `[...document.querySelectorAll('#requests canvas')].map((canvas) => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size)`,
    );
  for (const count of await colours()) t.ok(count > 10, `${count} colours in a chart`);
  const labels = await page.evaluate<string[]>(
    `[...document.querySelectorAll('#requests [role=img]')].map((one) => one.getAttribute('aria-label'))`,
  );
  t.match(labels, [
    /^Distribution of latency\. candidate: median \d+ µs, p99 [\d.]+ ms, p99\.9 [\d.]+ ms of 8,000 requests; baseline: /,
    /^Tail/,
    /^Single requests over the time since the window began: [\d,]+ of 16,000, the slowest among them/,
  ]);
  await page.getByText('Percentiles as numbers').click();
  t.ok(await page.getByText(HOSTILE).first().isVisible(), 'a hostile name is text');
  t.equal(await page.locator('#requests img').count(), 0);
  t.match(
    await page.locator('#requests').innerText(),
    new RegExp(`16,000 requests in 2 rounds, in ${bucket}\\. npm run requests -- ${run.run_id}`),
  );
  if (process.env.MAYFLY_SCREENSHOT)
    await page.locator('#requests').screenshot({ path: process.env.MAYFLY_SCREENSHOT });
  const faults = async (only?: string[]) => {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate<{ violations: { impact: string; id: string }[] }>(
      `axe.run('#requests', ${JSON.stringify({ resultTypes: ['violations'], ...(only ? { runOnly: only } : {}) })})`,
    );
    return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id }) => id);
  };
  t.same(await faults(), [], 'in light');
  await page.emulateMedia({ colorScheme: 'dark' });
  t.same(await faults(['color-contrast']), [], 'in dark');
  for (const count of await colours()) t.ok(count > 10, `${count} colours in a chart, in dark`);
  await page.setViewportSize({ width: 390, height: 844 });
  t.equal(
    await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
    0,
    'a phone shows it without scrolling sideways',
  );

  await page.route('**/requests', (route) => route.fulfill({ status: 500, json: { status: 500, error: 'no luck' } }));
  page.removeAllListeners('console'); // the browser says there that the answer was a failure
  await page.reload();
  await page.locator('#requests').scrollIntoViewIfNeeded();
  t.equal(await page.locator('#requests .notice').innerText(), 'The requests could not be read: no luck');
  await context.close();
});
