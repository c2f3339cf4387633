/**
 * What is wrong with an archive, from what the bucket and the store say and what the check of the blocks found. Pure.
 */
import { plural } from '../../core/text.ts';
import type { StoredRun } from '../../store/db.ts';
import type { BlockReport } from '../block-check.ts';
import { type Block, isOurs, isRaw, isRunTelemetry, isTelemetry, isTrend } from '../blocks.ts';

export type FindingKind =
  | 'damaged' // a file of a block is not as it was written
  | 'missing' // a stored run without its block
  | 'requests' // a stored run whose block has not the single requests that its record names
  | 'pending' // a run whose snapshot waits on this host
  | 'partial' // a folder without a readable meta.json, of no shipped run
  | 'labels' // a block with other labels than its run has
  | 'duplicate' // a block over another one of the same run, which the store names
  | 'overlap' // blocks of one run over each other, and the store does not say which counts
  | 'no-trend' // stored runs without trend samples
  | 'unknown' // runs that the store does not know
  | 'foreign' // blocks of somebody else who uses the bucket
  | 'unrecorded' // blocks that are marked for deletion, and the run's record does not say so
  | 'not-removed'; // blocks that are there though the run's record says removed

export interface Finding {
  kind: FindingKind;
  /** false: told, and no reason to fail. */
  fault: boolean;
  run_id?: string;
  blocks: string[];
  message: string;
}

/** What was looked at. */
export interface Evidence {
  bucket: string;
  /** All blocks of the bucket. */
  blocks: Block[];
  partial: { ulid: string /** Seconds since a file of it was last written. */; ageS: number }[];
  /** Of the blocks that were checked. */
  reports: BlockReport[];
  stored: StoredRun[];
  /** Runs whose snapshot is being shipped by a process that is alive. */
  shipping: string[];
  /** Runs with a start before this were removed by the retention of the archive that keeps the bucket; ISO 8601. */
  retiredBefore?: string;
  /** Runs with a start before this have no trend samples any more, on purpose; ISO 8601. */
  trendSince?: string;
  /** Whether the contents were read, so that the runs in trend blocks are known. */
  read: boolean;
  /** Only this run is judged. */
  run?: string;
}

/** An upload may go on for so long without writing a file, in seconds. */
const UPLOAD_PAUSE_S = 3600;

/** Everything there is to say, faults first. */
export function judge(evidence: Evidence): Finding[] {
  const stored = evidence.stored.filter(({ run_id }) => evidence.run === undefined || run_id === evidence.run);
  const shipped = stored.filter(
    ({ archive }) => archive?.verified && !archive.pending && archive.bucket === evidence.bucket,
  );
  const findings = [
    ...damaged(evidence),
    ...ofRuns(shipped, evidence),
    ...withoutRequests(shipped, evidence),
    ...stored
      .filter(({ archive }) => archive?.pending)
      .map(({ run_id, archive }) => pending(run_id, archive?.error, evidence)),
    ...(evidence.run === undefined ? [...partials(evidence), ...unknown(evidence), ...foreign(evidence)] : []),
    ...wrongLabels(stored, evidence),
    ...overlaps(evidence),
    ...(evidence.read ? withoutTrend(shipped, evidence) : []),
  ];
  return findings.sort((a, b) => Number(b.fault) - Number(a.fault));
}

/** A block that is gone or marked by now was being removed while it was read. */
function damaged({ reports, blocks }: Evidence): Finding[] {
  const known = new Map(blocks.filter(({ marked }) => !marked).map((block) => [block.ulid, block]));
  return reports
    .filter(({ faults, ulid }) => faults.length > 0 && known.has(ulid))
    .map(({ ulid, faults }) => {
      const labels = known.get(ulid)?.labels ?? {};
      const what = isTrend({ labels })
        ? 'trend block'
        : isTelemetry({ labels })
          ? `block of the telemetry ${labels.telemetry}`
          : `block of run ${labels.run_id}`;
      return {
        kind: 'damaged',
        fault: true,
        ...(labels.run_id ? { run_id: labels.run_id } : {}),
        blocks: [ulid],
        message: `${what}: ${faults.map(({ file, message }) => `${file} ${message}`).join('; ')}${isTelemetry({ labels }) ? '; remove it (prune --telemetry-older-than), and import its files again' : ''}`,
      };
    });
}

