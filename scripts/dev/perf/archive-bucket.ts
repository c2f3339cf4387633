/** Buckets of made-up runs for perf:archive: a real run as the template, and the generator `blocks` that varies it. */
import { spawn } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ulid } from 'ulid';
import { parse, stringify } from 'yaml';
import type { Context } from '../../app/context.ts';
import { isBlockName } from '../../archive/blocks.ts';
import { readSnapshot, type Snapshot } from '../../archive/snapshot.ts';
import { EXIT, InfrastructureError, UsageError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import type { SideName } from '../../documents/run.ts';
import { LABEL } from '../../engine/names.ts';
import { ownerLabels, thisUser } from '../../engine/owner.ts';

/** A run of about 1,600 series and five minutes. */
const TEMPLATE_RUN = ['--commit=HEAD', '--rounds=5', '--duration=45s', '--json', '--quiet'];
/** Its size counts and nothing else, so hardly anything makes a round of it invalid. */
const TOLERANT = { allow: { failed_requests: 0, throttled: 1, steal: 1, outside_load: 1, start_lag: '10s' } };

/**
 * A made-up run, as the generator describes it (compose/images/blocks/runs.go). Times are milliseconds since the epoch.
 */
export interface MadeRun {
  run_id: string;
  benchmark: string;
  host: string;
  commit: string;
  against: string;
  start_ms: number;
  end_ms: number;
  status: string;
  /** Round of the template -> its side in this run. */
  rounds: Record<string, SideName>;
  block: string;
  bytes: number;
}

export interface Made {
  template: {
    series: number;
    samples: number;
    duration_ms: number;
    rounds: string[];
    metrics: string[];
    latency: { round: string; offsets_ms: number[] }[];
  };
  /** In order of time. */
  runs: MadeRun[];
  trend: { blocks: number; bytes: number; metrics: { name: string; unit: string }[] };
}

export interface MadeBucket {
  folder: string;
  made: Made;
}

/**
 * The block that the runs are made of: the given folder of one, or that of a run of the shop, which is measured now
 * unless `folder` has it.
 */
export async function templateBlock(
  given: string | undefined,
  folder: string,
  say: (text: string) => void,
  ctx: Context,
): Promise<string> {
  if (given !== undefined) {
    const block = resolve(given);
    if (!(await exists(join(block, 'meta.json'))))
      throw new UsageError(`--template: ${block} is not the folder of a block`, {
        hint: 'Name one in the bucket of a real run: <bucket>/<ULID>.',
      });
    return block;
  }
  const kept = await rawBlock(folder);
  if (kept) return kept;
  say('measuring the shop for five minutes: the made-up runs are made of that run');
  const data = `${folder}-data`;
  try {
    await measure(data, ctx);
    const block = await rawBlock(join(data, 'bucket'));
    if (!block)
      throw new InfrastructureError('the run of the shop left no block of metrics', {
        hint: 'Does npm run bench work?',
      });
    await mkdir(folder, { recursive: true });
    await cp(block, join(folder, block.split('/').at(-1)!), { recursive: true });
  } finally {
    await rm(data, { recursive: true, force: true });
  }
  return (await rawBlock(folder))!;
}

/**
 * `n` runs spread over the two years before now, and their trend blocks. Those of an earlier call with the same
 * generator are taken as they are.
 */
export async function makeBucket(
  n: number,
  template: string,
  parent: string,
  say: (text: string) => void,
  ctx: Context,
): Promise<MadeBucket> {
  const folder = join(parent, `${n}-${ctx.machine.images.blocks!.ref.split(':').at(-1)}`);
  const manifest = join(folder, 'made.json');
  const bucket = join(folder, 'bucket');
  if (!(await exists(manifest))) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(bucket, { recursive: true });
    await generate(template, folder, [`--runs=${n}`, '--out=/out/bucket', `--until=${ctx.now()}`], say, ctx);
  }
  return { folder: bucket, made: JSON.parse(await readFile(manifest, 'utf8')) };
}

