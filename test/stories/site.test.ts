/**
 * The web site in a real browser: the server as a process, a store of some weeks with hostile texts, Chromium by its
 * debugging protocol.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { openStore } from '../../scripts/store/db.ts';
import { dataFolder, ROOT } from '../e2e/helpers.ts';
import { startBrowser } from './browser.ts';
import { fillStore, HOSTILE, writeTraces } from './site-runs.ts';

const TOKEN = 'a token of the test';
const AXE = readFileSync(join(ROOT, 'node_modules', 'axe-core', 'axe.min.js'), 'utf8');
const STEP_MS = 30_000;

const data = dataFolder(t);
const store = openStore(join(data, 'mayfly.db'));
t.teardown(() => store.close());
const filled = fillStore(store, Date.now());
await writeTraces(join(data, 'runs'), filled.slower);
// The server takes back the job of a worker that is silent for a minute.
let said: [text: string, roundsDone: number] = ['round 4 of 12', 3];
const beat = setInterval(() => filled.alive(Date.now(), ...said), 15_000);
t.teardown(() => clearInterval(beat));
let stopServer: () => Promise<unknown[]>;
const [browser, site] = await Promise.all([startBrowser(t), startServer(t)]);

async function startServer(t: Test): Promise<string> {
  const env = {
    ...process.env,
    MAYFLY_DATA: data,
    MAYFLY_ACTION_TOKEN: TOKEN,
    GITHUB_TOKEN: '',
    MAYFLY_WEBHOOK_SECRET: '',
  };
  const child = spawn(process.execPath, [join(ROOT, 'scripts', 'commands', 'serve.ts'), '--port=0'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  process.on('exit', () => child.kill('SIGKILL'));
  t.teardown(() => (child.kill('SIGKILL'), ended));
  stopServer = () => (child.kill('SIGTERM'), ended);
  for await (const line of createInterface({ input: child.stdout })) return /^listening on (http:\S+)$/.exec(line)![1]!;
  throw new Error('the server ended before it listened');
}

/**
 * A page in a browser of its own. Whatever goes wrong on it fails the test: errors, refusals of the CSP, dialogs,
 * requests to elsewhere or to nothing.
 */
async function open(t: Test, path: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await (browser as Browser).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.teardown(() => context.close());
  context.setDefaultTimeout(STEP_MS);
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && t.fail(`console of ${page.url()}: ${message.text()}`));
  page.on('pageerror', (error) => t.fail(`fault on ${page.url()}: ${error.message}`));
  page.on('dialog', (dialog) => (t.fail(`a dialog: ${dialog.message()}`), dialog.dismiss()));
  page.on('request', (request) => request.url().startsWith(`${site}/`) || t.fail(`a request to ${request.url()}`));
  page.on('response', (response) => response.status() < 400 || t.fail(`${response.status()} for ${response.url()}`));
  await page.goto(site + path);
  return page;
}

/** Serious and critical faults that axe-core finds; `only`: by these of its rules. */
async function faults(page: Page, only?: string[]): Promise<string[]> {
  await page.evaluate(AXE); // over the debugging protocol: the page's CSP does not hold it back
  const { violations } = await page.evaluate<{
    violations: { impact: string; id: string; nodes: { html: string; failureSummary: string }[] }[];
  }>(`axe.run(document, ${JSON.stringify({ resultTypes: ['violations'], ...(only ? { runOnly: only } : {}) })})`);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .slice(0, 3)
          .map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary}`)
          .join('\n')}`,
    );
}

/** Different colours among the pixels of every canvas: a blank one has one. */
const coloursOf = (page: Page): Promise<number[]> =>
  page.evaluate(
    `[...document.querySelectorAll('canvas')].map((canvas) => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size)`,
  );