/** Runs that were shipped to this bucket: are their blocks there? */
function ofRuns(shipped: StoredRun[], { blocks, partial, retiredBefore = '' }: Evidence): Finding[] {
  const there = new Map(blocks.map((block) => [block.ulid, block]));
  const broken = new Set(partial.map(({ ulid }) => ulid));
  return shipped.flatMap((run) => ofRun(run, there, broken, run.started_at < retiredBefore));
}

function ofRun(
  { run_id, archive }: StoredRun,
  there: Map<string, Block>,
  partial: Set<string>,
  retired: boolean,
): Finding[] {
  const found = archive!.blocks.flatMap((id) => there.get(id) ?? []);
  if (archive!.removed_at) {
    const left = found.filter((block) => !block.marked).map(({ ulid }) => ulid);
    return left.length > 0
      ? [
          {
            kind: 'not-removed',
            fault: false,
            run_id,
            blocks: left,
            message:
              'the record says that its metrics were removed, but they are there: mark-delete RUN --yes marks them, with --undo the record is corrected',
          },
        ]
      : [];
  }
  const lost = archive!.blocks.filter((id) => !there.has(id));
  const broken = lost.filter((id) => partial.has(id));
  const gone = lost.filter((id) => !broken.includes(id));
  if (retired && gone.length > 0 && broken.length === 0)
    return [
      {
        kind: 'unrecorded',
        fault: false,
        run_id,
        blocks: gone,
        message: 'removed by the retention of the archive, and its record does not say so; --repair writes it down',
      },
    ];
  const marked = found.length > 0 && lost.length === 0 && found.every((block) => block.marked);
  return [
    ...broken.map(
      (id): Finding => ({
        kind: 'damaged',
        fault: true,
        run_id,
        blocks: [id],
        message: 'block of a stored run: meta.json is missing or cannot be read',
      }),
    ),
    ...(gone.length > 0
      ? [
          {
            kind: 'missing' as const,
            fault: true,
            run_id,
            blocks: gone,
            message:
              'the bucket does not have it any more; import of an export brings it back; if it was removed on purpose, mark-delete RUN --yes records that',
          },
        ]
      : []),
    ...(marked
      ? [
          {
            kind: 'unrecorded' as const,
            fault: false,
            run_id,
            blocks: found.map(({ ulid }) => ulid),
            message: 'its blocks are marked for deletion, and its record does not say so',
          },
        ]
      : []),
  ];
}

/**
 * Files of requests that the record names and the block does not have, or that hold others. One that is damaged is told
 * with its block.
 */
function withoutRequests(shipped: StoredRun[], { blocks, reports }: Evidence): Finding[] {
  const there = new Map(blocks.filter(({ marked }) => !marked).map((block) => [block.ulid, block]));
  const read = new Map(reports.filter(({ faults }) => faults.length === 0).map((report) => [report.ulid, report]));
  return shipped.flatMap(({ run_id, archive }): Finding[] => {
    if (!archive?.requests || archive.removed_at !== undefined) return [];
    const { files, rows } = archive.requests;
    const ids = [...new Set(files.map((path) => path.split('/', 1)[0]!))].filter((id) => there.has(id));
    const lost = files.filter((path) =>
      ids.some((id) => path.startsWith(`${id}/`) && !(path.slice(id.length + 1) in there.get(id)!.files)),
    );
    if (lost.length > 0)
      return [
        {
          kind: 'requests',
          fault: true,
          run_id,
          blocks: ids,
          message: `its block does not have ${plural(lost.length, 'file')} of its single requests (${lost[0]!.split('/').at(-1)}${lost.length > 1 ? ', ...' : ''}); import of an export brings them back`,
        },
      ];
    const found = ids.reduce((sum, id) => sum + (read.get(id)?.requests ?? 0), 0);
    if (ids.length === 0 || !ids.every((id) => read.get(id)?.bytes) || found === rows) return [];
    return [
      {
        kind: 'requests',
        fault: true,
        run_id,
        blocks: ids,
        message: `its block has ${plural(found, 'single request')}; its record says ${rows}`,
      },
    ];
  });
}

