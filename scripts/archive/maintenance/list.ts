/** What is in a bucket: every run, or one of them, as a document and as text. */
import { join } from 'node:path';
import type { Context } from '../../app/context.ts';
import { UsageError } from '../../core/errors.ts';
import { plainText, plural } from '../../core/text.ts';
import type { ArchiveDocument } from '../../documents/run.ts';
import { columns } from '../../report/columns.ts';
import { holeLines } from '../../report/holes-text.ts';
import { formatValue } from '../../report/units.ts';
import { type Block, isOurs, isTelemetry, isTrend, listBlocks } from '../blocks.ts';
import type { Bucket } from '../bucket.ts';
import { roundInBlock } from '../carried-requests.ts';
import { knownRun } from '../recovery/recover.ts';
import { type ArchivedRun, findRunId, groupRuns, sumOf } from './archived-runs.ts';

export interface ListedRun {
  run_id: string;
  benchmark: string;
  host: string;
  /** ISO 8601 with milliseconds: first sample, and one millisecond after the last. */
  from: string;
  to: string;
  blocks: number;
  /** A series that goes on in a second block counts twice. */
  series: number;
  samples: number;
  bytes: number;
  /**
   * Its single requests: how many, as the store says, and the size of their files, which is part of `bytes`. Absent
   * where there are none.
   */
  requests?: { rows?: number; bytes: number };
  /** The store of this data folder has its record. */
  known: boolean;
  /** Marked for deletion: all of its blocks, some, or none. */
  marked: 'all' | 'some' | 'none';
}

/** schema mayfly.archive-list/v1: what `npm run archive -- ls --json` prints. */
export interface ArchiveList {
  schema: 'mayfly.archive-list/v1';
  bucket: string;
  /** Newest first. */
  runs: ListedRun[];
  /** Runs that fit the filters, of which `runs` may hold only the newest. */
  runs_found: number;
  trend: { blocks: number; samples: number; bytes: number; from?: string; to?: string };
  /** Telemetry that was brought by hand, by the name it was given. */
  telemetry: { name: string; blocks: number; samples: number; bytes: number }[];
  /** Blocks of no stream: something else uses the bucket too. */
  others: number;
  /** Folders without a meta.json that can be read. */
  partial: string[];
  bytes: number;
}

