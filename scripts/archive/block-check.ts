/**
 * Is a block whole? By the documented format of Prometheus' TSDB (tsdb/docs/format of its source). Every byte of index
 * and chunks is under a checksum, or has a known value (magic, version, padding), or moves what is under a checksum
 * (lengths). meta.json has no checksum: what it says is compared with what index and chunks hold. A run's requests may
 * lie beside its chunks (requests.ts): they are read whole too. The only file that knows @node-rs/crc32.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { InfrastructureError } from '../core/errors.ts';
import { logFileFault } from '../logs/kept.ts';
import { RequestsFault, type RequestsReader, requestsReader } from '../requests/view.ts';
import { writeWhole } from '../stack/run-folder.ts';
import { TELEMETRY_MARK } from './blocks.ts';
import { isLogInBlock } from './carried-logs.ts';
import { isProfileInBlock } from './carried-profiles.ts';
import { roundInBlock } from './carried-requests.ts';
import { isTracesInBlock } from './carried-traces.ts';

/** What is wrong with a file of a block. */
export interface BlockFault {
  /** Path in the block. */
  file: string;
  message: string;
}

export interface BlockReport {
  ulid: string;
  /** Empty: the block is whole. */
  faults: BlockFault[];
  /** Bytes that were read and checked. */
  bytes: number;
  /**
   * What is in the symbol table and looks like a ULID: of a trend block the runs it holds. Empty after a quick check.
   */
  ids: string[];
  /** Single requests in the files that were read and are whole. */
  requests: number;
}

/** A series of an index: where its chunks are and from when to when they go, in milliseconds since the epoch. */
interface ChunkRef {
  segment: number;
  offset: number;
  minTime: number;
  maxTime: number;
}

export interface IndexContent {
  series: number;
  refs: ChunkRef[];
  symbols: string[];
}

export interface SegmentContent {
  /** Where each chunk begins. */
  offsets: Set<number>;
  samples: number;
  /** Of them: of native histograms. */
  histograms: number;
}

/** Thrown inside of a check at the first thing that is wrong in a file: what follows cannot be read then. */
class Damage extends Error {}

const INDEX_MAGIC = 0xbaaad700;
const CHUNKS_MAGIC = 0x85bd40dd;
const TOMBSTONES_MAGIC = 0x0130ba30;
const INDEX_VERSION = 2;
const TOC_BYTES = 52;
/** Float, histogram and float histogram: what Thanos 0.42 reads. */
const FLOAT = 1;
const ENCODINGS = [FLOAT, 2, 3];
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
/** Files that others put beside the data: they are no part of it. */
const MARKS = ['deletion-mark.json', 'no-compact-mark.json', 'no-downsample-mark.json'];

/**
 * Checks a block's folder. `quick`: meta.json and the sizes of the files only. `reader`: of the requests; its own where
 * absent. Throws only what the disk throws.
 */
export async function checkBlock(
  dir: string,
  options: { quick?: boolean; reader?: RequestsReader } = {},
): Promise<BlockReport> {
  const ulid = basename(dir);
  const meta = await readMeta(join(dir, 'meta.json'));
  if (typeof meta === 'string')
    return { ulid, faults: [{ file: 'meta.json', message: meta }], bytes: 0, ids: [], requests: 0 };
  const faults = [...checkMeta(meta, ulid), ...(await checkSizes(dir, meta))];
  if (options.quick || faults.some(({ file, message }) => message === MISSING && !isCarried(file)))
    return { ulid, faults, bytes: 0, ids: [], requests: 0 };

  const index = await checked(dir, 'index', checkIndex, faults);
  const segments = new Map<number, SegmentContent | null>();
  let bytes = index.bytes;
  for (const name of await segmentsIn(dir)) {
    const segment = await checked(dir, join('chunks', name), checkSegment, faults);
    segments.set(Number(name), segment.content);
    bytes += segment.bytes;
  }
  if ((await readdir(dir)).includes('tombstones'))
    bytes += (await checked(dir, 'tombstones', checkTombstones, faults)).bytes;
  if (index.content) faults.push(...compareWithMeta(index.content, segments, meta));
  const requests = await checkRequests(dir, meta.thanos?.labels?.run_id, options.reader, faults);
  bytes += await checkLogs(dir, faults);
  return {
    ulid,
    faults,
    bytes: bytes + requests.bytes,
    ids: index.content?.symbols.filter((symbol) => ULID.test(symbol)) ?? [],
    requests: requests.rows,
  };
}

