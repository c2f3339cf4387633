/**
 * What the containers of a run used, from its blocks in the bucket: for runs of before a round kept it. promtool reads
 * the samples out of a block, in a container; the archive need not be up.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../app/context.ts';
import { copyToFolder, listBlocks } from '../../archive/blocks.ts';
import type { Bucket } from '../../archive/bucket.ts';
import { inTemporary } from '../../archive/maintenance/read.ts';
import { InfrastructureError } from '../../core/errors.ts';
import type { RoundDocument, RunDocument } from '../../documents/run.ts';
import { runTool } from '../../engine/tool.ts';
import type { RawSeries } from '../../measure/collect/prometheus.ts';
import { CPU, MEMORY, resourcesOf } from '../../measure/collect/resources.ts';

type OfRound = Pick<RoundDocument, 'side' | 'round' | 'resources'>;

/** Why a run without figures of its own cannot be read; undefined where it may be. Pure. */
export function whyUnreadable(
  { archive }: Pick<RunDocument, 'archive'>,
  bucket: Pick<Bucket, 'name'>,
): string | undefined {
  if (!archive) return 'its metrics were never shipped';
  if (archive.removed_at) return `its blocks were pruned on ${archive.removed_at.slice(0, 10)}`;
  if (archive.pending) return 'its metrics wait on this host: npm run archive:push ships them';
  if (archive.bucket !== bucket.name)
    return `its blocks are in ${archive.bucket}: name it by --archive=NAME or --objstore=FILE`;
  return undefined;
}

/** The ids of all blocks of the bucket. Throws InfrastructureError where it does not answer. */
export async function blocksIn(bucket: Bucket, ctx: Context): Promise<ReadonlySet<string>> {
  const { blocks } = await listBlocks(bucket, ctx);
  return new Set(blocks.map(({ ulid }) => ulid));
}

/** The rounds of a run with what their containers used. `there`: the blocks of the bucket. A text: why there is nothing. */
export async function readRun(
  run: RunDocument,
  bucket: Bucket,
  there: ReadonlySet<string>,
  ctx: Context,
): Promise<OfRound[] | string> {
  const blocks = run.archive!.blocks.filter((block) => there.has(block));
  if (blocks.length === 0) return 'its blocks are not in the bucket any more';
  const series = await dump(blocks, bucket, ctx);
  const found = run.rounds.map(({ side, round, started_at, window_s }): OfRound => {
    const startMs = Date.parse(started_at);
    const own = series.filter(({ labels }) => labels.side === side && labels.round === String(round));
    const services = new Set(own.map(({ labels }) => labels.service ?? '').filter((name) => name !== ''));
    return { side, round, resources: resourcesOf(own, { startMs, endMs: startMs + window_s * 1000 }, services) };
  });
  return found.some(({ resources }) => resources!.length > 0) ? found : 'its blocks hold no metrics of containers';
}

/** Every sample of memory and CPU of the services in these blocks. */
function dump(blocks: string[], bucket: Bucket, ctx: Context): Promise<RawSeries[]> {
  return inTemporary(
    'resources',
    async (folder) => {
      // promtool takes it for a TSDB only with a log of its own.
      for (const name of ['wal', 'tmp']) await mkdir(join(folder, name), { recursive: true });
      if (bucket.folder === null) await copyToFolder(bucket, blocks, folder, ctx);
      const binds =
        bucket.folder === null
          ? [`${folder}:/tsdb`]
          : [`${join(folder, 'wal')}:/tsdb/wal`, ...blocks.map((id) => `${join(bucket.folder!, id)}:/tsdb/${id}:ro`)];
      const run = await runTool(
        {
          owner: `${ctx.newRunId()}-resources`,
          purpose: 'resources',
          image: 'prometheus',
          entrypoint: ['promtool'],
          cmd: [
            'tsdb',
            'dump',
            '--sandbox-dir-root=/scratch',
            `--match={__name__=~"${MEMORY}|${CPU}",job="containers",side!=""}`,
            '/tsdb',
          ],
          binds: [...binds, `${join(folder, 'tmp')}:/scratch`],
          network: 'none',
          timeoutMs: 600_000,
        },
        ctx,
      );
      if (run.exitCode !== 0)
        throw new InfrastructureError(`promtool cannot read the blocks ${blocks.join(', ')}: ${run.error}`, {
          hint: 'npm run archive -- verify looks whether they are whole.',
        });
      return parseDump(run.stdout);
    },
    ctx,
  );
}

/**
 * Lines of promtool's dump: labels in braces, the value, milliseconds. Series whose labels are the same are one. Where a
 * scrape has failed it shows Prometheus' mark of a stale series, as NaN; a query leaves it out, and so does this. Pure.
 */
export function parseDump(text: string): RawSeries[] {
  const series = new Map<string, RawSeries>();
  for (const line of text.split('\n')) {
    const [, labels, value, at] = /^\{(.*)\} (\S+) (\d+)$/.exec(line) ?? [];
    if (labels === undefined || value === 'NaN') continue;
    let one = series.get(labels);
    if (!one) series.set(labels, (one = { labels: labelsOf(labels), values: [] }));
    one.values.push([Number(at), Number(value)]);
  }
  for (const { values } of series.values()) values.sort(([a], [b]) => a - b);
  return [...series.values()];
}

const labelsOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/([A-Za-z_][A-Za-z0-9_]*)=("(?:[^"\\]|\\.)*")/g)].map(([, name, value]) => [
      name!,
      unquoted(value!),
    ]),
  );

/** Go quotes as JSON does, but for what no label of a container has. */
function unquoted(text: string): string {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(1, -1);
  }
}
