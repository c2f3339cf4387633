/**
 * npm run perf:autoscale: whether the autoscaler settles within one replica of the count computed by hand after a step
 * in load, and never goes back and forth. All real: a service that keeps some memory of every request for a while,
 * behind HAProxy, and the formula over the run's Prometheus.
 *
 * By hand: each replica holds its own memory (`idle`, as the first evaluation of the round has it) and its share of what
 * the requests keep, `rate × seconds × bytes`. So many replicas are needed that this is the target of what they request:
 * n = ceil(rate × seconds × bytes / (target × request - idle)).
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { command, wholeNumber } from '../../app/command.ts';
import type { Context } from '../../app/context.ts';
import { ROOT, withContext } from '../../app/open.ts';
import { loadConfig } from '../../config/config.ts';
import { makeBenchmark } from '../../config/template.ts';
import { EXIT } from '../../core/errors.ts';
import type { RoundDocument } from '../../documents/run.ts';
import { RUN_IMAGES } from '../../images/images.ts';
import { bench } from '../../pipeline.ts';
import { columns } from '../../report/columns.ts';
import { gitIn } from './shop-run.ts';

const MIB = 2 ** 20;
/** What a request keeps, and for how long. */
const KEPT = { bytes: 3 * MIB, seconds: 6 };
/** Requests a second before and after the step, and seconds of each. */
const BEFORE = { rate: 3, seconds: 8 };
const AFTER = { rate: 10, seconds: 24 };
const REQUEST = 128 * MIB;
const AUTOSCALE = { metric: 'memory', target: 0.75, min: 2, max: 6, cooldown: '15s' };
/** Only counts of replicas matter here: a busy host makes no round invalid. */
const TOLERANT = { failed_requests: 1, throttled: 1, steal: 1, outside_load: 1, saturation: 1, start_lag: '10s' };

