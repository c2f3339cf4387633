import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import t from 'tap';
import { postJson, slackEscaped, slackMessage } from '../../../scripts/service/tell/slack.ts';
import { makeAlert, NASTY } from './alert-document.ts';
import { failure, receiver, SECRET } from './receivers.ts';

const NOW = Date.UTC(2026, 0, 2);

const post = (url: string, more: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
  postJson(url, { text: 'x' }, { now: () => NOW, ...more });

t.test('what is posted is what Slack takes', async (t) => {
  const { url, got } = await receiver(t, (_request, response) => void response.end('ok'));
  await postJson(url, slackMessage(makeAlert()), { now: () => NOW });
  const [{ request, body }] = got as [(typeof got)[0]];
  t.equal(request.method, 'POST');
  t.equal(request.url, SECRET);
  t.match(request.headers['content-type'], /^application\/json/);
  t.equal(body.text, 'Regression of shop: latency med 5.2 % slower, CPU per request 5.7 % more');
  t.strictSame(
    body.blocks.map(({ type }: { type: string }) => type),
    ['header', 'section', 'section', 'section', 'context'],
  );
  t.equal(
    body.blocks[1].text.text,
    'Regression: latency med 5.2 % slower (1.052 times what it was)\nRegression: CPU per request 5.7 % more (1.057 times what it was)',
  );
  t.match(
    body.blocks[2].text.text,
    '<https://m.example.org/runs/R|the first run after it> | <https://m.example.org/benchmarks/shop|the history> | <https://github.com/acme/shop/compare/',
  );
  t.match(body.blocks[3].text.text, '`npm run bisect -- --benchmark=shop --good=111111111111 --bad=222222222222`');
  t.equal(body.blocks[4].elements[0].text, 'Mayfly, alert 0123456789abcdef');
});

t.test('nobody is called and nothing is linked by what a commit message says', async (t) => {
  t.equal(slackEscaped('<!channel> & >'), '&lt;!channel&gt; &amp; &gt;');
  const { blocks } = slackMessage(makeAlert({ subject: NASTY, culprit: { commit: 'c', subject: NASTY } }));
  const texts = blocks.map((block: any) => block.text?.text ?? '').join('\n');
  t.notMatch(texts, '<!channel>');
  t.notMatch(texts, '<https://evil');
  t.notMatch(texts, '\r');
  t.match(texts, '&lt;!channel&gt;');
  for (const block of blocks as any[])
    if (block.text?.type === 'mrkdwn') t.equal(block.text.verbatim, true, 'names in it become no mentions');
});

t.test('within the lengths that Slack takes', async (t) => {
  const changes = Array.from({ length: 60 }, (_, index) => ({
    ...makeAlert().changes[0]!,
    words: `metric_${index} 5.2 % slower`,
  }));
  const { blocks } = slackMessage(makeAlert({ changes }));
  for (const { type, text } of blocks as any[]) {
    if (type === 'header') t.ok(text.text.length <= 150);
    if (type === 'section') t.ok(text.text.length <= 3000 && text.text.length > 0);
  }
});

t.test('what an answer means', async (t) => {
  const answers: [status: number, headers: Record<string, string>, kind: string, retryAtMs: number | undefined][] = [
    [400, {}, 'refused', undefined],
    [403, {}, 'refused', undefined],
    [404, {}, 'refused', undefined],
    [302, { location: 'http://127.0.0.1:1/' }, 'refused', undefined],
    [408, {}, 'unavailable', undefined],
    [500, {}, 'unavailable', undefined],
    [503, {}, 'unavailable', undefined],
    [429, { 'retry-after': '30' }, 'rate-limited', NOW + 30_000],
    [429, {}, 'rate-limited', NOW + 60_000],
    [429, { 'retry-after': new Date(NOW + 90_000).toUTCString() }, 'rate-limited', NOW + 90_000],
    [429, { 'retry-after': '99999999' }, 'rate-limited', NOW + 86_400_000],
  ];
  for (const [status, headers, kind, retryAtMs] of answers) {
    const { url, got } = await receiver(
      t,
      (_request, response) => void response.writeHead(status, headers).end('invalid_payload'),
    );
    const error = await failure(post(url));
    t.match(error, { kind, status, message: `the webhook answered ${status} (invalid_payload)` });
    t.equal(error.retryAtMs, retryAtMs);
    t.equal(got.length, 1, 'posted once: nothing is repeated, no redirect is followed');
  }
});

t.test('the address is a secret: an answer that repeats it does not get into the error', async (t) => {
  const { url } = await receiver(
    t,
    (request, response) => void response.writeHead(404).end(`Cannot POST ${request.url}`),
  );
  t.equal((await failure(post(url))).message, 'the webhook answered 404');
  const long = await receiver(t, (_request, response) => void response.writeHead(500).end('x'.repeat(1_000_000)));
  t.equal((await failure(post(long.url))).message, 'the webhook answered 500');
});

t.test('no answer', async (t) => {
  const silent = createTcpServer((socket) => socket.resume());
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const late = await failure(post(`http://127.0.0.1:${port}${SECRET}`, { timeoutMs: 300 }));
  t.match(late, { kind: 'unavailable', message: 'the webhook cannot be reached: no answer within 0.3 s' });
  const ending = new AbortController();
  const ended = failure(post(`http://127.0.0.1:${port}${SECRET}`, { signal: ending.signal }));
  ending.abort();
  t.equal((await ended).kind, 'unavailable');
  silent.close();
  await once(silent, 'close');
  const gone = await failure(post(`http://127.0.0.1:${port}${SECRET}`));
  t.match(gone, { kind: 'unavailable', message: 'the webhook cannot be reached: ECONNREFUSED' });
  for (const error of [late, gone]) t.notMatch(String(error.stack), 's3cr3t');
});