/** Reads every file of requests; one that is missing or has another size is told already. */
async function checkRequests(
  dir: string,
  runId: unknown,
  given: RequestsReader | undefined,
  faults: BlockFault[],
): Promise<{ bytes: number; rows: number }> {
  const sum = { bytes: 0, rows: 0 };
  const names = await requestFilesIn(dir);
  if (names.length === 0) return sum;
  await using own = given ? null : requestsReader();
  for (const name of names) {
    const file = `chunks/${name}`;
    if (faults.some((fault) => fault.file === file)) continue;
    const head = await (given ?? own)!
      .check({ file: join(dir, file), runId: String(runId), round: roundInBlock(file)! })
      .catch((error: Error) => {
        if (!(error instanceof RequestsFault)) throw error;
        faults.push({ file, message: error.message });
        return { bytes: 0, rows: 0 };
      });
    sum.bytes += head.bytes;
    sum.rows += head.rows;
  }
  return sum;
}

/** Reads every log file; one that is missing or has another size is told already. Gives their bytes. */
async function checkLogs(dir: string, faults: BlockFault[]): Promise<number> {
  let bytes = 0;
  for (const name of await namesIn(dir, (name) => isLogInBlock(`chunks/${name}`))) {
    const file = `chunks/${name}`;
    if (faults.some((fault) => fault.file === file)) continue;
    const message = await logFileFault(join(dir, file));
    if (message !== null) faults.push({ file, message });
    bytes += (await stat(join(dir, file))).size;
  }
  return bytes;
}

const MISSING = 'is missing';

/** The document, or what keeps it from being one. */
async function readMeta(file: string): Promise<any> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return MISSING;
  }
  try {
    const meta = JSON.parse(text);
    return meta && typeof meta === 'object' ? meta : 'is no JSON document of a block';
  } catch (error) {
    return `is no JSON: ${(error as Error).message}`;
  }
}

function checkMeta(meta: any, ulid: string): BlockFault[] {
  const wrong = (message: string) => [{ file: 'meta.json', message }];
  return [
    ...(meta.ulid === ulid ? [] : wrong(`names the block ${JSON.stringify(meta.ulid)}, its folder ${ulid}`)),
    ...(meta.version === 1 ? [] : wrong(`has version ${JSON.stringify(meta.version)}; 1 is known`)),
    ...(Number.isFinite(meta.minTime) && Number.isFinite(meta.maxTime) && meta.minTime <= meta.maxTime
      ? []
      : wrong(`has no time range: minTime ${meta.minTime}, maxTime ${meta.maxTime}`)),
    ...(Object.keys(meta.thanos?.labels ?? {}).length > 0 ? [] : wrong('has no external labels')),
  ];
}

/** Files that Thanos has listed at the upload, against those that are there. */
async function checkSizes(dir: string, meta: any): Promise<BlockFault[]> {
  const listed: { rel_path: string; size_bytes?: number }[] = meta.thanos?.files ?? [];
  const wanted = new Map(listed.map((file) => [file.rel_path, file.size_bytes]));
  for (const file of ['index', ...(meta.stats?.numChunks ? ['chunks/000001'] : [])])
    if (!wanted.has(file)) wanted.set(file, undefined);
  const faults: BlockFault[] = [];
  for (const [file, size] of wanted) {
    const found = await stat(join(dir, file)).catch(() => null);
    if (!found) faults.push({ file, message: MISSING });
    else if (size !== undefined && found.size !== size)
      faults.push({ file, message: `has ${found.size} bytes; meta.json says ${size}` });
  }
  for (const name of [...(await segmentsIn(dir)), ...(await requestFilesIn(dir))]) {
    if (listed.length > 0 && !wanted.has(`chunks/${name}`))
      faults.push({ file: `chunks/${name}`, message: 'is not in meta.json' });
  }
  return faults;
}

const namesIn = async (dir: string, wanted: (name: string) => boolean) =>
  (await readdir(join(dir, 'chunks')).catch(() => [] as string[])).filter(wanted).sort();
const segmentsIn = (dir: string) => namesIn(dir, (name) => /^\d{6}$/.test(name));
const requestFilesIn = (dir: string) => namesIn(dir, (name) => roundInBlock(`chunks/${name}`) !== null);