/** Reads the bucket's list of runs. */
export async function listRuns(
  bucket: Bucket,
  filter: { benchmark?: string; limit: number },
  ctx: Context,
): Promise<ArchiveList> {
  const { blocks, partial } = await listBlocks(bucket, ctx);
  const runs = groupRuns(blocks).filter((run) => filter.benchmark === undefined || run.benchmark === filter.benchmark);
  const trends = blocks.filter(isTrend);
  const known = new Map(ctx.store.stored().map(({ run_id, archive }) => [run_id, archive]));
  const { blocks: count, samples, bytes } = sumOf(trends);
  return {
    schema: 'mayfly.archive-list/v1',
    bucket: bucket.name,
    runs: runs
      .slice(0, filter.limit)
      .map((run) => listed(run, known.has(run.run_id), known.get(run.run_id)?.requests?.rows)),
    runs_found: runs.length,
    trend: {
      blocks: count,
      samples,
      bytes,
      ...(count > 0
        ? {
            from: iso(Math.min(...trends.map(({ minTime }) => minTime))),
            to: iso(Math.max(...trends.map(({ maxTime }) => maxTime))),
          }
        : {}),
    },
    telemetry: [...Map.groupBy(blocks.filter(isTelemetry), ({ labels }) => labels.telemetry!)]
      .map(([name, own]) => {
        const { blocks: count, samples, bytes } = sumOf(own);
        return { name, blocks: count, samples, bytes };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    others: blocks.filter((block) => !isOurs(block)).length,
    partial,
    bytes: sumOf(blocks).bytes,
  };
}

function listed(run: ArchivedRun, known: boolean, rows: number | undefined): ListedRun {
  const marked = run.blocks.filter((block) => block.marked).length;
  const { run_id, benchmark, host } = run;
  const bytes = requestBytes(run.blocks);
  const requests = bytes > 0 ? { requests: { ...(rows === undefined ? {} : { rows }), bytes } } : {};
  return {
    run_id,
    benchmark,
    host,
    from: iso(run.from),
    to: iso(run.to),
    ...sumOf(run.blocks),
    ...requests,
    known,
    marked: marked === 0 ? 'none' : marked === run.blocks.length ? 'all' : 'some',
  };
}

/** Size of the files of single requests. */
const requestBytes = (blocks: readonly Pick<Block, 'files'>[]) =>
  blocks
    .flatMap(({ files }) => Object.entries(files))
    .reduce((sum, [path, bytes]) => sum + (roundInBlock(path) === null ? 0 : bytes), 0);

export function listText(list: ArchiveList, color: boolean): string {
  const rows = list.runs.map((run) => [
    run.run_id,
    run.benchmark,
    run.from.slice(0, 16).replace('T', ' '),
    String(run.blocks),
    String(run.series),
    String(run.samples),
    run.requests ? (run.requests.rows?.toLocaleString('en') ?? '?') : '',
    formatValue(run.bytes, 'bytes'),
    [
      run.known ? '' : 'not in the store',
      { all: 'marked for deletion', some: 'partly marked for deletion', none: '' }[run.marked],
    ]
      .filter(Boolean)
      .join(', '),
  ]);
  const { trend } = list;
  return [
    ...(rows.length > 0
      ? [
          columns(
            ['run', 'benchmark', 'started', 'blocks', 'series', 'samples', 'requests', 'size', ''],
            rows.map((row) => row.map(plainText)),
            { left: 3, color },
          ),
          '',
        ]
      : []),
    `${plainText(list.bucket)}: ${plural(list.runs_found, 'run')}${list.runs_found > rows.length ? ` (${rows.length} shown; --limit shows more)` : ''}, ${formatValue(list.bytes, 'bytes')} in all`,
    `trend: ${plural(trend.blocks, 'block')}, ${trend.samples} samples, ${formatValue(trend.bytes, 'bytes')}${trend.from ? `, ${trend.from.slice(0, 10)} to ${trend.to!.slice(0, 10)}` : ''}`,
    ...list.telemetry.map(
      ({ name, blocks, samples, bytes }) =>
        `telemetry ${plainText(name)}: ${plural(blocks, 'block')}, ${samples} samples, ${formatValue(bytes, 'bytes')}`,
    ),
    ...(list.others > 0 ? [`${plural(list.others, 'block')} of something else than Mayfly`] : []),
    ...(list.partial.length > 0
      ? [
          `${plural(list.partial.length, 'folder')} without a meta.json that can be read; npm run archive -- verify looks at them`,
        ]
      : []),
  ].join('\n');
}

/** schema mayfly.archive-run/v1: what `npm run archive -- show RUN --json` prints. */
export interface ArchiveRun {
  schema: 'mayfly.archive-run/v1';
  bucket: string;
  run_id: string;
  known: boolean;
  /** What the store says of its metrics. */
  archive?: ArchiveDocument;
  /** What its metrics lack: scrapes of the services that went wrong in a window, one sentence each. */
  holes?: string[];
  blocks: (Omit<Block, 'minTime' | 'maxTime'> & { from: string; to: string; bytes: number; path?: string })[];
}

/** Reads what the bucket has of one run. Throws UsageError where neither the bucket nor the store has it. */
export async function showRun(wanted: string, bucket: Bucket, ctx: Context): Promise<ArchiveRun> {
  const runs = groupRuns((await listBlocks(bucket, ctx)).blocks);
  const run_id = findRunId(wanted, runs, ctx);
  const stored = knownRun(run_id, ctx);
  const blocks = runs.find((run) => run.run_id === run_id)?.blocks ?? [];
  if (!stored && blocks.length === 0) throw new UsageError(`there is no run ${run_id} in ${bucket.name}`);
  const holes = stored ? holeLines(stored) : [];
  return {
    schema: 'mayfly.archive-run/v1',
    bucket: bucket.name,
    run_id,
    known: stored !== null,
    ...(stored?.archive ? { archive: stored.archive } : {}),
    ...(holes.length > 0 ? { holes } : {}),
    blocks: blocks.map((block) => {
      const { minTime, maxTime, ...rest } = block;
      return {
        ...rest,
        from: iso(minTime),
        to: iso(maxTime),
        bytes: sumOf([block]).bytes,
        ...(bucket.folder === null ? {} : { path: join(bucket.folder, block.ulid) }),
      };
    }),
  };
}

/** `links`: lines that say where the run can be looked at. */
export function showText(run: ArchiveRun, links: string[]): string {
  const blocks = run.blocks.flatMap((block) => [
    '',
    `block ${block.ulid}${block.marked ? ' (marked for deletion)' : ''}`,
    `  ${block.from} to ${block.to}, ${block.series} series, ${block.samples} samples, ${block.chunks} chunks, ${formatValue(block.bytes, 'bytes')}`,
    `  ${Object.entries(block.labels)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .join(', ')}`,
    ...Object.entries(block.files).map(([file, bytes]) => `  ${file}  ${formatValue(bytes, 'bytes')}`),
    ...(block.path ? [`  in ${block.path}`] : []),
  ]);
  return [
    `run ${run.run_id} in ${run.bucket}: ${plural(run.blocks.length, 'block')}${run.known ? '' : '; the store of this data folder does not know it'}`,
    ...(run.archive?.removed_at ? [`its metrics were removed on ${run.archive.removed_at.slice(0, 10)}`] : []),
    ...requestsText(run),
    ...(run.holes ?? []),
    ...(run.archive?.pending ? ['its metrics wait on this host: npm run archive -- push ships them'] : []),
    ...blocks,
    '',
    'How to look at it:',
    ...[
      ...(run.known ? [`npm run show -- ${run.run_id}`] : []),
      ...(run.blocks.length > 0 ? [`PromQL: {stream="raw",run_id="${run.run_id}",__name__=~".+"}`] : []),
      ...links,
    ].map((line) => `  ${line}`),
  ]
    .map(plainText)
    .join('\n');
}

function requestsText({ run_id, archive, blocks, known }: ArchiveRun): string[] {
  const bytes = requestBytes(blocks);
  if (bytes === 0) return [];
  return [
    `its requests one by one: ${archive?.requests ? `${plural(archive.requests.rows, 'request')}, ` : ''}${formatValue(bytes, 'bytes')}${known ? `; npm run requests -- ${run_id}` : ''}`,
  ];
}

const iso = (ms: number) => new Date(ms).toISOString();
