/**
 * The requests of a round, read from their Parquet file (docs/requests.md). Such a file was written beside code of
 * others, so it may be anything: what it says of itself is checked before memory is taken for it, and it is read in a
 * process of its own (read-process.ts) that can be ended. The only file that knows hyparquet.
 */
import { stat } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import { asyncBufferFromFile, type FileMetaData, type ParquetScan, parquetMetadataAsync, parquetScan } from 'hyparquet';
import { METADATA, REQUESTS_SCHEMA, type RequestColumns } from '../../loadgen/requests-file.ts';
import { MOST_BYTES, MOST_ROWS, RequestsFault } from './limits.ts';

/** A page is decompressed whole, and a row group is in memory. */
const MOST_PAGE_BYTES = 32 * 1024 * 1024;
const MOST_GROUP_ROWS = 1_000_000;
/**
 * Names and failures are few texts that come again and again: as many as their columns can tell apart, each of so many
 * characters.
 */
const MOST_NAMES = 65_536;
const MOST_FAILURES = 255;
const MOST_TEXT = 2_000;

export interface RequestsHead {
  rows: number;
  bytes: number;
  runId: string;
  benchmark: string;
  round: number;
  /** Milliseconds since the epoch. */
  windowStartMs: number;
  /** Requests of the window: more than `rows` where the cap has cut some off. */
  of: number;
}

const COLUMNS = {
  due: 'DOUBLE',
  start_lag: 'FLOAT',
  latency: 'FLOAT',
  side: 'BYTE_ARRAY',
  pair: 'INT32',
  name: 'BYTE_ARRAY',
  status: 'INT32',
  failure: 'BYTE_ARRAY',
} as const;
type ColumnName = keyof typeof COLUMNS;
const SIDES = ['candidate', 'baseline'];

/** What the file says of itself; nothing of its rows is read. Throws RequestsFault. */
export const readHead = (file: string): Promise<RequestsHead> => faulty(async () => (await open(file)).head);

/** All of it. Throws RequestsFault, also for values that cannot be. */
export function readRequests(file: string): Promise<{ head: RequestsHead; rows: RequestColumns }> {
  return faulty(async () => {
    const { head, buffer, metadata } = await open(file);
    const rows = emptyColumns(head.rows);
    const names = new Texts(rows.names, MOST_NAMES);
    const failures = new Texts(rows.failures, MOST_FAILURES);
    const sides = new Map<unknown, number>(SIDES.map((side, place) => [side, place]));
    const scan = await parquetScan({
      file: buffer,
      metadata,
      useOffsetIndex: false,
      compressors: { ZSTD: decompressed },
    });
    for (const range of scan.ranges) {
      const fill = (name: ColumnName, into: Values, valueOf: (value: any) => number | undefined) =>
        fillColumn(scan, range, name, into, valueOf);
      await fill('due', rows.due, (value) => (Number.isFinite(value) ? value : undefined));
      await fill('start_lag', rows.startLag, (value) => (Number.isFinite(value) ? value : undefined));
      await fill('latency', rows.latency, (value) => (value >= 0 && value < Infinity ? value : undefined));
      await fill('pair', rows.pair, (value) => (Number.isInteger(value) ? value : undefined));
      await fill('status', rows.status, (value) => (Number.isInteger(value) ? value : undefined));
      await fill('side', rows.side, (value) => sides.get(value));
      await fill('name', rows.name, (value) => names.place(value));
      await fill('failure', rows.failure, (value) =>
        value === null || value === undefined ? 0 : oneMore(failures.place(value)),
      );
    }
    return { head, rows };
  });
}

type Values = Float64Array | Float32Array | Int32Array | Uint16Array | Uint8Array;

/** Puts the values of one row group into the whole column. `valueOf`: undefined for one that cannot be. */
async function fillColumn(
  scan: ParquetScan,
  { rowStart, rowEnd }: { rowStart: number; rowEnd: number },
  name: ColumnName,
  into: Values,
  valueOf: (value: any) => number | undefined,
): Promise<void> {
  const values = (await scan.readColumn({ column: name, rowStart, rowEnd })) as ArrayLike<unknown>;
  if (values.length !== rowEnd - rowStart)
    throw new RequestsFault(`has ${values.length} values of ${name} in ${rowEnd - rowStart} rows`);
  for (let i = 0; i < values.length; i++) {
    const value = valueOf(values[i]);
    if (value === undefined)
      throw new RequestsFault(
        `has a ${name} of ${JSON.stringify(String(values[i]).slice(0, 50))} in row ${rowStart + i + 1}`,
      );
    into[rowStart + i] = value;
  }
}

