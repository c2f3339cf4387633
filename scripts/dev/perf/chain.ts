/**
 * npm run perf:chain: what chains of functions hold, what measuring them costs, and whether a change is put on the hop
 * that it is in. Everything is real: commits of chain-sync with a known change, in runs as `npm run bench` makes them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, wholeNumber } from '../../app/command.ts';
import type { Context } from '../../app/context.ts';
import { withContext } from '../../app/open.ts';
import { EXIT, UsageError } from '../../core/errors.ts';
import { RUN_IMAGES } from '../../images/images.ts';
import { measureCost, measureCpu, measureRate, measureWait, type PartOptions } from './chain/parts.ts';
import { type Goal, goalLines } from './figures.ts';

const CHAINS = ['chain-sync', 'chain-async'];
const PARTS: Record<string, (options: PartOptions, ctx: Context) => Promise<Goal[]>> = {
  rate: (options, ctx) => measureRate(CHAINS, options, ctx),
  cost: measureCost,
  wait: measureWait,
  cpu: measureCpu,
};

await command(
  {
    name: 'perf:chain',
    about:
      'Measures chains of functions: the rate that each holds, the share of measuring, and whether a change is put on the hop that it is in. Takes about an hour. Do nothing else on the machine meanwhile.',
    flags: [
      {
        name: 'only',
        value: 'PART',
        many: true,
        help: `${Object.keys(PARTS).join(', ')}; may be given many times; default: all`,
      },
      { name: 'rounds', value: 'N', help: 'rounds of each comparison, at most; default 20, of cpu 40' },
    ],
  },
  async (io, given) => {
    const only = given.values.only ?? Object.keys(PARTS);
    for (const name of only)
      if (!(name in PARTS))
        throw new UsageError(`--only must be one of ${Object.keys(PARTS).join(', ')}, got ${JSON.stringify(name)}`);
    const rounds = (fallback: number) => wholeNumber('rounds', given.text('rounds'), { least: 6, most: 40, fallback });
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-chain-'));
    const goals: Goal[] = [];
    try {
      await withContext({ quiet: false, images: RUN_IMAGES }, async (ctx) => {
        for (const name of only) {
          const options = { folder, rounds: rounds(name === 'cpu' ? 40 : 20), log: (line: string) => io.stderr(line) };
          goals.push(...(await PARTS[name]!(options, ctx)));
        }
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    io.stdout(goalLines(goals).join('\n'));
    return goals.every(({ met }) => met) ? EXIT.pass : EXIT.regression;
  },
);
