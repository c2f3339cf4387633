/**
 * The requests of a round, one by one, as one Parquet file (docs/requests.md). The generator writes it, in its
 * container; `npm run requests` joins such files into one. The only file that knows hyparquet-writer.
 */
import { rename, rm } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { constants, zstdCompressSync } from 'node:zlib';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';

/** In each file, under METADATA.schema: fields and columns are added to it, never changed or removed. */
export const REQUESTS_SCHEMA = 'mayfly.requests/v1';

/** Names of the file's key-value metadata: what writeRequests is given, all of it text. */
export const METADATA = {
  schema: 'mayfly.schema',
  runId: 'run_id',
  benchmark: 'benchmark',
  round: 'round',
  /** Milliseconds since the epoch. */
  windowStartMs: 'window_start_ms',
  /** Requests of the window. More than the file has rows where the cap has cut some off. */
  of: 'of',
  /** The most rows that were to be kept. */
  cap: 'cap',
  /** Of a file over several rounds: JSON, round -> its window_start_ms. */
  windows: 'windows',
} as const;

/** One entry a request, in every array. Seconds. */
export interface RequestColumns {
  /** When it was due, since the start of the window. */
  due: Float64Array;
  /** From when it was due to when it was sent. */
  startLag: Float32Array;
  /** From sending it to the end of its answer, or to its failure. */
  latency: Float32Array;
  /** Place in `sides`. */
  side: Uint8Array;
  /** Which requests of the two sides belong together. */
  pair: Int32Array;
  /** Place in `names`. */
  name: Uint16Array;
  names: string[];
  sides: string[];
  /** Of HTTP; of gRPC its code; 0: no answer came. */
  status: Int32Array;
  /** 0: it did not fail; else one more than its place in `failures`. */
  failure: Uint8Array;
  failures: string[];
}

/** Rows of a row group: what is in memory at once beside the columns themselves. */
const GROUP = 16_384;
const LEVEL = 3;

type Encoding = 'BYTE_STREAM_SPLIT' | 'DELTA_BINARY_PACKED' | 'RLE_DICTIONARY';

interface Column {
  name: string;
  type: 'DOUBLE' | 'FLOAT' | 'INT32' | 'STRING';
  encoding: Encoding;
  nullable?: boolean;
}

/** In the order of the file. */
const COLUMNS: readonly Column[] = [
  { name: 'due', type: 'DOUBLE', encoding: 'BYTE_STREAM_SPLIT' },
  { name: 'start_lag', type: 'FLOAT', encoding: 'BYTE_STREAM_SPLIT' },
  { name: 'latency', type: 'FLOAT', encoding: 'BYTE_STREAM_SPLIT' },
  { name: 'side', type: 'STRING', encoding: 'RLE_DICTIONARY' },
  { name: 'pair', type: 'INT32', encoding: 'DELTA_BINARY_PACKED' },
  { name: 'name', type: 'STRING', encoding: 'RLE_DICTIONARY' },
  { name: 'status', type: 'INT32', encoding: 'RLE_DICTIONARY' },
  { name: 'failure', type: 'STRING', encoding: 'RLE_DICTIONARY', nullable: true },
];
/** Of a file over several rounds only. */
const ROUND: Column = { name: 'round', type: 'INT32', encoding: 'RLE_DICTIONARY' };

/** Writes the requests of one round. The file is there whole or not at all. */
export async function writeRequests(
  file: string,
  rows: RequestColumns,
  metadata: Record<string, string>,
): Promise<void> {
  const writer = openRequests(file, metadata);
  await writer.append(rows);
  await writer.finish();
}

export interface RequestsWriter {
  /** `round`: of a file over several rounds. */
  append(rows: RequestColumns, round?: number): Promise<void>;
  /** Only then the file has its name. */
  finish(): Promise<void>;
  /** Removes what was written. */
  discard(): Promise<void>;
}

/** `rounds`: the file has the column `round`. */
export function openRequests(
  file: string,
  metadata: Record<string, string>,
  { rounds = false }: { rounds?: boolean } = {},
): RequestsWriter {
  const columns = rounds ? [...COLUMNS, ROUND] : COLUMNS;
  const beside = `${file}.${process.pid}.tmp`;
  const parquet = new ParquetWriter({
    writer: fileWriter(beside),
    schema: [{ name: 'requests', num_children: columns.length }, ...columns.map(schemaOf)],
    codec: 'ZSTD',
    // With a checksum in each frame: readers of zstd see for themselves whether a page is as it was written.
    compressors: {
      ZSTD: (bytes) =>
        zstdCompressSync(bytes, {
          params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
        }),
    },
    kvMetadata: Object.entries({ [METADATA.schema]: REQUESTS_SCHEMA, ...metadata }).map(([key, value]) => ({
      key,
      value,
    })),
    statistics: false, // nobody looks for a request by its latency without reading all
    createdBy: 'mayfly',
  });
  return {
    append: async (rows, round) => {
      for (let from = 0; from < rows.due.length; from += GROUP) {
        const values = valuesOf(rows, from, Math.min(from + GROUP, rows.due.length), round);
        await parquet.write({
          columnData: columns.map(({ name, encoding }) => ({ name, encoding, data: values[name]! })),
          rowGroupSize: GROUP,
        });
        await nextTurn();
      }
    },
    finish: async () => {
      await parquet.finish();
      await rename(beside, file);
    },
    discard: () => rm(beside, { force: true }),
  };
}

function schemaOf({ name, type, nullable }: Column) {
  const repetition = { repetition_type: nullable ? ('OPTIONAL' as const) : ('REQUIRED' as const) };
  return type === 'STRING'
    ? { name, type: 'BYTE_ARRAY' as const, converted_type: 'UTF8' as const, ...repetition }
    : { name, type, ...repetition };
}

/** The values of some rows, by column. */
function valuesOf(
  rows: RequestColumns,
  from: number,
  to: number,
  round: number | undefined,
): Record<string, Float64Array | Float32Array | Int32Array | unknown[]> {
  return {
    due: rows.due.subarray(from, to),
    start_lag: rows.startLag.subarray(from, to),
    latency: rows.latency.subarray(from, to),
    side: Array.from(rows.side.subarray(from, to), (index) => rows.sides[index]),
    pair: rows.pair.subarray(from, to),
    name: Array.from(rows.name.subarray(from, to), (index) => rows.names[index]),
    status: rows.status.subarray(from, to),
    failure: Array.from(rows.failure.subarray(from, to), (index) => (index === 0 ? null : rows.failures[index - 1])),
    ...(round === undefined ? {} : { round: new Int32Array(to - from).fill(round) }),
  };
}
