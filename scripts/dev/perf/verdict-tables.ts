/** What `npm run perf:verdict` prints, on a terminal and into docs/verdict.md. Pure. */
import type { Share } from '../../judge/clopper-pearson.ts';
import { ALPHA } from '../../judge/verdict.ts';
import { columns } from '../../report/columns.ts';
import { METRICS, MODELS } from './verdict-models.ts';
import { KAYENTA_RULES, SOLO_RULES } from './verdict-peers.ts';
import { type Cell, type Outcome, TEN_MINUTES, THREE_MINUTES } from './verdict-simulate.ts';
import type { Times } from './verdict-times.ts';

export interface Results {
  seed: number;
  /** Of each cell; cells without an effect have more. */
  trials: number;
  judged: Outcome[];
  peers: (Cell & { shares: Share[] })[];
  times: Record<string, Times>;
}

interface Table {
  title: string;
  head: string[];
  rows: string[][];
  /** Columns of words, before those of figures. */
  left: number;
  /** Long: folded in the page. */
  folded?: true;
}

const percent = (share: number, digits = 1) => `${(share * 100).toFixed(digits)}`;
const interval = ({ share, low, high }: Share, digits = 1) =>
  `${percent(share, digits)} (${percent(low, digits)} to ${percent(high, digits)})`;
const signed = (effect: number) => `${effect > 0 ? '+' : ''}${Math.round(effect * 100)} %`;
const milliseconds = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
const goal = (met: boolean) => (met ? 'met' : 'MISSED');
/** The deviation of a round's log ratio names the metric here. */
const noiseOf = (metric: number) => `sd ${Math.round(METRICS[metric]!.sd * 100)} %`;

function falseAlarms({ judged }: Results): Table {
  const rows = judged
    .filter(({ effect }) => effect === 0)
    .map(({ model, shares, rounds, coverage }) => [
      MODELS[model]!.name,
      MODELS[model]!.about,
      interval(shares.REGRESSION, 2),
      percent(shares.PASS.share),
      percent(shares.IMPROVEMENT.share, 2),
      percent(shares.INCONCLUSIVE.share),
      rounds.toFixed(1),
      percent(coverage.share),
      goal(shares.REGRESSION.share <= ALPHA),
    ]);
  return {
    title: 'The same build on both sides. Per cent; false alarms with their 95 % interval',
    head: [
      'noise',
      '',
      'REGRESSION',
      'PASS',
      'IMPROVEMENT',
      'INCONCLUSIVE',
      'rounds',
      'coverage',
      `goal ${percent(ALPHA, 0)} %`,
    ],
    rows,
    left: 2,
  };
}

function power({ judged }: Results): Table {
  const wanted = [
    [0, 0.05],
    [0, 0.02],
    [0, 0.01],
    [2, 0.05],
    [2, 0.1],
  ] as const;
  const find = (model: number, metric: number, effect: number) =>
    judged.find((one) => one.model === model && one.metric === metric && one.effect === effect)!;
  const rows = MODELS.map(({ name }, model) => [
    name,
    ...wanted.map(([metric, effect]) => {
      const { inTenMinutes, rounds } = find(model, metric, effect);
      return `${percent(inTenMinutes.share)} (${rounds.toFixed(0)})`;
    }),
    percent(find(model, 0, 0.05).inThreeMinutes.share),
  ]);
  return {
    title: `Found within ${TEN_MINUTES} rounds (ten minutes), per cent, and the mean number of rounds of a decision`,
    head: [
      'noise',
      ...wanted.map(([metric, effect]) => `${signed(effect)}, ${noiseOf(metric)}`),
      `+5 %, sd 1 %, in ${THREE_MINUTES} rounds`,
    ],
    rows,
    left: 1,
  };
}

