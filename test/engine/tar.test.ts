/** One file out of a tar stream: whole or not at all, and nothing beside it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Header } from 'tar';
import { unpackFile } from '../../scripts/engine/tar.ts';

const LIMIT = 1 << 20;
const CONTENT = Buffer.from('the requests of a round '.repeat(5000));

interface Entry {
  path: string;
  type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'FIFO';
  content?: Buffer;
  /** As its head says. */
  size?: number;
}

/** A tar as the engine writes it: blocks of 512 bytes, the last two empty (POSIX.1, pax, ustar interchange format). */
function tarOf(...entries: Entry[]): Buffer {
  const parts = entries.flatMap(({ path, type = 'File', content = Buffer.alloc(0), size = content.length }) => {
    const header = Buffer.alloc(512);
    new Header({
      path,
      type,
      linkpath: type.endsWith('Link') ? '/etc/passwd' : '',
      mode: 0o644,
      size,
      mtime: new Date(0),
    }).encode(header);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** In pieces that keep to no block, as they come over a connection. */
const pieces = (archive: Buffer, size = 1000, breaks = false): Readable => {
  async function* parts() {
    for (let at = 0; at < archive.length; at += size) {
      await setImmediate();
      yield archive.subarray(at, at + size);
    }
    if (breaks) throw new Error('the engine has gone');
  }
  return Readable.from(parts(), { objectMode: false });
};

const file: Entry = { path: 'requests.parquet', content: CONTENT };

t.test('a file', async (t) => {
  const folder = t.testdir();
  for (const size of [100, 511, 512, 1000, 1 << 20]) {
    const to = join(folder, `in pieces of ${size}`);
    await unpackFile(pieces(tarOf(file), size), to, LIMIT);
    t.same(readFileSync(to), CONTENT, `pieces of ${size} bytes`);
  }
  await unpackFile(pieces(tarOf({ path: 'empty' })), join(folder, 'empty'), LIMIT);
  t.equal(readFileSync(join(folder, 'empty')).length, 0);
  t.equal(readdirSync(folder).length, 6, 'nothing beside them');
});

t.test('it takes the place of the one before, once it is whole', async (t) => {
  const folder = t.testdir({ to: 'before' });
  await t.rejects(unpackFile(pieces(tarOf(file).subarray(0, 5000)), join(folder, 'to'), LIMIT));
  t.equal(readFileSync(join(folder, 'to'), 'utf8'), 'before');
  await unpackFile(pieces(tarOf(file)), join(folder, 'to'), LIMIT);
  t.same(readFileSync(join(folder, 'to')), CONTENT);
});

const refused = (what: string, archive: Buffer | Readable, message: RegExp) =>
  t.test(`refused: ${what}`, async (t: Test) => {
    const folder = t.testdir();
    await t.rejects(unpackFile(Buffer.isBuffer(archive) ? pieces(archive) : archive, join(folder, 'to'), LIMIT), {
      message,
    });
    t.same(readdirSync(folder), [], 'neither the file nor a part of it');
    await sleep(50);
    t.same(readdirSync(folder), [], 'nor a moment later');
  });

void refused(
  'a folder',
  tarOf({ path: 'requests.parquet/', type: 'Directory' }, { path: 'requests.parquet/x', content: CONTENT }),
  /requests\.parquet\/? is no file/,
);
void refused(
  'a symbolic link',
  tarOf({ path: 'requests.parquet', type: 'SymbolicLink' }),
  /requests\.parquet is no file/,
);
void refused('a link', tarOf({ path: 'requests.parquet', type: 'Link' }), /requests\.parquet is no file/);
void refused('a pipe', tarOf({ path: 'requests.parquet', type: 'FIFO' }), /requests\.parquet is no file/);
void refused(
  'too large',
  tarOf({ path: 'requests.parquet', content: Buffer.alloc(LIMIT + 1) }),
  /requests\.parquet has 1048577 bytes; at most 1048576 are taken/,
);
void refused('two files', tarOf(file, { path: 'another', content: CONTENT }), /more than one file/);
void refused('a file and a link', tarOf(file, { path: 'another', type: 'SymbolicLink' }), /more than one file/);
void refused('a link and a file', tarOf({ path: 'another', type: 'SymbolicLink' }, file), /another is no file/);
void refused('nothing', Buffer.alloc(1024), /./);
void refused('no bytes at all', Buffer.alloc(0), /./);
void refused('no tar', Buffer.from('{"message":"no such file"}'.repeat(100)), /./);
void refused('cut off in the head', tarOf(file).subarray(0, 300), /./);
void refused('cut off behind the head', tarOf(file).subarray(0, 512), /./);
void refused('cut off in the file', tarOf(file).subarray(0, 60_000), /./);
void refused('cut off in the last block of the file', tarOf(file).subarray(0, 512 + CONTENT.length - 1), /./);
void refused(
  'a connection that breaks off',
  pieces(tarOf(file).subarray(0, 60_000), 1000, true),
  /the engine has gone/,
);
void refused(
  'a connection that breaks off before the first byte',
  pieces(Buffer.alloc(0), 1000, true),
  /the engine has gone/,
);

t.test('what is refused is not read to its end', async (t) => {
  let taken = 0;
  async function* endless() {
    yield tarOf({ path: 'requests.parquet', size: 4e9 }).subarray(0, 512);
    for (; taken < 1000; taken++) {
      await setImmediate();
      yield Buffer.alloc(65_536);
    }
  }
  await t.rejects(unpackFile(Readable.from(endless(), { objectMode: false }), join(t.testdir(), 'to'), LIMIT), {
    message: /4000000000 bytes/,
  });
  t.ok(taken < 100, `${taken} pieces`);
});

t.test('a place that is not there', async (t) => {
  const folder = t.testdir();
  await t.rejects(unpackFile(pieces(tarOf(file)), join(folder, 'none', 'to'), LIMIT), { code: 'ENOENT' });
  writeFileSync(join(folder, 'taken'), '');
  await t.rejects(unpackFile(pieces(tarOf(file)), join(folder, 'taken', 'to'), LIMIT), { code: 'ENOTDIR' });
  t.same(readdirSync(folder), ['taken']);
});