/** Reads and checks one file; what is wrong goes to `faults`. */
async function checked<T>(
  dir: string,
  file: string,
  check: (data: Buffer) => T,
  faults: BlockFault[],
): Promise<{ content: T | null; bytes: number }> {
  const data = await readFile(join(dir, file)).catch((error) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (data === null) {
    faults.push({ file, message: 'is gone' }); // removed while it was being checked
    return { content: null, bytes: 0 };
  }
  try {
    return { content: check(data), bytes: data.length };
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    faults.push({ file, message: error.message });
    return { content: null, bytes: data.length };
  }
}

/** What meta.json, index and chunks say of each other. A segment that is damaged (null) is not asked. */
function compareWithMeta(index: IndexContent, segments: Map<number, SegmentContent | null>, meta: any): BlockFault[] {
  const faults: BlockFault[] = [];
  const compare = (what: string, found: number, said: unknown) => {
    if (said !== undefined && found !== said)
      faults.push({ file: 'meta.json', message: `says ${said} ${what}; there are ${found}` });
  };
  compare('series', index.series, meta.stats?.numSeries);
  compare('chunks', index.refs.length, meta.stats?.numChunks);
  const lost = index.refs.find(
    ({ segment, offset }) => segments.get(segment) !== null && !segments.get(segment)?.offsets.has(offset),
  );
  if (lost)
    faults.push({
      file: 'index',
      message: `points to a chunk that is not there: segment ${lost.segment}, byte ${lost.offset}`,
    });
  const outside = index.refs.find(({ minTime, maxTime }) => minTime < meta.minTime || maxTime > meta.maxTime);
  if (outside)
    faults.push({
      file: 'meta.json',
      message: `says ${meta.minTime} to ${meta.maxTime}; a chunk goes from ${outside.minTime} to ${outside.maxTime}`,
    });
  const whole = [...segments.values()];
  if (whole.every((segment) => segment !== null)) {
    compare(
      'chunks in the segments',
      whole.reduce((sum, segment) => sum + segment.offsets.size, 0),
      meta.stats?.numChunks,
    );
    compare(
      'samples',
      whole.reduce((sum, segment) => sum + segment.samples, 0),
      meta.stats?.numSamples,
    );
  }
  return faults;
}

/**
 * Reads an index whole: table of contents, symbols, every series, every list of postings, the offset tables. Throws at
 * the first damage.
 */
export function checkIndex(data: Buffer): IndexContent {
  const at = reader(data);
  if (data.length < 5 + TOC_BYTES) throw new Damage(`has ${data.length} bytes: too few for an index`);
  if (at.u32(0) !== INDEX_MAGIC) throw new Damage('does not begin as an index does');
  if (data[4] !== INDEX_VERSION) throw new Damage(`has version ${data[4]}; ${INDEX_VERSION} is known`);
  const end = data.length - TOC_BYTES;
  at.checksum(end, 48, 'the table of contents');
  const [symbolsAt, seriesAt, labelIndices, labelTable, postings, postingsTable] = Array.from({ length: 6 }, (_, i) =>
    at.u64(end + 8 * i),
  ) as [number, number, number, number, number, number];
  const sections = [5, symbolsAt, seriesAt, labelIndices, postings, labelTable, postingsTable, end].filter(
    (position) => position > 0,
  );
  if (sections.some((position, i) => i > 0 && position < sections[i - 1]!))
    throw new Damage('the sections of the table of contents are out of order');

  at.zeros(5, symbolsAt);
  const symbols = readSymbols(data, symbolsAt);
  const series = readSeries(
    data,
    align(symbols.end, 16, at),
    labelIndices || postings || postingsTable,
    symbols.texts.length,
  );
  at.sections(labelIndices || postings, postings, 'a label index');
  at.sections(postings, labelTable || postingsTable, 'a list of postings');
  if (labelTable > 0 && labelTable < postingsTable) at.sections(labelTable, postingsTable, 'the label offset table');
  at.sections(postingsTable, end, 'the postings offset table');
  return { ...series, symbols: symbols.texts };
}

/** The next multiple of `size`, with nothing but zeros up to there. */
function align(position: number, size: number, at: ReturnType<typeof reader>): number {
  const next = Math.ceil(position / size) * size;
  at.zeros(position, next);
  return next;
}

function readSymbols(data: Buffer, position: number): { texts: string[]; end: number } {
  const at = reader(data);
  const length = at.u32(position);
  at.checksum(position + 4, length, 'the symbol table');
  const texts: string[] = [];
  let next = position + 8;
  for (let left = at.u32(position + 4); left > 0; left--) {
    const [size, begin] = at.uvarint(next);
    next = begin + size;
    texts.push(data.toString('utf8', begin, next));
  }
  return { texts, end: position + 4 + length + 4 };
}

function readSeries(data: Buffer, from: number, end: number, symbols: number): { series: number; refs: ChunkRef[] } {
  const at = reader(data);
  const refs: ChunkRef[] = [];
  let series = 0;
  let position = from;
  while (position < end) {
    const [length, begin] = at.uvarint(position);
    at.checksum(begin, length, `series ${series + 1}`);
    readChunkRefs(at, begin, symbols, refs);
    series++;
    position = begin + length + 4;
    // After the last series comes no padding, so the end may be nearer than the next place for one.
    position = position === end ? end : align(position, 16, at);
  }
  return { series, refs };
}

/** Labels and chunks of one series whose checksum is right. */
function readChunkRefs(at: ReturnType<typeof reader>, begin: number, symbols: number, refs: ChunkRef[]): void {
  let position = begin;
  const next = () => {
    const [value, after] = at.uvarint(position);
    position = after;
    return value;
  };
  for (let left = 2 * next(); left > 0; left--) {
    if (next() >= symbols) throw new Damage('a series has a label that is not in the symbol table');
  }
  let time = 0;
  let ref = 0;
  const chunks = next();
  for (let i = 0; i < chunks; i++) {
    const minTime = time + (i === 0 ? signed(next()) : next());
    time = minTime + next();
    ref += i === 0 ? next() : signed(next());
    refs.push({ segment: Math.floor(ref / 2 ** 32) + 1, offset: ref % 2 ** 32, minTime, maxTime: time });
  }
}

/** Zigzag: 0, -1, 1, -2, ... */
const signed = (value: number) => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);