const PAGES: [name: string, path: string, shows: string, canvases: number][] = [
  ['the overview', '/', 'Benchmarks on the default branch', 0],
  ['the history', '/benchmarks/shop', '1 confirmed change, 1 suspected', 1],
  ['the runs', '/runs', 'faster-search', 0],
  ['a run', `/runs/${filled.slower}`, 'latency med: 4.6 % slower', 4],
  ['its flame graph', `/runs/${filled.slower}/flame?find=answer`, 'What has “answer” in its name or file', 0],
  ['its traces', `/runs/${filled.slower}/traces`, 'Hops over all rounds', 0],
  ['one side of it', `/runs/${filled.slower}/flame?side=baseline&node=0`, 'What it calls', 0],
  ['a run with hostile texts', `/runs/${filled.hostile}`, HOSTILE.ref, 4],
  ['a run that goes on', `/runs/${filled.running}`, 'It is being measured', 4],
  ['a comparison', `/compare?a=${filled.master[3]}&b=${filled.master[20]}`, 'Two runs at different times', 4],
  ['the choice of what is compared', '/compare', 'Each is the id of a run', 0],
  ['the jobs', '/jobs', HOSTILE.requester, 0],
  ['a job', `/jobs/${filled.jobs.failed}`, '<iframe src="javascript:alert(1)"></iframe>', 0],
  ['the sign-in', '/sign-in', 'MAYFLY_ACTION_TOKEN', 0],
];

t.test('every page: shown, charts drawn, fit for everybody, in light and dark, on a phone', async (t) => {
  for (const [name, path, shows, canvases] of PAGES) {
    await t.test(name, async (t) => {
      const page = await open(t, path, { colorScheme: 'light' });
      await page.getByText(shows).first().waitFor();
      if (canvases > 0)
        await page
          .locator('canvas')
          .nth(canvases - 1)
          .waitFor(); // waitForFunction asks again by eval, which the CSP of the page refuses
      t.equal(await page.locator('canvas').count(), canvases, 'its charts');
      t.equal(await page.locator('h1').count(), 1, 'one heading of the page');
      t.equal(
        await page
          .locator('img[src="x"], iframe, svg[onload], script:not([src]):not([type="application/json"])')
          .count(),
        0,
        'nothing of a hostile text is an element',
      );
      t.same(await faults(page), [], 'in light');
      for (const colours of await coloursOf(page)) t.ok(colours > 3, `${colours} colours in a chart`);
      await page.emulateMedia({ colorScheme: 'dark' });
      t.same(await faults(page, ['color-contrast', 'link-in-text-block']), [], 'in dark: only the colours are others');
      for (const colours of await coloursOf(page)) t.ok(colours > 3, `${colours} colours in a chart, in dark`);
      await page.setViewportSize({ width: 390, height: 844 });
      t.equal(
        await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
        0,
        'a phone shows it without scrolling sideways',
      );
    });
  }
});

/** Place of point number `index` of the history's chart on the screen. */
async function pointAt(page: Page, index: number): Promise<{ x: number; y: number }> {
  await page.locator('#history-chart canvas').waitFor();
  const over = (await page.locator('#history-chart .u-over').boundingBox())!;
  return { x: over.x + (over.width * (index + 0.6)) / (filled.master.length + 0.2), y: over.y + over.height / 2 };
}

t.test('the chart of a history, by mouse', async (t) => {
  const page = await open(t, '/benchmarks/shop');
  const twelfth = await pointAt(page, 12);
  await page.mouse.move(twelfth.x, twelfth.y);
  t.match(
    await page.locator('.tip').innerText(),
    /^1\.2\d ms \(.* to .*\)\n[0-9a-f]{12} main: Change 13 of the shop\n\d{4}-.*8 rounds, PASS$/,
    'hovering tells of the point',
  );
  await page.mouse.click(twelfth.x, twelfth.y);
  await page.waitForURL(`${site}/runs/${filled.master[12]}`);
  await page.goto(`${site}/benchmarks/shop`);
  for (const index of [20, 4]) {
    const { x, y } = await pointAt(page, index);
    await page.keyboard.down('Shift');
    await page.mouse.click(x, y);
    await page.keyboard.up('Shift');
  }
  await page.waitForURL(`${site}/compare?a=${filled.master[4]}&b=${filled.master[20]}`);
  t.match(
    await page.locator('.facts').first().innerText(),
    /Change 5 of the shop.*\n*.*\n*.*Change 21 of the shop/s,
    'the older one is A',
  );
});

