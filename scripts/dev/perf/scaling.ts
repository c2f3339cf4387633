/**
 * npm run perf:scaling: what three replicas behind a balancer make of 30 migrations and 10 uploads of 100 MB at once,
 * beside one replica: the benchmark uploads, scaled against single, in blocks of four rounds (A B B A) of one run. The
 * ratio counts, as both are measured on the same machine in the same minutes. Times of another machine say nothing here.
 */
import { command, wholeNumber } from '../../app/command.ts';
import { ROOT, withContext } from '../../app/open.ts';
import { loadConfig } from '../../config/config.ts';
import { EXIT } from '../../core/errors.ts';
import type { RunDocument } from '../../documents/run.ts';
import { RUN_IMAGES } from '../../images/images.ts';
import { bench } from '../../pipeline.ts';
import { columns } from '../../report/columns.ts';
import { iterationTable } from '../../report/load-table.ts';
import { goalLines } from './figures.ts';
import { cpusUsed, type Scaling, scalingOf } from './scaling-figures.ts';

/** Of the service that was scaled out and that the benchmark is modelled on, with CPUs of its own for each replica. */
const REFERENCE: Record<string, string> = {
  migrations_avg: '3.05 s to 1.35 s: 0.44',
  migrations_p95: '12.68 s to 5.33 s: 0.42',
  uploads_avg: '2.18 s to 0.39 s: 0.18, where half of them had failed',
};
const METRICS = ['migrations_avg', 'migrations_p95', 'uploads_avg', 'uploads_p95'];
/** Fewest blocks with an interval of 95 %. */
const LEAST_BLOCKS = 6;

await command(
  {
    name: 'perf:scaling',
    about:
      'Measures the benchmark uploads, three replicas against one, in one run; prints ratios with their intervals. Takes about 15 minutes.',
    flags: [{ name: 'blocks', value: 'N', help: `blocks of four rounds; default ${LEAST_BLOCKS}, at least that many` }],
  },
  async (io, { text }) => {
    const blocks = wholeNumber('blocks', text('blocks'), { least: LEAST_BLOCKS, most: 20, fallback: LEAST_BLOCKS });
    const run = await withContext({ quiet: false, images: RUN_IMAGES }, async (ctx) => {
      const options = {
        benchmark: 'uploads',
        commit: 'HEAD',
        variant: 'scaled',
        againstVariant: 'single',
        rounds: String(blocks),
        labels: { purpose: 'perf-scaling' },
      };
      return bench(await loadConfig(options, { root: ROOT, cwd: ROOT }), ctx);
    });
    const { lines, met } = said(run);
    io.stdout(lines.join('\n'));
    return met ? EXIT.pass : EXIT.regression;
  },
);

function said(run: RunDocument) {
  const found = METRICS.map((metric) => scalingOf(run, metric));
  const rows = METRICS.map((metric, i) => [metric, ...words(found[i] ?? null), REFERENCE[metric] ?? '-']);
  const used = (['candidate', 'baseline'] as const).map((side) => cpusUsed(run, side)?.toFixed(2) ?? '-');
  const cpus = run.host.cores;
  const shorter = (metric: string) => (found[METRICS.indexOf(metric)]?.high ?? Infinity) < 1;
  const goals = ['migrations_avg', 'uploads_avg'].map((metric) => ({
    met: shorter(metric),
    text: `${metric} is shorter with three replicas, the whole interval below 1`,
  }));
  const lines = [
    ...iterationTable(run, { color: false }),
    '',
    columns(['time, scaled / single', 'ratio', '95 % interval', 'blocks', 'of the reference'], rows, { color: false }),
    '',
    `CPUs that the services used: ${used[0]} scaled, ${used[1]} single, of ${cpus}. A replica can use one.`,
    `What ${cpus} CPUs can show: at best ${(1 / Math.min(3, cpus)).toFixed(2)} of the time for what computes, less what the load generator, the balancer and the disk take of the same machine.`,
    'The reference had machines of its own for each replica: its ratios are no goal here.',
    ...goalLines(goals),
  ];
  return { lines, met: goals.every(({ met }) => met) };
}

function words(scaling: Scaling | null): string[] {
  if (scaling === null) return ['-', 'no block with both', '0'];
  const { ratio, low, high, blocks } = scaling;
  const interval = low === null || high === null ? 'too few blocks' : `${low.toFixed(2)} to ${high.toFixed(2)}`;
  return [ratio.toFixed(2), interval, String(blocks)];
}