/** One more run after those of a bucket, as Prometheus would leave it on this host: not in the bucket. */
export async function oneMore(
  n: number,
  template: string,
  folder: string,
  ctx: Context,
): Promise<{ run: MadeRun; snapshot: Snapshot }> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, 'snapshot'), { recursive: true });
  await generate(
    template,
    folder,
    [`--runs=${n}`, '--one', '--out=/out/snapshot', `--until=${ctx.now()}`],
    () => {},
    ctx,
  );
  const made: Made = JSON.parse(await readFile(join(folder, 'made.json'), 'utf8'));
  return { run: made.runs[0]!, snapshot: await readSnapshot(join(folder, 'snapshot')) };
}

async function generate(
  template: string,
  folder: string,
  flags: string[],
  say: (text: string) => void,
  ctx: Context,
): Promise<void> {
  const owner = `${ulid()}-perf`;
  const id = await ctx.engine.create({
    name: `mayfly-${owner.toLowerCase()}-blocks`,
    image: ctx.machine.images.blocks!.ref,
    cmd: [...flags, '--manifest=/out/made.json'],
    user: thisUser(),
    labels: { ...ownerLabels(owner), [LABEL.service]: 'blocks' },
    binds: [`${template}:/template:ro`, `${folder}:/out`],
    networks: ['none'],
  });
  try {
    await ctx.engine.start(id);
    const said = ctx.engine.follow(id, 'stderr', (text) => text.split('\n').filter(Boolean).forEach(say), ctx.signal);
    const code = await ctx.engine.wait(id, ctx.signal);
    await said;
    if (code !== 0)
      throw new InfrastructureError(
        `the generator of made-up runs ended with exit code ${code}: ${(await ctx.engine.logs(id, 3)).all.trim()}`,
        { hint: 'Is there room on the disk? 10,000 runs take about 6 GB.' },
      );
  } finally {
    await ctx.engine.remove(id);
  }
}

/** A run of the shop in a data folder of its own. One that ended early would be too small to be a template. */
async function measure(data: string, ctx: Context): Promise<void> {
  const benchmark = await tolerantShop(data, ctx);
  const child = spawn(
    'sh',
    [join(ctx.paths.root, 'scripts', 'run.sh'), 'bench', `--benchmark=${benchmark}`, ...TEMPLATE_RUN],
    { env: { ...ctx.env, MAYFLY_DATA: data }, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const stop = () => void child.kill('SIGTERM');
  ctx.signal.addEventListener('abort', stop, { once: true });
  const code = await new Promise<number | null>((done, failed) =>
    child.once('error', failed).once('close', done),
  ).finally(() => ctx.signal.removeEventListener('abort', stop));
  ctx.signal.throwIfAborted();
  if (code !== EXIT.pass)
    throw new InfrastructureError(`npm run bench ended with exit code ${code}; what it said is above`, {
      hint: 'Try again when the machine is idle, or name the block of a run that there is: --template=<bucket>/<ULID>.',
    });
}

async function tolerantShop(folder: string, ctx: Context): Promise<string> {
  const from = join(ctx.paths.root, 'benchmarks', 'shop');
  const to = join(folder, 'shop');
  await cp(from, to, { recursive: true, filter: (path) => path !== join(from, 'service') });
  await writeFile(
    join(to, 'benchmark.yaml'),
    stringify({ ...parse(await readFile(join(from, 'benchmark.yaml'), 'utf8')), ...TOLERANT }),
  );
  return to;
}

/** The block of the only run in a folder: not that of its trend. */
async function rawBlock(folder: string): Promise<string | undefined> {
  for (const name of (await readdir(folder).catch(() => [] as string[])).filter(isBlockName)) {
    const meta = JSON.parse(await readFile(join(folder, name, 'meta.json'), 'utf8'));
    if (meta.thanos?.labels.run_id) return join(folder, name);
  }
  return undefined;
}
