import t from 'tap';
import { badgeRoutes, badgeSvg, textWidth } from '../../../scripts/service/server/badge.ts';
import { alone, compared, keep, keepMaster, openSite, served } from './site-store.ts';

const texts = (svg: string) => [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);

t.test(
  'the badge says what the last verdict on the default branch is, of the benchmark or of one metric',
  async (t) => {
    const { ctx, store } = openSite(t);
    const http = await served(t, ctx, badgeRoutes);
    const badge = async (url: string) => http.inject(url);
    t.same(texts((await badge('/badge/shop.svg')).body), ['shop', 'no verdict yet']);
    keepMaster(store, 3);
    keep(store, alone(30, { master: true, status: 'failed' }));
    keep(store, compared(40, 0, { factors: { latency_med: 1.1 } }));
    const passed = await badge('/badge/shop.svg');
    t.same(texts(passed.body), ['shop', 'PASS'], 'of the default branch, and of a run that was judged');
    t.match(passed.headers, { 'content-type': 'image/svg+xml; charset=utf-8', 'cache-control': 'max-age=300' });
    t.match(passed.body, 'role="img" aria-label="shop: PASS"><title>shop: PASS</title>');
    t.match(texts((await badge('/badge/shop.svg?metric=latency_med')).body), [
      'shop latency med',
      /^no slowdown above \d/,
    ]);
    t.same(texts((await badge('/badge/shop.svg?variant=scaled')).body), ['shop (scaled)', 'no verdict yet']);
    keep(store, compared(41, 0, { master: true, factors: { latency_med: 1.1 } }));
    t.same(texts((await badge('/badge/shop.svg')).body), ['shop', 'REGRESSION']);
    t.match(texts((await badge('/badge/shop.svg?metric=latency_med')).body)[1], /slower, 95 % interval/);
  },
);

t.test('what is not there has a badge too, with status 404', async (t) => {
  const { ctx, store } = openSite(t);
  keepMaster(store, 1);
  const http = await served(t, ctx, badgeRoutes);
  for (const [url, words] of [
    ['/badge/nothing.svg', 'no such benchmark'],
    ['/badge/..%2f..%2fetc%2fpasswd.svg', 'no such benchmark'],
    ['/badge/shop.svg?metric=nothing', 'no such metric'],
  ] as const) {
    const answer = await http.inject(url);
    t.equal(answer.statusCode, 404, url);
    t.match(answer.headers['content-type'], 'image/svg+xml');
    t.equal(texts(answer.body)[1], words);
  }
  t.equal((await http.inject('/badge/shop.png')).statusCode, 404);
});

t.test('its texts are escaped, shortened, and as wide as the badge has room', async (t) => {
  const evil = badgeSvg({ label: '<script>"&\u202e', message: `x'${'m'.repeat(300)}`, colour: 'bad' });
  t.notMatch(evil, /<script>/);
  t.match(evil, '&lt;script&gt;&quot;&amp;');
  t.notMatch(evil, '\u202e');
  t.ok(texts(evil)[1]!.length < 90);
  const [, width] = /<svg [^>]*width="(\d+)"/.exec(evil)!;
  const ends = [...evil.matchAll(/<text x="(\d+)" y="14" textLength="(\d+)"/g)].map(
    ([, at, length]) => Number(at) + Number(length),
  );
  t.equal(ends[1]! + 6, Number(width));
});

t.test('the width of a text is that of Verdana of 11 pixels, to three per cent', async (t) => {
  // Measured with Verdana 5.33: sums of the advance widths of its glyphs (in 1/2048 em), times 11.
  const ADVANCES: Record<string, number> = {
    PASS: 1235 + 1400 + 2 * 1400,
    REGRESSION: 1424 + 1295 + 1588 + 1424 + 1295 + 1400 + 1400 + 862 + 1612 + 1532,
  };
  for (const [text, advance] of Object.entries(ADVANCES))
    t.ok(
      Math.abs(textWidth(text) / ((advance / 2048) * 11) - 1) < 0.03,
      `${text}: ${textWidth(text)} and ${(advance / 2048) * 11}`,
    );
});
