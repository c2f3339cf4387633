/** A badge for other pages: what the last verdict on the default branch said. */

import { plainText } from '../../core/text.ts';
import { withVariant } from '../../documents/job.ts';
import type { MetricVerdict, Verdict } from '../../documents/verdict.ts';
import { titleOf } from '../../judge/effect-text.ts';
import { needBenchmark } from './data/history-data.ts';
import { readRun } from './data/run-data.ts';
import { html } from './html.ts';
import { type Http, HttpError } from './http.ts';
import type { ServeContext } from './serve-context.ts';

/** Seconds that a badge may be shown before it is asked for again. */
const FRESH_S = 300;

export interface Badge {
  label: string;
  message: string;
  colour: keyof typeof COLOURS;
}

/** White text is read on each of them: a contrast of at least 4.5 (WCAG 2.2, 1.4.3). */
const COLOURS = { good: '#2e7d32', better: '#1565c0', bad: '#c62828', open: '#8a5a00', none: '#595959' };
const LABEL_COLOUR = '#3c3c3c';
const COLOUR_OF: Record<Verdict, Badge['colour']> = {
  PASS: 'good',
  IMPROVEMENT: 'better',
  REGRESSION: 'bad',
  INCONCLUSIVE: 'open',
  INVALID: 'none',
};

/** GET /badge/BENCHMARK.svg?metric=NAME&variant=NAME */
export function badgeRoutes(http: Http, ctx: ServeContext): void {
  http.get('/badge/:file', { schema: { hide: true } }, async (request, reply) => {
    const file = (request.params as { file: string }).file;
    const { metric, variant } = request.query as { metric?: unknown; variant?: unknown };
    const given = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
    if (!file.endsWith('.svg')) throw new HttpError(404, 'there is nothing at this address');
    const { badge, status } = badgeOf(file.slice(0, -'.svg'.length), given(metric), given(variant), ctx);
    return reply
      .code(status)
      .type('image/svg+xml; charset=utf-8')
      .header('cache-control', `max-age=${status === 200 ? FRESH_S : 60}`)
      .send(badgeSvg(badge));
  });
}

function badgeOf(
  benchmark: string,
  metric: string | undefined,
  variant: string | undefined,
  ctx: ServeContext,
): { badge: Badge; status: number } {
  const title = withVariant(benchmark, variant);
  const unknown = (label: string, message: string) => ({
    status: 404,
    badge: { label, message, colour: 'none' as const },
  });
  try {
    needBenchmark(ctx, benchmark);
  } catch {
    return unknown('mayfly', 'no such benchmark');
  }
  const id = ctx.store.site.judgedMaster(benchmark, variant);
  const verdict = id === undefined ? undefined : readRun(ctx.store, id).run.verdict;
  if (metric === undefined)
    return {
      status: 200,
      badge: verdict
        ? { label: title, message: verdict.verdict, colour: COLOUR_OF[verdict.verdict] }
        : noVerdict(title),
    };
  const found = verdict?.metrics.find(({ name }) => name === metric);
  if (found) return { status: 200, badge: ofMetric(title, found) };
  return verdict ? unknown(title, 'no such metric') : { status: 200, badge: noVerdict(title) };
}

const noVerdict = (label: string): Badge => ({ label, message: 'no verdict yet', colour: 'none' });

const ofMetric = (benchmark: string, { name, words, verdict }: MetricVerdict): Badge => ({
  label: `${benchmark} ${titleOf(name)}`,
  message: words,
  colour: verdict ? COLOUR_OF[verdict] : 'none',
});

const HEIGHT = 20;
/** Space beside each text. */
const PAD = 6;
const LONGEST = 80;

/** The picture; its texts are escaped and made plain, and fit whatever font is there. */
export function badgeSvg({ label, message, colour }: Badge): string {
  const [left, right] = [shortened(label), shortened(message)];
  const [leftWidth, rightWidth] = [textWidth(left), textWidth(right)];
  const [split, width] = [leftWidth + 2 * PAD, leftWidth + rightWidth + 4 * PAD];
  const text = (at: number, length: number, words: string) =>
    html`<text x="${at}" y="14" textLength="${length}" lengthAdjust="spacingAndGlyphs">${words}</text>`;
  return html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" role="img" aria-label="${left}: ${right}"><title>${left}: ${right}</title><rect width="${width}" height="${HEIGHT}" rx="3" fill="${COLOURS[colour]}"/><path d="M3 0H${split}V${HEIGHT}H3A3 3 0 0 1 0 ${HEIGHT - 3}V3A3 3 0 0 1 3 0Z" fill="${LABEL_COLOUR}"/><g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">${text(PAD, leftWidth, left)}${text(split + PAD, rightWidth, right)}</g></svg>`.toString();
}

function shortened(text: string): string {
  const plain = [...plainText(text)];
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST - 1).join('')}…` : plain.join('');
}

/** Pixels of text in Verdana of 11 pixels, to a pixel or two. */
export const textWidth = (text: string): number =>
  Math.ceil([...text].reduce((sum, sign) => sum + (WIDTHS.get(sign) ?? (sign.codePointAt(0)! < 0x2000 ? 7.5 : 11)), 0));

/** Groups of letters of about the same width. */
const WIDTHS = new Map<string, number>(
  Object.entries({
    '3': "ijlI'|",
    '3.9': ' f.,',
    '4.5': 'rt!:;()[]/\\-"`',
    '5.8': 'cszJL',
    '6.5': 'evxkyaF',
    '6.9': 'bdghnopquPTYE0123456789_$*?',
    '7.6': 'ABCKRSVXZ',
    '8.4': 'DGHNOQU+=<>~#^',
    '9.2': 'wM&',
    '10.8': 'mW@',
    '11.9': '%',
  }).flatMap(([width, letters]) => [...letters].map((letter) => [letter, Number(width)] as const)),
);