function pending(run_id: string, error: string | undefined, { shipping }: Evidence): Finding {
  if (shipping.includes(run_id))
    return { kind: 'pending', fault: false, run_id, blocks: [], message: 'its metrics are being shipped right now' };
  return {
    kind: 'pending',
    fault: true,
    run_id,
    blocks: [],
    message: `its metrics wait on this host${error ? `: ${error}` : ''}`,
  };
}

/**
 * Folders without meta.json that belong to no shipped run: those are judged with their run. One of a run that waits is
 * made whole by its push. One of nobody stays: it may be the block of another store's run whose meta.json is damaged.
 */
function partials({ partial, stored, bucket }: Evidence): Finding[] {
  const shipped = new Set(
    stored.flatMap(({ archive }) => (archive?.verified && archive.bucket === bucket ? archive.blocks : [])),
  );
  return partial
    .filter(({ ulid }) => !shipped.has(ulid))
    .map(({ ulid, ageS }): Finding => {
      const owner = stored.find(({ archive }) => archive?.pending && archive.blocks.includes(ulid))?.run_id;
      const fresh = ageS < UPLOAD_PAUSE_S;
      if (owner)
        return {
          kind: 'partial',
          fault: !fresh,
          run_id: owner,
          blocks: [ulid],
          message: `an upload that did not end${fresh ? ', or goes on' : ''}; its run waits on this host`,
        };
      const message = fresh
        ? 'no meta.json that can be read: an upload may be going on'
        : `no meta.json that can be read for ${Math.floor(ageS / 3600)} hours, and no run of this store has it; Thanos, in the archive that keeps the bucket, removes it when it is two days old`;
      return { kind: 'partial', fault: false, blocks: [ulid], message };
    });
}

function unknown({ blocks, stored }: Evidence): Finding[] {
  const known = new Set(stored.map(({ run_id }) => run_id));
  const strange = Map.groupBy(
    blocks.filter((block) => isRaw(block) && !block.marked && !known.has(block.labels.run_id!)),
    ({ labels }) => labels.run_id!,
  );
  return [...strange].map(([run_id, own]) => ({
    kind: 'unknown',
    fault: false,
    run_id,
    blocks: own.map(({ ulid }) => ulid),
    message: 'the store of this data folder does not know this run',
  }));
}

/** Blocks that are not Mayfly's, by their labels. One with the id of a stored run has the wrong labels: see there. */
function foreign({ blocks, stored }: Evidence): Finding[] {
  const named = new Set(stored.flatMap(({ archive }) => archive?.blocks ?? []));
  const runs = new Set(stored.map(({ run_id }) => run_id));
  const others = blocks.filter(
    (block) => !isOurs(block) && !named.has(block.ulid) && !runs.has(block.labels.run_id ?? ''),
  );
  const words = ({ labels }: Block) =>
    Object.entries(labels)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .sort()
      .join(', ');
  return [...Map.groupBy(others, words)].map(([labels, own]) => ({
    kind: 'foreign',
    fault: false,
    blocks: own.map(({ ulid }) => ulid),
    message: `not of Mayfly (${labels ? `labels ${labels}` : 'no labels'}): left as ${own.length === 1 ? 'it is' : 'they are'}`,
  }));
}