t.test('the chart of a history, by keys alone', async (t) => {
  const page = await open(t, '/benchmarks/shop?metric=cpu_seconds_per_request&from=2000-01-01');
  await page.locator('#history-chart canvas').waitFor();
  for (let i = 0; i < 40 && !(await page.evaluate(`document.activeElement.id === 'history-chart'`)); i++)
    await page.keyboard.press('Tab');
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');
  t.match(await page.locator('#history-readout').innerText(), /µs.*Change 23 of the shop/, 'it is read out');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${site}/runs/${filled.master[22]}`);
});

t.test('comparing by ticking two runs, and by choosing two points of the table', async (t) => {
  const page = await open(t, '/runs?benchmark=shop&master=1');
  const boxes = page.locator('input[name="run"]');
  t.equal(await page.locator('button', { hasText: 'Compare' }).isDisabled(), true);
  await boxes.nth(0).check();
  await boxes.nth(5).check();
  await boxes.nth(2).check();
  t.equal(await boxes.nth(0).isChecked(), false, 'the third takes the place of the first');
  await page.locator('button', { hasText: 'Compare' }).click();
  await page.waitForURL(`${site}/compare?a=${filled.master.at(-6)}&b=${filled.master.at(-3)}`);
  await page.goto(`${site}/benchmarks/shop`);
  await page.locator('form[action="/compare"] button').click();
  await page.waitForURL(
    ({ searchParams }) =>
      searchParams.get('a') === filled.master.at(-2) && searchParams.get('b') === filled.master.at(-1),
  );
  await page.getByText('INCONCLUSIVE').first().waitFor();
});

t.test('from the overview to a run by keys alone', async (t) => {
  const page = await open(t, '/');
  const focused = () =>
    page.evaluate<{ href: string | null; outline: string }>(
      `({ href: document.activeElement.getAttribute('href'), outline: getComputedStyle(document.activeElement).outlineStyle })`,
    );
  await page.keyboard.press('Tab');
  t.match(await focused(), { href: '#main', outline: 'solid' }, 'the first stop skips the navigation, and is seen');
  await page.keyboard.press('Enter');
  for (let i = 0; i < 60 && (await focused()).href !== `/runs/${filled.slower}`; i++) await page.keyboard.press('Tab');
  t.match(await focused(), { outline: 'solid' });
  await page.keyboard.press('Enter');
  await page.waitForURL(`${site}/runs/${filled.slower}`);
});

t.test('progress is shown as it comes, and neither scroll nor focus move', async (t) => {
  const page = await open(t, '/jobs', { viewport: { width: 1280, height: 400 } });
  await page.locator('#ended a').first().focus();
  await page.evaluate('scrollTo(0, 120); globalThis.same = true');
  said = ['round 9 of 12: 10 %, <b>warming up</b>', 8];
  filled.alive(Date.now(), ...said);
  await page.getByText('round 9 of 12: 10 %, <b>warming up</b>').waitFor();
  t.ok(Math.abs(Number(await page.locator('progress').getAttribute('value')) - 8 / 12) < 0.01);
  t.same(
    await page.evaluate(`[scrollY, document.activeElement.closest('section')?.id, globalThis.same]`),
    [120, 'ended', true],
    'the page itself was not loaded again',
  );
});

t.test('series of several services, as an archive gives them', async (t) => {
  const page = await open(t, '/sign-in');
  const line = (side: string, round: number, service: string, level: number) => ({
    side,
    round,
    service,
    counts: round < 3,
    t: [-2, -1, 0, 1, 2, 3],
    v: [null, level, level * 1.1, level, level * 1.2, level],
  });
  const lines = ['candidate', 'baseline'].flatMap((side, i) =>
    [1, 2, 3].flatMap((round) =>
      ['shop', HOSTILE.benchmark].map((service, j) => line(side, round, service, 0.2 * (i + 1) + j)),
    ),
  );
  await page.route('**/series', (route) =>
    route.fulfill({
      json: {
        schema: 'mayfly.site-series/v1',
        run_id: filled.slower,
        source: 'archive',
        charts: [{ name: 'cpu', title: 'CPU of the services', unit: 'cores', lines }],
      },
    }),
  );
  await page.goto(`${site}/runs/${filled.slower}`);
  await page.locator('#series canvas').nth(1).waitFor();
  t.same(await page.locator('#series figcaption').allInnerTexts(), [
    'CPU of the services: shop',
    `CPU of the services: ${HOSTILE.benchmark}`,
  ]);
  t.equal(
    await page.locator('#series [role="img"]').first().getAttribute('aria-label'),
    'CPU of the services: shop over time. candidate: median 0.220 cores over 2 rounds; baseline: median 0.440 cores over 2 rounds.',
    'what does not count is drawn, and counts for nothing',
  );
  for (const colours of await coloursOf(page)) t.ok(colours > 3, `${colours} colours in a chart`);
});

t.test('a flame graph, by mouse and by keys, without a script', async (t) => {
  const page = await open(t, `/runs/${filled.slower}`, { javaScriptEnabled: false });
  await page.locator('.flame a', { hasText: 'serve' }).first().click();
  await page.waitForURL(/\/flame\?service=shop&side=difference&node=0$/);
  await page.getByRole('navigation', { name: 'Calls that lead here' }).getByText('all').waitFor();
  await page.getByRole('link', { name: /^answer / }).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/node=\d+$/);
  await page.getByLabel('Name or file').fill('SERVE');
  await page.keyboard.press('Enter');
  await page.getByRole('status').getByText('is 99.1 % of the picture').waitFor();
  await page.getByRole('link', { name: 'Baseline' }).click();
  await page.getByText('800 samples').first().waitFor({ state: 'attached' });
});

t.test('who signs in may cancel and retry', async (t) => {
  const page = await open(t, `/jobs/${filled.jobs.queued}`);
  t.equal(await page.locator('button').count(), 0, 'others see no buttons');
  await page.getByRole('link', { name: 'Sign in' }).first().click();
  await page.getByLabel('Token').fill(TOKEN);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${site}/jobs`);
  await page.getByRole('button', { name: `Cancel job ${filled.jobs.queued}` }).click();
  await page.locator('#ended').getByText('cancelled', { exact: true }).waitFor();
  t.equal(store.queue.job(filled.jobs.queued)?.state, 'cancelled');
  await page.getByRole('button', { name: `Retry job ${filled.jobs.failed}` }).click();
  await page.waitForLoadState();
  t.ok(
    store.queue.jobs({ state: ['queued'] }).some(({ retry_of }) => retry_of === filled.jobs.failed),
    'it waits again',
  );
  await page.getByRole('button', { name: 'Pause the queue' }).click();
  await page.getByText('The queue is paused by').first().waitFor();
  t.same(await faults(page), [], 'with its buttons');
  await page.getByRole('button', { name: 'Resume the queue' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('link', { name: 'Sign in' }).waitFor();
});

t.test('without JavaScript the numbers are there', async (t) => {
  const page = await open(t, '/', { javaScriptEnabled: false });
  t.equal(
    await page.locator('noscript meta[http-equiv="refresh"]').or(page.locator('meta[http-equiv="refresh"]')).count(),
    1,
    'what is live loads itself again',
  );
  t.ok((await page.locator('svg.spark').count()) >= 2);
  await page.goto(`${site}/benchmarks/shop`);
  t.match(
    await page.locator('table').last().innerText(),
    /Change 24 of the shop\s+1\.\d\d ms\s+-0\.\d\d % to \+0\.\d\d %\s+8\s+PASS/,
  );
  t.equal(await page.locator('meta[http-equiv="refresh"]').count(), 0, 'what is not live does not');
  await page.goto(`${site}/runs/${filled.slower}`);
  t.match(
    await page.locator('#metrics').innerText(),
    /latency med\s+REGRESSION\s+1\.\d\d ms\s+1\.\d\d ms\s+\+4\.\d\d %/,
  );
  t.ok((await page.locator('#rounds circle.dot').count()) >= 48, 'every round is a dot');
  await page.getByText('Every round as numbers').click();
  t.match(await page.locator('#rounds table').innerText(), /\n12\s/);
  t.match(await page.locator('#latency figcaption').innerText(), /99 % within \d/);
  await page.goto(`${site}/compare?run=${filled.master[9]}&run=${filled.master[3]}`);
  t.equal(
    page.url(),
    `${site}/compare?a=${filled.master[3]}&b=${filled.master[9]}`,
    'two ticked runs, the older one first',
  );
  t.match(await page.locator('main').innerText(), /INCONCLUSIVE/);
});

t.test('the server ends by itself when it is asked to', async (t) => {
  t.same(await stopServer(), [0, null]);
});
