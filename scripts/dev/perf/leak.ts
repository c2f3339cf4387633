/**
 * npm run perf:leak: whether a leak of 1 kB a request is found in one run of 3 minutes, and whether one is hinted at
 * where there is none. All real: the service of the template http, and a commit of it that keeps 1 kB of every request.
 * Clean services are measured two at a time, side by side in one round (two commits that do the same): fresh
 * containers and a window of 3 minutes each, and each is judged by itself, as if it were a run of its own. So 20 of
 * them take half an hour and not a whole one.
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
import type { RunDocument, SideName } from '../../documents/run.ts';
import { RUN_IMAGES } from '../../images/images.ts';
import { shareOf } from '../../judge/clopper-pearson.ts';
import { growthOf } from '../../judge/growth.ts';
import { bench } from '../../pipeline.ts';
import { columns } from '../../report/columns.ts';
import { leakLines } from '../../report/leak-text.ts';
import { gitIn } from './shop-run.ts';

const LEAK_BYTES = 1000;
const RATE = 100;
const WARMUP_S = 5;
/** Only memory counts here: a busy host makes no round invalid. */
const TOLERANT = { failed_requests: 1, throttled: 1, steal: 1, outside_load: 1, saturation: 1, start_lag: '10s' };

type Growth = NonNullable<RunDocument['growth']>[number];

await command(
  {
    name: 'perf:leak',
    about:
      'Measures a service that keeps 1 kB of every request, and clean ones, for 3 minutes each; prints what is hinted at. Takes 40 minutes.',
    flags: [
      { name: 'leaks', value: 'N', help: 'services with the leak; default 1' },
      { name: 'clean', value: 'N', help: 'services without a leak; default 20' },
      { name: 'seconds', value: 'N', help: 'length of the window; default 180' },
      { name: 'rate', value: 'N', help: `requests a second; default ${RATE}` },
    ],
  },
  async (io, { text }) => {
    const leaks = wholeNumber('leaks', text('leaks'), { least: 0, most: 1000, fallback: 1 });
    const clean = wholeNumber('clean', text('clean'), { least: 0, most: 1000, fallback: 20 });
    const seconds = wholeNumber('seconds', text('seconds'), { least: 60, most: 3600, fallback: 180 });
    const rate = wholeNumber('rate', text('rate'), { least: 1, most: 100_000, fallback: RATE });
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-leak-'));
    try {
      const { lines, met } = await withContext({ quiet: false, images: RUN_IMAGES }, (ctx) =>
        measure(folder, { leaks, clean, seconds, rate }, ctx),
      );
      io.stdout(lines.join('\n'));
      return met ? EXIT.pass : EXIT.regression;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

interface Asked {
  leaks: number;
  clean: number;
  seconds: number;
  rate: number;
}

async function measure(folder: string, { leaks, clean, seconds, rate }: Asked, ctx: Context) {
  const service = await makeService(folder, seconds, rate);
  const measured = async (commit: string, against: string, rounds: number) => {
    const labels = { purpose: 'perf-leak' };
    const options = { benchmark: service.benchmark, commit, against, labels, rounds: String(rounds) };
    return bench(await loadConfig(options, { root: ROOT, cwd: ROOT }), ctx);
  };
  const first = await service.commit('first', (text) => text);
  const leaky = await service.commit('keeps 1 kB of every request', withLeak);
  const same = await service.commit(
    'does the same as the first',
    (text) => `${text}// another file, and no other service\n`,
  );
  const leak = leaks > 0 ? await measured(leaky, 'none', leaks) : null;
  const leaking = leak ? judgedAlone(leak, 'candidate') : [];
  const pairs = Math.ceil(clean / 2);
  const other = pairs > 0 ? await measured(same, first, pairs) : null;
  const cleans = other ? (['candidate', 'baseline'] as const).flatMap((side) => judgedAlone(other, side)) : [];
  const hinted = cleans.filter(({ verdict }) => verdict === 'grows');
  const found = leaking.filter(({ verdict }) => verdict === 'grows').length;
  const all = leaking.length >= leaks && found === leaking.length;
  const none = cleans.length >= clean && hinted.length === 0;
  const rows = [
    ...leaking.map((one) => row('keeps 1 kB of every request', one)),
    ...cleans.map((one) => row('clean', one)),
  ];
  const lines = [
    columns(['service', 'bytes per request', '95 % interval', 'verdict'], rows, { color: false }),
    '',
    ...(leak
      ? [
          ...leakLines({ ...leak, growth: leaking }),
          `goal ${all ? 'met' : 'MISSED'}: a leak of 1 kB a request is found in one run of ${seconds} s at ${rate} requests a second (${found} of ${leaking.length})`,
        ]
      : []),
    ...(other
      ? [
          `goal ${none ? 'met' : 'MISSED'}: none is hinted at in ${clean} services without one (${hinted.length} of ${cleans.length} measured; share of false hints ${shareWords(hinted.length, cleans.length)})`,
          'Clean services: two at a time in one round, fresh containers each, each judged by itself.',
        ]
      : []),
  ];
  return { lines, met: all && none };
}

/** What each round of a side says by itself. */
function judgedAlone(run: RunDocument, side: SideName): Growth[] {
  return run.rounds
    .filter((round) => round.side === side && round.valid)
    .flatMap((round) =>
      growthOf({ rounds: [{ ...round, side: 'candidate' }], sides: { candidate: run.sides[side]! } }),
    );
}

function row(name: string, { bytes_per_request, low, high, verdict }: Growth): string[] {
  const text = (value: number | null) => (value === null ? '-' : value.toFixed(0));
  return [name, text(bytes_per_request), `${text(low)} to ${text(high)}`, verdict];
}

function shareWords(hits: number, of: number): string {
  const { low, high } = shareOf(hits, of);
  return `${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)} %`;
}

/** A repository with the service of the template, and the benchmark of it. */
async function makeService(folder: string, seconds: number, rate: number) {
  const git = gitIn(folder, 'perf');
  await git('init', '--quiet', '--initial-branch=main');
  const { dir } = makeBenchmark({ name: 'leak', template: 'http', folder }, { root: ROOT, cwd: folder });
  const file = join(dir, 'benchmark.yaml');
  const spec = parse(await readFile(file, 'utf8'));
  // A host that stands still for a moment drops nothing: requests wait.
  const load = { ...spec.load, rate, duration: `${seconds}s`, warmup: `${WARMUP_S}s`, max_in_flight: 1000 };
  await writeFile(file, stringify({ ...spec, load, retries: 4, allow: TOLERANT }));
  const server = join(dir, 'service', 'server.ts');
  const text = await readFile(server, 'utf8');
  return {
    benchmark: dir,
    async commit(message: string, change: (text: string) => string): Promise<string> {
      await writeFile(server, change(text));
      await git('add', '--all');
      await git('commit', '--quiet', '-m', message);
      return git('rev-parse', 'HEAD');
    },
  };
}

/** Every answer keeps some bytes for ever. */
function withLeak(text: string): string {
  const place = '  greetings++;\n';
  if (!text.includes(place)) throw new Error('the service of the template http is another one: perf:leak knows it not');
  return text
    .replace('let greetings = 0;\n', 'let greetings = 0;\nconst kept: Buffer[] = [];\n')
    .replace(place, `${place}  kept.push(Buffer.alloc(${LEAK_BYTES}, 1));\n`);
}