/** Each raw block against the run that names it in its record, or whose id it carries. */
function wrongLabels(stored: StoredRun[], { blocks }: Evidence): Finding[] {
  const byId = new Map(stored.map((run) => [run.run_id, run]));
  const byBlock = new Map(stored.flatMap((run) => (run.archive?.blocks ?? []).map((id) => [id, run] as const)));
  return blocks
    .filter((block) => !isTrend(block))
    .flatMap((block): Finding[] => {
      const run = byBlock.get(block.ulid) ?? byId.get(block.labels.run_id ?? '');
      if (!run) return [];
      const wanted = { stream: 'raw', run_id: run.run_id, benchmark: run.benchmark, host: run.host_id };
      const wrong = Object.entries(wanted).filter(([name, value]) => block.labels[name] !== value);
      return wrong.length === 0
        ? []
        : [
            {
              kind: 'labels',
              fault: true,
              run_id: run.run_id,
              blocks: [block.ulid],
              message: wrong
                .map(
                  ([name, value]) =>
                    `${name} is ${JSON.stringify(block.labels[name])} in the block and ${JSON.stringify(value)} in the store`,
                )
                .join('; '),
            },
          ];
    });
}

/**
 * Raw blocks of one run over each other in time. Trend blocks may: the compactor merges them. So may a block of telemetry
 * and one of what was scraped: they hold other series.
 */
function overlaps({ blocks, stored, run }: Evidence): Finding[] {
  const records = new Map(stored.map((one) => [one.run_id, one.archive?.blocks ?? []]));
  const raw = blocks.filter(
    (block) => isRaw(block) && !block.marked && (run === undefined || block.labels.run_id === run),
  );
  const groups = Map.groupBy(raw, (block) => `${block.labels.run_id} ${isRunTelemetry(block)}`);
  return [...groups.values()].flatMap((own): Finding[] => {
    const run_id = own[0]!.labels.run_id!;
    const over = own.filter((a) => own.some((b) => a !== b && a.minTime < b.maxTime && b.minTime < a.maxTime));
    if (over.length === 0) return [];
    const named = over.filter(({ ulid }) => records.get(run_id)?.includes(ulid));
    const others = over.filter((block) => !named.includes(block));
    // A block may only go as a duplicate where one that the store names goes as far in time.
    const spare = others.filter((a) => named.some((b) => b.minTime <= a.minTime && b.maxTime >= a.maxTime));
    if (spare.length > 0)
      return [
        {
          kind: 'duplicate',
          fault: true,
          run_id,
          blocks: spare.map(({ ulid }) => ulid),
          message: `covers the same time as ${named.map(({ ulid }) => ulid).join(', ')}, which the store names`,
        },
      ];
    return [
      {
        kind: 'overlap',
        fault: others.length > 0,
        run_id,
        blocks: over.map(({ ulid }) => ulid),
        message: 'cover the same time: what is in both counts twice in some queries',
      },
    ];
  });
}

/** Shipped runs that no trend block holds. A damaged trend block holds nothing that counts. */
function withoutTrend(shipped: StoredRun[], { reports, blocks, trendSince }: Evidence): Finding[] {
  const whole = new Set(reports.filter(({ faults }) => faults.length === 0).map(({ ulid }) => ulid));
  const trends = new Set(
    blocks.filter((block) => isTrend(block) && !block.marked && whole.has(block.ulid)).map(({ ulid }) => ulid),
  );
  const held = new Set(reports.filter(({ ulid }) => trends.has(ulid)).flatMap(({ ids }) => ids));
  const lost = shipped.filter(
    (run) =>
      run.status !== 'running' && !held.has(run.run_id) && (trendSince === undefined || run.started_at > trendSince),
  );
  if (lost.length === 0) return [];
  const names = lost.map(({ run_id }) => run_id);
  return [
    {
      kind: 'no-trend',
      fault: true,
      ...(names.length === 1 ? { run_id: names[0]! } : {}),
      blocks: [],
      message: `${names.length} ${names.length === 1 ? 'run has' : 'runs have'} no trend samples (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''}); rebuild-trends makes them`,
    },
  ];
}