await command(
  {
    name: 'perf:autoscale',
    about:
      'Makes a step in load before an autoscaled service, again and again; prints where the autoscaler settles, and where it should. Takes 10 minutes.',
    flags: [{ name: 'times', value: 'N', help: 'steps; default 10' }],
  },
  async (io, { text }) => {
    const times = wholeNumber('times', text('times'), { least: 1, most: 1000, fallback: 10 });
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-autoscale-'));
    try {
      const { lines, met } = await withContext({ quiet: false, images: RUN_IMAGES }, (ctx) =>
        measure(folder, times, ctx),
      );
      io.stdout(lines.join('\n'));
      return met ? EXIT.pass : EXIT.regression;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

async function measure(folder: string, times: number, ctx: Context) {
  const benchmark = await makeService(folder);
  const options = {
    benchmark,
    commit: 'HEAD',
    against: 'none',
    rounds: String(times),
    labels: { purpose: 'perf-autoscale' },
  };
  const run = await bench(await loadConfig(options, { root: ROOT, cwd: ROOT }), ctx);
  const found = run.rounds.flatMap(({ valid, round, autoscale }) =>
    valid && autoscale ? [{ round, ...settledIn(autoscale) }] : [],
  );
  const good = found.filter(({ isNear, flaps }) => isNear && flaps === 0).length;
  const met = found.length >= times && good === found.length;
  const rows = found.map(({ round, byHand, settled, counts, flaps }) => [
    String(round),
    String(byHand),
    String(settled),
    counts.join(' '),
    String(flaps),
  ]);
  return {
    met,
    lines: [
      columns(['round', 'by hand', 'settled at', 'counts', 'changes of direction'], rows, { color: false }),
      '',
      `goal ${met ? 'met' : 'MISSED'}: the autoscaler settles within one replica of the count computed by hand, with no flapping, in ${times} of ${times} steps (${good} of ${found.length})`,
      `run ${run.run_id}: ${BEFORE.rate} requests/s, then ${AFTER.rate}; each keeps ${KEPT.bytes / MIB} MiB for ${KEPT.seconds} s; ${AUTOSCALE.target * 100} % of ${REQUEST / MIB} MiB wanted`,
    ],
  };
}

function settledIn({ decisions }: NonNullable<RoundDocument['autoscale']>) {
  const [first] = decisions;
  // What the requests of the time before keep is not its own.
  const before = (BEFORE.rate * KEPT.seconds * KEPT.bytes) / first!.replicas;
  const counts = decisions.map(({ desired }) => desired).filter((count, i, all) => count !== all[i - 1]);
  const idle = Math.max(0, first!.utilisation * REQUEST - before);
  const kept = AFTER.rate * KEPT.seconds * KEPT.bytes;
  const asked = Math.ceil(kept / (AUTOSCALE.target * REQUEST - idle));
  const byHand = Math.min(AUTOSCALE.max, Math.max(AUTOSCALE.min, asked));
  const settled = counts.at(-1)!;
  const steps = counts.slice(1).map((count, i) => Math.sign(count - counts[i]!));
  const flaps = steps.filter((step, i) => i > 0 && step !== steps[i - 1]).length;
  return { byHand, settled, counts, flaps, isNear: Math.abs(settled - byHand) <= 1 };
}

/** A repository with the service of the template, which keeps something of every request, and the benchmark of it. */
async function makeService(folder: string): Promise<string> {
  const git = gitIn(folder, 'perf');
  await git('init', '--quiet', '--initial-branch=main');
  const { dir } = makeBenchmark({ name: 'keeper', template: 'http', folder }, { root: ROOT, cwd: folder });
  const changed = async (name: string, change: (text: string) => string) =>
    writeFile(join(dir, name), change(await readFile(join(dir, name), 'utf8')));
  await changed('benchmark.yaml', (text) => {
    const { load, ...rest } = parse(text);
    const stages = [
      { rate: BEFORE.rate, duration: `${BEFORE.seconds}s` },
      { rate: AFTER.rate, duration: '100ms' },
      { rate: AFTER.rate, duration: `${AFTER.seconds}s` },
    ];
    const { rate: _, duration: __, ...own } = load;
    return stringify({
      ...rest,
      // Before the window as much is kept as at the rate of its first part.
      load: { ...own, stages, warmup: `${KEPT.seconds + 2}s`, max_in_flight: 1000 },
      balancer: { service: 'keeper', port: 8080, health: '/healthz', drain: '5s' },
      autoscale: { service: 'keeper', ...AUTOSCALE },
      metrics: [{ name: 'latency_med', primary: true }],
      retries: 4,
      allow: TOLERANT,
    });
  });
  await changed('compose.yaml', (text) => {
    const { services, ...rest } = parse(text);
    const keeper = {
      ...services.keeper,
      // Files in memory go at once when they are removed; what Node.js has freed it may keep.
      tmpfs: ['/kept:size=256m,mode=1777', '/tmp:size=1m,mode=1777'],
      mem_limit: '512m',
      mem_reservation: String(REQUEST),
    };
    return stringify({ ...rest, services: { keeper } });
  });
  await changed(join('service', 'server.ts'), keeping);
  await git('add', '--all');
  await git('commit', '--quiet', '-m', 'keeps something of every request for a while');
  return dir;
}

function keeping(text: string): string {
  const [place, head] = ['  greetings++;\n', "import { createServer } from 'node:http';\n"];
  if (!text.includes(place) || !text.includes(head))
    throw new Error('the service of the template http is another one: perf:autoscale knows it not');
  const keep = [
    '  const file = `/kept/${greetings}`;',
    '  writeFileSync(file, BYTES);',
    `  setTimeout(() => rmSync(file), ${KEPT.seconds * 1000});`,
  ];
  return text
    .replace(
      head,
      `import { rmSync, writeFileSync } from 'node:fs';\n${head}\nconst BYTES = Buffer.alloc(${KEPT.bytes}, 1);\n`,
    )
    .replace(place, `${place}${keep.join('\n')}\n`);
}