/** Reads every chunk of a segment file. Throws at the first damage. */
export function checkSegment(data: Buffer): SegmentContent {
  const at = reader(data);
  if (data.length < 8) throw new Damage(`has ${data.length} bytes: too few for a segment`);
  if (at.u32(0) !== CHUNKS_MAGIC) throw new Damage('does not begin as a segment of chunks does');
  if (data[4] !== 1) throw new Damage(`has version ${data[4]}; 1 is known`);
  at.zeros(5, 8);
  const content: SegmentContent = { offsets: new Set(), samples: 0, histograms: 0 };
  for (let position = 8; position < data.length; ) {
    const [length, encoding] = at.uvarint(position);
    at.checksum(encoding, length + 1, `chunk ${content.offsets.size + 1} (byte ${position})`);
    if (!ENCODINGS.includes(data[encoding]!))
      throw new Damage(
        `chunk ${content.offsets.size + 1} (byte ${position}) has encoding ${data[encoding]}, which Thanos cannot read`,
      );
    content.offsets.add(position);
    const samples = length >= 2 ? data.readUInt16BE(encoding + 1) : 0;
    content.samples += samples;
    if (data[encoding] !== FLOAT) content.histograms += samples;
    position = encoding + 1 + length + 4;
  }
  return content;
}

/**
 * Writes the meta.json of a block as it was shipped, from its index and chunks, which must be whole. Without a
 * meta.json
 * Store does not show a block, and Thanos takes it for an upload that did not end. Throws InfrastructureError.
 */