/** Texts by their place. */
class Texts {
  readonly #list: string[];
  readonly #most: number;
  readonly #places = new Map<unknown, number>();
  constructor(list: string[], most: number) {
    this.#list = list;
    this.#most = most;
  }

  /** undefined: it is no text, too long a one, or one too many. */
  place(value: unknown): number | undefined {
    const known = this.#places.get(value);
    if (known !== undefined) return known;
    if (typeof value !== 'string' || value.length > MOST_TEXT || this.#list.length >= this.#most) return undefined;
    this.#places.set(value, this.#list.length);
    return this.#list.push(value) - 1;
  }
}

/** 0 is no failure. */
const oneMore = (place: number | undefined) => (place === undefined ? undefined : place + 1);

/** Whatever a damaged file makes the reader throw is said as a fault of the file. */
async function faulty<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RequestsFault) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new RequestsFault('is missing');
    throw new RequestsFault(`cannot be read as Parquet: ${message.split('\n')[0]!.slice(0, 200)}`);
  }
}

async function open(file: string) {
  const found = await stat(file);
  if (!found.isFile()) throw new RequestsFault('is no file');
  if (found.size > MOST_BYTES) throw new RequestsFault(`has ${found.size} bytes; ${MOST_BYTES} are allowed`);
  const buffer = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(buffer);
  return { buffer, metadata, head: headOf(metadata, found.size) };
}

function headOf(metadata: FileMetaData, bytes: number): RequestsHead {
  const said = Object.fromEntries((metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? '']));
  if (said[METADATA.schema] !== REQUESTS_SCHEMA)
    throw new RequestsFault(
      `is of schema ${JSON.stringify(said[METADATA.schema])?.slice(0, 60)}; ${REQUESTS_SCHEMA} is known`,
    );
  const whole = (name: string, fallback?: number): number => {
    const value = said[name] === undefined ? fallback : /^\d{1,15}$/.test(said[name]) ? Number(said[name]) : undefined;
    if (value === undefined) throw new RequestsFault(`says no ${name}`);
    return value;
  };
  const rows = checkedRows(metadata);
  return {
    rows,
    bytes,
    runId: said[METADATA.runId] ?? '',
    benchmark: said[METADATA.benchmark] ?? '',
    round: whole(METADATA.round),
    windowStartMs: whole(METADATA.windowStartMs),
    of: Math.max(rows, whole(METADATA.of, rows)),
  };
}

/** The number of rows, once every row group has the columns that it should have, each with a value for every row. */
function checkedRows({ schema, row_groups, num_rows }: FileMetaData): number {
  const columns = new Map(schema.slice(1).map((element) => [element.name, element]));
  for (const [name, type] of Object.entries(COLUMNS)) {
    if (columns.get(name)?.type !== type) throw new RequestsFault(`has no column ${name} of type ${type}`);
    if (columns.get(name)!.repetition_type === 'REPEATED') throw new RequestsFault(`has lists in its column ${name}`);
  }
  if (num_rows > MOST_ROWS) throw new RequestsFault(`says that it has ${num_rows} rows; ${MOST_ROWS} are allowed`);
  let sum = 0n;
  for (const group of row_groups) {
    if (group.num_rows < 0 || group.num_rows > MOST_GROUP_ROWS)
      throw new RequestsFault(`has a row group of ${group.num_rows} rows`);
    for (const { meta_data } of group.columns) {
      if (meta_data?.codec !== 'ZSTD')
        throw new RequestsFault(`is compressed by ${meta_data?.codec ?? 'nothing'}, not ZSTD`);
      if (meta_data.num_values !== group.num_rows)
        throw new RequestsFault(
          `has ${meta_data.num_values} values of ${meta_data.path_in_schema.join('.')} in a group of ${group.num_rows} rows`,
        );
    }
    sum += group.num_rows;
  }
  if (sum !== num_rows) throw new RequestsFault(`says that it has ${num_rows} rows; its groups have ${sum}`);
  return Number(num_rows);
}

function decompressed(bytes: Uint8Array, size: number): Uint8Array {
  if (size > MOST_PAGE_BYTES) throw new RequestsFault(`has a page of ${size} bytes`);
  return size === 0 ? new Uint8Array() : zstdDecompressSync(bytes, { maxOutputLength: size });
}

function emptyColumns(rows: number): RequestColumns {
  return {
    due: new Float64Array(rows),
    startLag: new Float32Array(rows),
    latency: new Float32Array(rows),
    side: new Uint8Array(rows),
    pair: new Int32Array(rows),
    name: new Uint16Array(rows),
    names: [],
    sides: SIDES,
    status: new Int32Array(rows),
    failure: new Uint8Array(rows),
    failures: [],
  };
}
