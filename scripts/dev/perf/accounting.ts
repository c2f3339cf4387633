/**
 * npm run perf:accounting: is the accounting of events exact, whatever happens? Each run is drawn from a seed: events,
 * triggers, a consumer that is killed and started again, a restart of the broker, refused deliveries, and all of them
 * together. What the records come to is held against the consumers' own accounts, what the producer knows, and the dead
 * letters in the broker. Goal: every run exact, and no event lost.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, wholeNumber } from '../../app/command.ts';
import { EXIT, UsageError } from '../../core/errors.ts';
import { interruptible } from '../../core/interrupt.ts';
import { createProgress } from '../../report/progress.ts';
import { setUp } from '../../setup/machine.ts';
import { BROKER_KINDS, type BrokerKind, RESTARTS, startBroker } from './accounting/brokers.ts';
import { ALL_KINDS, draw, textOf } from './accounting/draw.ts';
import { accountingRun, type Result } from './accounting/run.ts';

await command(
  {
    name: 'perf:accounting',
    about: 'Shows that every event is accounted for, whatever is killed in the middle. Takes about five seconds a run.',
    flags: [
      { name: 'runs', value: 'N', help: 'how many; default 100' },
      { name: 'broker', value: 'KIND', help: `${BROKER_KINDS.join(' or ')}; default ${BROKER_KINDS[0]}` },
      { name: 'seed', value: 'N', help: 'of the first run, each further one has the next; default 1' },
      { name: 'keep', help: 'keeps the files of runs that are not exact, and says where' },
    ],
  },
  async (io, given) => {
    const runs = wholeNumber('runs', given.text('runs'), { least: 1, most: 10_000, fallback: 100 });
    const first = wholeNumber('seed', given.text('seed'), { least: 0, most: 2 ** 31, fallback: 1 });
    const kind = (given.text('broker') ?? BROKER_KINDS[0]) as BrokerKind;
    if (!BROKER_KINDS.includes(kind))
      throw new UsageError(`--broker=${kind} is no broker of Mayfly`, { hint: `One of ${BROKER_KINDS.join(', ')}.` });
    const progress = createProgress({ stream: process.stderr, quiet: false });
    await setUp({ images: [kind], progress });
    progress.close();

    const { signal, release } = interruptible();
    const folder = mkdtempSync(join(tmpdir(), 'mayfly-accounting-'));
    const failing: number[] = [];
    const all: Result[] = [];
    let keeps = false;
    try {
      await using broker = await startBroker(kind, 'accounting');
      for (let i = 0; i < runs; i++) {
        signal.throwIfAborted();
        const seed = first + i;
        const drawn = draw(seed, ALL_KINDS[seed % ALL_KINDS.length]!, RESTARTS[kind]);
        const own = join(folder, String(seed));
        const begin = Date.now();
        let odd: string[];
        try {
          const result = await accountingRun(drawn, broker, own);
          all.push(result);
          odd = result.differences;
          writeFileSync(join(own, 'document.json'), JSON.stringify(result, null, 1));
        } catch (error) {
          odd = [(error as Error).message];
        }
        if (odd.length > 0) failing.push(seed);
        const seconds = ((Date.now() - begin) / 1000).toFixed(1);
        io.stderr(`seed ${seed}: ${odd.length === 0 ? 'exact' : 'NOT EXACT'} (${seconds} s)  ${textOf(drawn)}`);
        for (const line of odd) io.stderr(`  ${line}`);
        if (odd.length > 0 && given.has('keep')) keeps = true;
        else rmSync(own, { recursive: true, force: true });
      }
    } finally {
      release();
      if (keeps) io.stderr(`the files of runs that are not exact: ${folder}`);
      else rmSync(folder, { recursive: true, force: true });
    }
    io.stdout(summary(kind, runs, all, failing));
    return failing.length === 0 ? EXIT.pass : EXIT.regression;
  },
);

function summary(kind: BrokerKind, runs: number, all: Result[], failing: number[]): string {
  const sum = (of: (result: Result) => number) => all.reduce((total, result) => total + of(result), 0);
  return [
    `${runs - failing.length} of ${runs} exact, with ${kind}`,
    `${sum(({ document }) => document.sent)} events sent, in ${sum(({ document }) => document.deliveries)} deliveries: ` +
      `${sum(({ document }) => document.delivered)} delivered, ${sum(({ document }) => document.dead_lettered)} ` +
      `dead-lettered, ${sum(({ document }) => document.lost)} lost; ` +
      `${sum(({ document }) => document.duplicated)} duplicated, ` +
      `${sum(({ document }) => document.out_of_order)} out of order`,
    `${sum(({ unseen }) => unseen)} kills fell between a consumer's work and its record`,
    ...(failing.length > 0 ? [`not exact, by seed: ${failing.join(', ')}`] : []),
  ].join('\n');
}
