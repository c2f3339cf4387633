/**
 * The file that a run travels in: what is written is read back, and what is no whole export is refused before anything
 * of it is used.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { create, Header } from 'tar';
import { blocksFolder, isBundlePath, readBundle, writeBundle } from '../../../scripts/archive/maintenance/bundle.ts';

const RUN = '01JZZZZZZZZZZZZZZZZZZZZZZA';
const BLOCK = '01K00000000000000000000000';

function folder(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'mayfly-bundle-'));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Files of an export; their content is not looked at here. */
function stage(t: Test): string {
  const made = folder(t);
  mkdirSync(join(blocksFolder(made), BLOCK, 'chunks'), { recursive: true });
  for (const file of [
    'run.json',
    'details.json',
    `blocks/${BLOCK}/meta.json`,
    `blocks/${BLOCK}/index`,
    `blocks/${BLOCK}/chunks/000001`,
  ])
    writeFileSync(join(made, file), `content of ${file} `.repeat(500));
  return made;
}

async function bundle(t: Test): Promise<string> {
  const file = join(folder(t), 'run.tar');
  await writeBundle(stage(t), RUN, file);
  return file;
}

/** A tar with these entries, as no tool would write it. */
function forged(
  t: Test,
  entries: {
    path: string;
    type?: 'File' | 'SymbolicLink' | 'Link' | 'Directory';
    linkpath?: string;
    content?: string;
  }[],
): string {
  const file = join(folder(t), 'forged.tar');
  const parts = entries.flatMap(({ path, type = 'File', linkpath = '', content = '' }) => {
    const header = new Header({ path, type, linkpath, mode: 0o644, size: content.length, mtime: new Date(0) });
    const block = Buffer.alloc(512);
    header.encode(block);
    const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
    body.write(content);
    return [block, body];
  });
  writeFileSync(file, Buffer.concat([...parts, Buffer.alloc(1024)]));
  return file;
}

async function refused(t: Test, file: string, message: RegExp): Promise<void> {
  const into = folder(t);
  await t.rejects(readBundle(file, into), { name: 'UsageError', message }, String(message));
}

t.test('what was written is read', async (t) => {
  const file = await bundle(t);
  const into = folder(t);
  const manifest = await readBundle(file, into);
  t.match(manifest, { schema: 'mayfly.export/v1', run_id: RUN, blocks: [BLOCK] });
  t.equal(Object.keys(manifest.files).length, 5);
  for (const path of Object.keys(manifest.files))
    t.equal(readFileSync(join(into, path), 'utf8'), `content of ${path} `.repeat(500));
});

t.test('paths of an export, and no others', async (t) => {
  for (const good of [
    'run.json',
    'mayfly-export.json',
    `blocks/${BLOCK}/index`,
    `blocks/${BLOCK}/chunks/000012`,
    `blocks/${BLOCK}/tombstones`,
  ])
    t.ok(isBundlePath(good), good);
  for (const bad of [
    '/run.json',
    '../run.json',
    './run.json',
    'blocks/../../x',
    `blocks/${BLOCK}/../index`,
    `blocks/${BLOCK}/chunks/../../../x`,
    `blocks/${BLOCK}/chunks/1`,
    'blocks/x/index',
    'other',
    '',
    `blocks/${BLOCK}/`,
  ])
    t.notOk(isBundlePath(bad), bad);
});

t.test('a changed byte or a cut end is found', async (t) => {
  const whole = readFileSync(await bundle(t));
  const file = join(folder(t), 'damaged.tar');
  let undetected = 0;
  for (let position = 100; position < whole.length - 1024; position += 997) {
    const bad = Buffer.from(whole);
    bad[position]! ^= 1;
    writeFileSync(file, bad);
    const into = folder(t);
    const same = await readBundle(file, into).then(
      () => true,
      () => false,
    );
    // Padding between the files is no content: what is read is what was written.
    if (same)
      for (const path of ['run.json', `blocks/${BLOCK}/index`])
        if (readFileSync(join(into, path), 'utf8') !== `content of ${path} `.repeat(500)) undetected++;
  }
  t.equal(undetected, 0);
  for (const size of [0, 100, 512, 5000, whole.length - 3000]) {
    writeFileSync(file, whole);
    truncateSync(file, size);
    await refused(t, file, /is no whole export/);
  }
  await refused(t, '/nowhere/run.tar', /there is no such file/);
});

t.test('what an export does not hold is refused, and nothing is written outside of the folder', async (t) => {
  const outside = folder(t);
  const list = {
    path: 'mayfly-export.json',
    content: JSON.stringify({ schema: 'mayfly.export/v1', run_id: RUN, blocks: [], files: {} }),
  };
  await refused(t, forged(t, [list, { path: `../${outside.split('/').at(-1)}/x`, content: 'x' }]), /it holds "/);
  await refused(t, forged(t, [list, { path: `${outside}/x`, content: 'x' }]), /it holds "/);
  await refused(t, forged(t, [list, { path: `blocks/${BLOCK}/../../../x`, content: 'x' }]), /it holds "/);
  await refused(
    t,
    forged(t, [
      list,
      { path: `blocks/${BLOCK}`, type: 'SymbolicLink', linkpath: outside },
      { path: `blocks/${BLOCK}/index`, content: 'x' },
    ]),
    /it holds a SymbolicLink/,
  );
  await refused(
    t,
    forged(t, [list, { path: 'run.json', type: 'SymbolicLink', linkpath: '/etc/passwd' }]),
    /it holds a SymbolicLink/,
  );
  await refused(t, forged(t, [list, { path: 'run.json', type: 'Link', linkpath: '/etc/passwd' }]), /it holds a Link/);
  await refused(t, forged(t, [list, { path: 'run.json', content: 'x' }]), /run.json is not in its list/);
  await refused(t, forged(t, [list, list]), /twice/);
  await refused(t, forged(t, [{ path: 'run.json', content: 'x' }]), /mayfly-export.json is missing/);
  t.same(readdirSync(outside), []);
});

t.test('the list in an export must be one', async (t) => {
  const withList = (changed: object) =>
    forged(t, [
      {
        path: 'mayfly-export.json',
        content: JSON.stringify({ schema: 'mayfly.export/v1', run_id: RUN, blocks: [], files: {}, ...changed }),
      },
    ]);
  await refused(t, withList({ schema: 'mayfly.export/v2' }), /written by a newer Mayfly/);
  await refused(t, withList({ schema: 'x' }), /is not of schema/);
  await refused(t, withList({ run_id: '../x' }), /is not of schema/);
  await refused(t, withList({ blocks: ['../../x'] }), /is not of schema/);
  await refused(t, withList({ files: { 'run.json': { bytes: 1, sha256: 'x' } } }), /run.json is missing/);
});

t.test('symbolic links of the folder to be written do not get into it', async (t) => {
  const from = stage(t);
  symlinkSync('/etc/passwd', join(from, 'blocks', BLOCK, 'tombstones'));
  const file = join(folder(t), 'run.tar');
  t.notOk((await writeBundle(from, RUN, file)).files[`blocks/${BLOCK}/tombstones`]);
  await readBundle(file, folder(t));
  const link = join(folder(t), 'link.tar');
  await create({ file: link, cwd: from }, [`blocks/${BLOCK}/tombstones`]);
  await refused(t, link, /it holds a SymbolicLink/);
});