export async function restoreMeta(dir: string, labels: Record<string, string>): Promise<void> {
  const ulid = basename(dir);
  const faults: BlockFault[] = [];
  const names = await segmentsIn(dir);
  const index = (await checked(dir, 'index', checkIndex, faults)).content;
  const segments = await Promise.all(
    names.map(async (name) => (await checked(dir, join('chunks', name), checkSegment, faults)).content),
  );
  if (!index || faults.length > 0 || index.refs.length === 0) {
    throw new InfrastructureError(
      `the meta.json of block ${ulid} cannot be made anew: ${faults.map(({ file, message }) => `${file} ${message}`).join('; ') || 'it has no chunk'}`,
    );
  }
  const sum = (value: (segment: SegmentContent) => number) =>
    segments.reduce((total, segment) => total + value(segment!), 0);
  const samples = sum((segment) => segment.samples);
  const histograms = sum((segment) => segment.histograms);
  const beside = [
    ...(await requestFilesIn(dir)),
    ...(await namesIn(dir, (name) => isKeptInBlock(`chunks/${name}`))),
    ...(await namesIn(dir, (name) => `chunks/${name}` === TELEMETRY_MARK)),
  ];
  const files = await Promise.all(
    [...[...names, ...beside].map((name) => `chunks/${name}`), 'index'].map(async (file) => ({
      rel_path: file,
      size_bytes: (await stat(join(dir, file))).size,
    })),
  );
  const meta = {
    ulid,
    minTime: index.refs.reduce((least, { minTime }) => Math.min(least, minTime), Infinity),
    maxTime: index.refs.reduce((most, { maxTime }) => Math.max(most, maxTime), -Infinity) + 1,
    stats: {
      numSamples: samples,
      numFloatSamples: samples - histograms,
      numHistogramSamples: histograms,
      numSeries: index.series,
      numChunks: index.refs.length,
    },
    compaction: { level: 1, sources: [ulid] },
    version: 1,
    thanos: {
      labels,
      downsample: { resolution: 0 },
      source: 'bucket.repair',
      segment_files: [...names, ...beside],
      files: [...files, { rel_path: 'meta.json' }],
      index_stats: {},
    },
  };
  await writeWhole(join(dir, 'meta.json'), JSON.stringify(meta, null, '\t'));
}

/** Deletions that are not yet carried out; Thanos' compactor leaves such a file in its blocks. */
export function checkTombstones(data: Buffer): void {
  const at = reader(data);
  if (data.length < 9) throw new Damage(`has ${data.length} bytes: too few for tombstones`);
  if (at.u32(0) !== TOMBSTONES_MAGIC) throw new Damage('does not begin as tombstones do');
  if (data[4] !== 1) throw new Damage(`has version ${data[4]}; 1 is known`);
  at.checksum(5, data.length - 9, 'the tombstones');
}

/** Reads that end with a Damage where the file ends too early. */
function reader(data: Buffer) {
  const within = (position: number, bytes: number) => {
    if (!(position >= 0 && position + bytes <= data.length))
      throw new Damage(`byte ${position} + ${bytes} is behind the end of the file (${data.length} bytes)`);
  };
  const u32 = (position: number) => (within(position, 4), data.readUInt32BE(position));
  const u64 = (position: number) => u32(position) * 2 ** 32 + u32(position + 4);
  /** The value, and the position after it. Exact up to 2^53, which is beyond any time and place in a block. */
  const uvarint = (position: number): [value: number, after: number] => {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      within(position + i, 1);
      const byte = data[position + i]!;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return [value, position + i + 1];
    }
    throw new Damage(`byte ${position} begins a number without an end`);
  };
  const checksum = (position: number, length: number, what: string) => {
    within(position, length + 4);
    if (crc32c(data.subarray(position, position + length)) !== u32(position + length))
      throw new Damage(`${what} has another checksum than is written there`);
  };
  const zeros = (from: number, to: number) => {
    within(from, Math.max(0, to - from));
    for (let position = from; position < to; position++)
      if (data[position] !== 0) throw new Damage(`byte ${position} should be padding`);
  };
  /** Sections of length, content and checksum, each at a multiple of 4, one after the other. */
  const sections = (from: number, to: number, what: string) => {
    for (let position = from; position < to; ) {
      const next = Math.ceil(position / 4) * 4;
      const isLast = next >= to;
      zeros(position, Math.min(next, to));
      if (isLast) return;
      const length = u32(next);
      checksum(next + 4, length, `${what} at byte ${next}`);
      position = next + 4 + length + 4;
      if (position > to) throw new Damage(`${what} at byte ${next} goes beyond its section`);
    }
  };
  return { u32, u64, uvarint, checksum, zeros, sections };
}

/** Whether a file lies beside the data of a block, for the run that the block is of. */
const isCarried = (path: string): boolean => roundInBlock(path) !== null || isKeptInBlock(path);
/** The same of what is no requests. */
const isKeptInBlock = (path: string): boolean => isProfileInBlock(path) || isLogInBlock(path) || isTracesInBlock(path);

/** Whether a file belongs to a block or to what is said about it. */
export const isBlockFile = (path: string): boolean =>
  ['meta.json', 'index', 'tombstones', ...MARKS].includes(path) ||
  /^chunks\/\d{6}$/.test(path) ||
  path === TELEMETRY_MARK ||
  isCarried(path);
