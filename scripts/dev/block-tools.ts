/**
 * sh scripts/run.sh dev/block-tools: what would be lost if promtool and Thanos checked the archive's blocks in place of
 * archive/block-check.ts? Plants in copies of a block every kind of damage of test/archive/block-check.test.ts, asks
 * ours and the tools about each copy, and prints who found how many. Then what each costs, and who makes a lost
 * meta.json anew. Takes about a minute. docs/decisions/0021-own-block-check.md has the answer.
 */
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { checkBlock, restoreMeta } from '../archive/block-check.ts';
import { main } from '../core/cli.ts';
import { EXIT } from '../core/errors.ts';
import { run } from '../core/exec.ts';
import { interruptible } from '../core/interrupt.ts';
import { thisUser } from '../engine/owner.ts';
import { IMAGES } from '../images/images.ts';
import { median } from '../judge/statistics.ts';
import { columns } from '../report/columns.ts';

const LABELS = { run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA', benchmark: 'shop', host: 'h0st' };
/** Bytes that are changed in each section of a file, one in each copy; every byte of a smaller section. */
const SAMPLE = 40;
const bucket = (folder: string) => `'{type: FILESYSTEM, config: {directory: ${folder}}}'`;
const VERIFY = `thanos tools bucket verify --objstore.config=${bucket('bucket')}`;
/** Called in a folder with a `bucket` of one block, which promtool takes for a TSDB. */
const TOOLS = {
  'promtool analyze': 'promtool tsdb analyze --extended bucket',
  'promtool dump': 'promtool tsdb dump --sandbox-dir-root=/tmp bucket',
  'thanos verify': `${VERIFY} -i index_known_issues -i overlapped_blocks -i duplicated_compaction`,
};
const REPAIR = `${VERIFY} -i index_known_issues --repair --objstore-backup.config=${bucket('backup')}`;
const OURS = new URL('../archive/block-check.ts', import.meta.url).href;
/** Of the block that the time is taken with. */
const LARGE: Size = { series: 400, samples: 1000 };

interface Size {
  series: number;
  /** Of each series, a second apart. */
  samples: number;
}

/**
 * Whether what a tool has said, with its exit code in the last line, tells of a damage. `thanos verify` ends with 0 all
 * the same; a block without a meta.json it counts and does not name.
 */
const isFinding = (said: string) => !/(^|\n)0\n$/.test(said) || /level=(warn|error)|partial=[1-9]/.test(said);

const align = (position: number, size: number) => Math.ceil(position / size) * size;

interface Damage {
  kind: string;
  plant(block: string): Promise<unknown>;
}

/** Runs a script in a shell that has the tools and the working folder, which it starts in. */
type Shell = (script: string) => Promise<string>;

await main(async (io) => {
  const { signal, release } = interruptible();
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-block-tools-'));
  const docker = (args: string[]) => run('docker', args, { what: `docker ${args[0]}`, env: process.env, signal });
  const shell: Shell = (script) => {
    const flags = ['--rm', '--init', '--network=none', `--user=${thisUser()}`, `--volume=${folder}:/work`];
    const call = [...flags, '--workdir=/work', '--entrypoint=sh', IMAGES.node.ref, '-c'];
    return docker(['run', ...call, `PATH=$PATH:/work/bin; ${script}`]);
  };
  try {
    // Their own images have no shell, and a container for each question would take ten times as long.
    await mkdir(join(folder, 'bin'));
    for (const [image, tool] of [
      ['prometheus', 'promtool'],
      ['thanos', 'thanos'],
    ] as const) {
      const id = await docker(['create', '--network=none', IMAGES[image].ref]);
      await docker(['cp', `${id}:/bin/${tool}`, join(folder, 'bin', tool)]).finally(() =>
        run('docker', ['rm', id], { what: 'docker rm', env: process.env }),
      );
    }
    const small = await makeBlock(folder, 'copies/0', { series: 120, samples: 300 }, shell);
    io.stdout(await whoFinds(small, join(folder, 'copies'), await damagesOf(small), shell));
    io.stdout(await whatItCosts(await makeBlock(folder, 'large', LARGE, shell), shell));
    io.stdout(await whoRestores(small, shell));
  } finally {
    release();
    await rm(folder, { recursive: true, force: true });
  }
  return EXIT.pass;
});

/** Makes `<name>/bucket` in the working folder, with one block as it is in the archive. Returns the block's folder. */
async function makeBlock(folder: string, name: string, { series, samples }: Size, shell: Shell): Promise<string> {
  const start = 1_790_000_000 - (1_790_000_000 % 7200);
  const lines = Array.from({ length: series * samples }, (_, n) => {
    const [one, i] = [Math.floor(n / samples), n % samples];
    return `requests{service="s${one}",word="${'x'.repeat(one % 120)}"} ${Math.sin(i * one) * 1e3} ${start + i}`;
  });
  await writeFile(join(folder, 'metrics'), ['# TYPE requests gauge', ...lines, '# EOF', ''].join('\n'));
  const bucket = join(folder, name, 'bucket');
  await mkdir(join(bucket, 'wal'), { recursive: true }); // promtool wants a whole TSDB
  await shell(`promtool tsdb create-blocks-from openmetrics metrics ${name}/bucket`);
  const block = join(bucket, (await readdir(bucket)).find((entry) => entry !== 'wal')!);
  const files = ['chunks/000001', 'index'].map(async (file) => ({
    rel_path: file,
    size_bytes: (await stat(join(block, file))).size,
  }));
  const thanos = {
    labels: LABELS,
    downsample: { resolution: 0 },
    source: 'test',
    segment_files: ['000001'],
    files: [...(await Promise.all(files)), { rel_path: 'meta.json' }],
  };
  await editMeta(block, (meta) => ({ ...meta, thanos }));
  return block;
}

async function editMeta(block: string, edit: (meta: any) => object): Promise<void> {
  const file = join(block, 'meta.json');
  await writeFile(file, JSON.stringify(edit(JSON.parse(await readFile(file, 'utf8')))));
}

/** Every damage of the test, the flipped bits by the section that they are in. */
async function damagesOf(block: string): Promise<Damage[]> {
  const flips = (file: string, data: Buffer, sections: string[]): Damage[] =>
    [...Map.groupBy(data.keys(), (position) => sections[position]!)].flatMap(([section, positions]) =>
      Array.from({ length: Math.min(SAMPLE, positions.length) }, (_, i) => {
        const position = positions[Math.floor((i * positions.length) / Math.min(SAMPLE, positions.length))]!;
        const damaged = Buffer.from(data);
        damaged[position]! ^= 1 << (position % 8);
        return { kind: `${file}: bit in ${section}`, plant: (copy) => writeFile(join(copy, file), damaged) };
      }),
    );
  const of = (file: string, what: string, plant: (path: string) => Promise<unknown>): Damage => ({
    kind: `${file}: ${what}`,
    plant: (copy) => plant(join(copy, file)),
  });
  const lie = (what: string, edit: (meta: any) => object): Damage => ({
    kind: `meta.json: ${what}`,
    plant: (copy) => editMeta(copy, (meta) => ({ ...meta, ...edit(meta) })),
  });
  const index = await readFile(join(block, 'index'));
  const chunks = await readFile(join(block, 'chunks/000001'));
  const stones = Buffer.from([0x01, 0x30, 0xba, 0x30, 1, 3, 200, 1, 210, 1, 0, 0, 0, 0]);
  stones.writeUInt32BE(crc32c(stones.subarray(5, -4)), stones.length - 4);
  return [
    { kind: 'none', plant: async () => {} },
    ...flips('index', index, sectionsOfIndex(index)),
    ...flips('chunks/000001', chunks, sectionsOfChunks(chunks)),
    ...flips('tombstones', stones, Array(stones.length).fill('any byte')),
    ...['index', 'chunks/000001'].flatMap((file) => [
      of(file, 'cut off', (path) => truncate(path, 4000)),
      of(file, 'bytes after its end', (path) => appendFile(path, Buffer.alloc(100, 1))),
      of(file, 'gone', rm),
    ]),
    of('chunks/000002', 'a segment too many', (path) => writeFile(path, chunks)),
    lie('another ulid', () => ({ ulid: LABELS.run_id })),
    lie('other numSeries', ({ stats }) => ({ stats: { ...stats, numSeries: 7 } })),
    lie('other numSamples', ({ stats }) => ({ stats: { ...stats, numSamples: 7 } })),
    lie('other numChunks', ({ stats }) => ({ stats: { ...stats, numChunks: 7 } })),
    lie('minTime too late', ({ minTime }) => ({ minTime: minTime + 1 })),
    lie('no labels', ({ thanos }) => ({ thanos: { ...thanos, labels: {} } })),
    lie('another version', () => ({ version: 2 })),
    of('meta.json', 'no JSON', (path) => writeFile(path, '{"ulid": "')),
    of('meta.json', 'gone', rm),
  ];
}

/** Of each byte of an index the section that it is in. promtool writes no label index and no label offset table. */
function sectionsOfIndex(data: Buffer): string[] {
  const sections = Array<string>(data.length).fill('padding');
  const toc = data.length - 52;
  const [symbols, , labels, , postings, table] = Array.from({ length: 6 }, (_, i) =>
    Number(data.readBigUInt64BE(toc + 8 * i)),
  ) as [number, number, number, number, number, number];
  const series = symbols + 8 + data.readUInt32BE(symbols);
  sections.fill('magic and version', 0, 5).fill('symbols', symbols, series);
  for (let at = align(series, 16); at < labels; ) {
    const [length, begin] = uvarint(data, at);
    sections.fill('series', at, begin + length + 4);
    at = align(begin + length + 4, 16);
  }
  sections.fill('postings', align(postings, 4), table).fill('postings offset table', table, toc);
  return sections.fill('table of contents', toc);
}

/** The same of a segment. */
function sectionsOfChunks(data: Buffer): string[] {
  const sections = Array<string>(data.length).fill('padding').fill('magic and version', 0, 5);
  for (let at = 8; at < data.length; ) {
    const [length, encoding] = uvarint(data, at);
    const end = encoding + 1 + length;
    sections.fill('chunk length', at, encoding).fill('chunk encoding', encoding, encoding + 1);
    sections.fill('chunk data', encoding + 1, end).fill('chunk checksum', end, end + 4);
    at = end + 4;
  }
  return sections;
}

/** The value, and the position after it. */
function uvarint(data: Buffer, position: number): [value: number, after: number] {
  const byte = data[position]!;
  if (byte < 0x80) return [byte, position + 1];
  const [more, after] = uvarint(data, position + 1);
  return [(byte & 0x7f) + more * 128, after];
}

/** Plants each damage in a copy of its own and asks about all of them. The first damage is none. */
async function whoFinds(whole: string, copies: string, damages: Damage[], shell: Shell): Promise<string> {
  const copyOf = (i: number) => join(copies, String(i));
  const block = relative(copyOf(0), whole);
  const ours: boolean[] = [];
  for (const [i, { plant }] of damages.entries()) {
    if (i > 0) await cp(copyOf(0), copyOf(i), { recursive: true });
    await plant(join(copyOf(i), block));
    ours.push((await checkBlock(join(copyOf(i), block))).faults.length > 0);
  }
  const asked = Object.entries(TOOLS).map(
    ([tool, call]) => `timeout 30 ${call} >/dev/null 2>'${tool}'; echo $? >>'${tool}'`,
  );
  await writeFile(join(copies, '..', 'ask'), ['cd copies/$1', ...asked].join('\n'));
  await shell('ls copies | xargs -P 2 -n 1 sh ask');
  const said = (i: number, tool: string) => readFile(join(copyOf(i), tool), 'utf8');
  const rows = await Promise.all(
    damages.map(async ({ kind }, i) => {
      const found = await Promise.all(Object.keys(TOOLS).map(async (tool) => isFinding(await said(i, tool))));
      return { kind, found: [ours[i]!, ...found, found.includes(true)] };
    }),
  );
  const line = (kind: string, of: typeof rows) => [
    kind,
    String(of.length),
    ...of[0]!.found.map((_, who) => String(of.filter(({ found }) => found[who]).length)),
  ];
  return `${columns(
    ['damage', 'planted', 'ours', ...Object.keys(TOOLS), 'any of the tools'],
    [...[...Map.groupBy(rows, ({ kind }) => kind)].map(([kind, of]) => line(kind, of)), line('all', rows.slice(1))],
    { color: false },
  )}\n`;
}

/** Seconds (median of three) and peak memory of each for a whole block, in a process of its own. */
async function whatItCosts(block: string, shell: Shell): Promise<string> {
  const script = `const { checkBlock } = await import(process.argv[1]);
    if ((await checkBlock(process.argv[2])).faults.length > 0) process.exit(1);
    console.log(process.resourceUsage().maxRSS);`;
  const own: number[] = [];
  let peak = '';
  for (let i = 0; i < 3; i++) {
    const from = performance.now();
    const args = ['--input-type=module', '-e', script, OURS, block];
    peak = await run(process.execPath, args, { what: 'checking a block', env: process.env });
    own.push(performance.now() - from);
  }
  const measured = Object.values(TOOLS).map(
    (call) => `
      for i in 1 2 3; do from=$(date +%s%N); ${call} >/dev/null 2>&1; eval t$i=$(($(date +%s%N) - from)); done
      ${call} >/dev/null 2>&1 & at=/proc/$!/status
      while now=$(grep VmHWM $at 2>/dev/null); do peak=$now; done
      echo $t1 $t2 $t3 $peak`,
  );
  const said = await shell(`cd large; ${measured.join('\n')}`);
  const line = (name: string, ms: number[], kilobytes: number) => [
    name,
    `${(median(ms)! / 1000).toFixed(2)} s`,
    `${(kilobytes / 1024).toFixed(0)} MiB`,
  ];
  const rows = said.split('\n').map((text, i) => {
    const [t1, t2, t3, , kilobytes] = text.split(/\s+/).map(Number) as [number, number, number, number, number];
    return line(Object.keys(TOOLS)[i]!, [t1 / 1e6, t2 / 1e6, t3 / 1e6], kilobytes);
  });
  const bytes = (await stat(join(block, 'index'))).size + (await stat(join(block, 'chunks', '000001'))).size;
  const head = `a block of ${LARGE.series * LARGE.samples} samples, ${(bytes / 1e6).toFixed(1)} MB`;
  return `${columns([head, 'time', 'memory'], [line('ours', own, Number(peak)), ...rows], { color: false })}\n`;
}

/** Who makes a lost meta.json anew in a whole block: ours, or `thanos verify --repair`. promtool repairs nothing. */
async function whoRestores(block: string, shell: Shell): Promise<string> {
  const isThere = () =>
    stat(join(block, 'meta.json')).then(
      () => 'yes',
      () => 'no',
    );
  await rm(join(block, 'meta.json'));
  await shell(`cd copies/0; ${REPAIR} 2>&1`);
  const byThanos = await isThere();
  await restoreMeta(block, LABELS);
  return `a lost meta.json is made anew: ours ${await isThere()}, thanos verify --repair ${byThanos}`;
}
