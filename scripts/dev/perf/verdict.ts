/**
 * npm run perf:verdict: how often is the judge wrong? Made-up comparisons with known answers (verdict-models.ts), the
 * rules of others on the same data, and how long a decision takes. Seeded: the same call prints the same shares. No
 * Docker. A missed goal is told, and is exit code 1.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command, type Given } from '../../app/command.ts';
import { ROOT } from '../../app/open.ts';
import { EXIT, UsageError } from '../../core/errors.ts';
import { ALPHA } from '../../judge/verdict.ts';
import { METRICS, MODELS } from './verdict-models.ts';
import { type Cell, simulate, simulatePeers } from './verdict-simulate.ts';
import { inMarkdown, onTerminal, type Results, withTables } from './verdict-tables.ts';
import { changePointTimes, decisionTimes } from './verdict-times.ts';

const SEED = 5;
const TRIALS = 1000;
const QUICK_TRIALS = 100;
/** A false alarm is rare, so it is looked for more often. */
const AGAINST_ITSELF = 4;
/** True effects of the metric with a deviation of 1 %, and of the one with 3 %. */
const EFFECTS = [0, 0.01, 0.02, 0.03, 0.05, 0.1, -0.05];
const PAGE = join(ROOT, 'docs', 'verdict.md');

await command(
  {
    name: 'perf:verdict',
    about:
      'Simulates comparisons with known answers: false alarms, power, coverage, beside the rules of others. Takes three to four minutes on one core.',
    flags: [
      {
        name: 'trials',
        value: 'N',
        help: `comparisons of each noise and effect; ${AGAINST_ITSELF} times as many without an effect; default ${TRIALS}`,
      },
      { name: 'quick', help: `${QUICK_TRIALS} trials: a look, not a figure` },
      { name: 'seed', value: 'N', help: `whole number; default ${SEED}` },
      { name: 'write', help: 'put the tables into docs/verdict.md' },
      { name: 'json', help: 'print the figures as one JSON document' },
    ],
  },
  async (io, given) => {
    const trials = whole(given, 'trials') ?? (given.has('quick') ? QUICK_TRIALS : TRIALS);
    const seed = whole(given, 'seed') ?? SEED;
    const times = { decision: decisionTimes(seed), changePoint: changePointTimes(seed) };
    const results: Results = { seed, trials, judged: [], peers: [], times };
    for (const [model, { name }] of MODELS.entries()) {
      const started = performance.now();
      for (const cell of cellsOf(model)) {
        const count = cell.effect === 0 ? trials * AGAINST_ITSELF : trials;
        results.judged.push(simulate(cell, count, seed));
        if (cell.metric === 0) results.peers.push({ ...cell, shares: simulatePeers(cell, trials, seed) });
      }
      io.stderr(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
    }
    if (given.has('write')) await writeFile(PAGE, withTables(await readFile(PAGE, 'utf8'), inMarkdown(results)));
    io.stdout(given.has('json') ? JSON.stringify(results, null, 2) : onTerminal(results));
    const met =
      results.judged.every(({ effect, shares }) => effect !== 0 || shares.REGRESSION.share <= ALPHA) &&
      Object.values(times).every(({ goal, p50 }) => p50 < goal);
    return met ? EXIT.pass : EXIT.regression;
  },
);

function cellsOf(model: number): Cell[] {
  const last = METRICS.length - 1;
  return [
    ...EFFECTS.map((effect) => ({ model, metric: 0, effect })),
    ...EFFECTS.filter((effect) => effect !== 0).map((effect) => ({ model, metric: last, effect })),
  ];
}

function whole(given: Given, flag: string): number | undefined {
  const text = given.text(flag);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new UsageError(`--${flag} must be a whole number from 1 on, got ${JSON.stringify(text)}`);
  return number;
}