function everything({ judged }: Results): Table {
  const rows = judged.map((one) => [
    MODELS[one.model]!.name,
    noiseOf(one.metric),
    signed(one.effect),
    interval(one.shares.REGRESSION),
    interval(one.shares.PASS),
    interval(one.shares.IMPROVEMENT),
    interval(one.shares.INCONCLUSIVE),
    one.rounds.toFixed(1),
    interval(one.coverage),
    `${percent(one.bias, 2)} ± ${percent(1.96 * one.biasError, 2)}`,
  ]);
  return {
    title:
      'Every noise and effect. Shares and coverage in per cent with 95 % intervals; bias of the estimate in percentage points',
    head: [
      'noise',
      'metric',
      'effect',
      'REGRESSION',
      'PASS',
      'IMPROVEMENT',
      'INCONCLUSIVE',
      'rounds',
      'coverage',
      'bias',
    ],
    rows,
    left: 3,
    folded: true,
  };
}

const RULES = [...SOLO_RULES, ...KAYENTA_RULES];

function peersAlike({ peers, judged }: Results): Table {
  const same = MODELS.map((_, model) => peers.find((one) => one.model === model && one.effect === 0)!);
  const ours = MODELS.map((_, model) => judged.find((one) => one.model === model && one.effect === 0)!);
  const rows = RULES.map(({ name }, i) => [name, ...same.map(({ shares }) => percent(shares[i]!.share))]);
  return {
    title: 'False alarms of others on the same noise, per cent',
    head: ['', ...MODELS.map(({ name }) => name)],
    rows: [...rows, ['Mayfly', ...ours.map(({ shares }) => percent(shares.REGRESSION.share))]],
    left: 1,
  };
}

function peersPower({ peers, judged }: Results): Table {
  const model = MODELS.findIndex(({ name }) => name === 'drift');
  const cells = peers.filter((one) => one.model === model);
  const ours = cells.map(
    ({ effect }) => judged.find((one) => one.model === model && one.metric === 0 && one.effect === effect)!,
  );
  const rows = RULES.map(({ name }, i) => [name, ...cells.map(({ shares }) => interval(shares[i]!))]);
  return {
    title: 'Called slower, per cent, when the host drifts, by the true effect on the metric with sd 1 %',
    head: ['', ...cells.map(({ effect }) => signed(effect))],
    rows: [...rows, ['Mayfly', ...ours.map(({ shares }) => interval(shares.REGRESSION))]],
    left: 1,
  };
}

function rules(): Table {
  return {
    title: 'Their rules',
    head: ['', 'called slower', 'source'],
    rows: RULES.map(({ name, rule, source }) => [name, rule, source]),
    left: 3,
  };
}

const timeRows = (times: Results['times']) =>
  Object.values(times).map(({ what, goal: limit, p50, max }) => [
    what,
    `< ${limit} ms`,
    milliseconds(p50),
    milliseconds(max),
    goal(p50 < limit),
  ]);

const tables = (results: Results): Table[] => [
  falseAlarms(results),
  power(results),
  peersAlike(results),
  peersPower(results),
  rules(),
  everything(results),
];

const how = ({ seed, trials, judged }: Results) =>
  `Seed ${seed}, ${trials} comparisons a cell, ${judged.find(({ effect }) => effect === 0)!.trials} without an effect. The effect is in one metric of three; the other two are the same on both sides.`;

export function onTerminal(results: Results): string {
  const texts = tables(results).map(
    ({ title, head, rows, left }) => `${title}\n${columns(head, rows, { left, color: false })}`,
  );
  const times = columns(['time', 'goal', 'typical', 'longest', ''], timeRows(results.times), { left: 2, color: false });
  return [how(results), ...texts, times].join('\n\n');
}

/** Without times: they are of a machine, not of the method. */
export function inMarkdown(results: Results): string {
  const texts = tables(results).map(({ title, head, rows, left, folded }) => {
    const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
    const body = [line(head), line(head.map((_, i) => (i < left ? '---' : '---:'))), ...rows.map(line)].join('\n');
    return folded ? `<details><summary>${title}</summary>\n\n${body}\n\n</details>` : `${title}:\n\n${body}`;
  });
  return [how(results), ...texts].join('\n\n');
}

const BEGIN = '<!-- perf:verdict: written by `npm run perf:verdict -- --write` -->';
const END = '<!-- /perf:verdict -->';

/** The page with what is between its markers replaced. */
export function withTables(page: string, text: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/verdict.md has no ${BEGIN} before ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n${text}\n${page.slice(end)}`;
}
