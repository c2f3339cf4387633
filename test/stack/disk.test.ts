import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { EXIT, MayflyError } from '../../scripts/core/errors.ts';
import type { Written } from '../../scripts/engine/engine.ts';
import {
  Change,
  type DiskWatch,
  isLow,
  readSpace,
  sizeText,
  watchDisk,
  writtenBy,
  wroteTooMuch,
} from '../../scripts/stack/disk.ts';

const GiB = 2 ** 30;
const container = (bytes: number, volumes: Written['volumes'] = []): Written => ({
  id: 'c',
  labels: {},
  bytes,
  volumes,
});

t.test('a look is due when free space has changed by more than the limit', async (t) => {
  const change = new Change(100);
  t.notOk(change.tooFar(1000));
  t.notOk(change.tooFar(900), 'the limit itself is allowed');
  t.ok(change.tooFar(899));
});

t.test('what others delete hides nothing: a rise counts as a fall does', async (t) => {
  const change = new Change(100);
  t.notOk(change.tooFar(1000));
  t.ok(change.tooFar(1200), 'somebody may have written 100 while 300 were deleted');
});

t.test('after a look that blamed nobody, the next is due before anybody can have reached the limit', async (t) => {
  const change = new Change(100);
  change.tooFar(1000);
  change.blamedNobody(880, 60);
  t.notOk(change.tooFar(840));
  t.ok(change.tooFar(839), 'the one who has written 60 may have written 41 more');
  change.blamedNobody(839, 99);
  t.notOk(change.tooFar(820), 'but not at every byte');
  t.ok(change.tooFar(813));
});

t.test('so much stays free: 1 GiB, less on a small disk, and a part of the files', async (t) => {
  const roomy = { freeBytes: 50 * GiB, bytes: 100 * GiB, freeFiles: 500, files: 1000 };
  t.notOk(isLow(roomy));
  t.ok(isLow({ ...roomy, freeBytes: GiB - 1 }));
  t.notOk(isLow({ ...roomy, freeBytes: 0.06 * GiB, bytes: GiB }));
  t.ok(isLow({ ...roomy, freeBytes: 0.04 * GiB, bytes: GiB }));
  t.ok(isLow({ ...roomy, freeFiles: 49 }), 'files can run out before bytes do');
  t.notOk(isLow({ ...roomy, freeFiles: 0, files: 0 }), 'some file systems do not count files');
});

t.test('the file system of a folder is read, and of a folder that is not there that of the root', async (t) => {
  const [here, nowhere, root] = await Promise.all([readSpace('.'), readSpace('/no/such/folder'), readSpace('/')]);
  t.ok(here.bytes > 0 && here.freeBytes > 0);
  t.equal(nowhere.bytes, root.bytes);
});

t.test('sizes in messages', async (t) => {
  t.same(
    [sizeText(2 * GiB), sizeText(1.5 * GiB), sizeText(700 * 2 ** 20), sizeText(0)],
    ['2 GiB', '1.5 GiB', '700 MiB', '0 MiB'],
  );
});

t.test(
  'volumes count for the container that they are at; the engine is asked only for those that cannot be read',
  async (t) => {
    const readable = t.testdir({ file: 'x'.repeat(10_000), folder: { more: 'y'.repeat(20_000) } });
    let asked = 0;
    const engine = (list: Written[]) =>
      ({
        written: async () => list,
        volumeSizes: async () => (
          asked++,
          new Map([
            ['v', 70],
            ['of another', 1000],
          ])
        ),
      }) as any;
    t.same(
      (await writtenBy(engine([container(5)]), 'l')).map(({ bytes }) => bytes),
      [5],
    );
    t.equal(asked, 0);
    const [one] = await writtenBy(engine([container(5, [{ name: 'r', folder: readable }])]), 'l');
    t.ok(one!.bytes >= 5 + 30_000 && one!.bytes < 100_000, `${one!.bytes} bytes, as the disk holds them`);
    t.equal(asked, 0);
    const nowhere = { folder: join(readable, 'no', 'such') };
    t.same(
      (
        await writtenBy(
          engine([
            container(5),
            container(6, [
              { name: 'v', ...nowhere },
              { name: 'gone', ...nowhere },
            ]),
          ]),
          'l',
        )
      ).map(({ bytes }) => bytes),
      [5, 76],
    );
    t.equal(asked, 1);
    t.same(
      (await writtenBy(engine([container(5, [{ name: 'm', folder: readable }])]), 'l', (name) => name === 'm')).map(
        ({ bytes }) => bytes,
      ),
      [5],
      'a volume that is memory takes nothing of the disk',
    );
  },
);

/**
 * A watch of a folder whose limit is below every change, so that each change of the disk's free space leads to a look.
 */
function watchOf(written: () => Promise<Written[]>, folder: string): DiskWatch {
  return { folders: [folder], limitBytes: 1, written, blame: (most) => wroteTooMuch('probe', most, 1, 'write less') };
}

t.test('the watch blames who has written most, once, with an error that is not tried again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-disk-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const ended = new AbortController();
  t.teardown(() => ended.abort());
  const { writeFileSync } = await import('node:fs');
  const errors: Error[] = [];
  const watching = watchDisk(
    watchOf(async () => [container(3), container(9)], folder),
    (error) => errors.push(error),
    ended.signal,
  );
  const writing = setInterval(
    () => writeFileSync(join(folder, String(errors.length + Math.random())), Buffer.alloc(1 << 20)),
    50,
  );
  t.teardown(() => clearInterval(writing));
  await watching;
  t.equal(errors.length, 1);
  t.match(errors[0], {
    message: 'probe wrote 0.00000858 MiB to the disk: at most 9.54e-7 MiB is allowed',
    exitCode: EXIT.invalid,
  });
  t.ok(errors[0] instanceof MayflyError);
});

t.test('the watch ends with its signal, and a failing question ends nothing', async (t) => {
  const ended = new AbortController();
  let calls = 0;
  const watching = watchDisk(
    {
      folders: ['/proc/none/such', '/'],
      limitBytes: 0,
      written: async () => {
        calls++;
        throw new Error('the engine is gone');
      },
      blame: () => new Error('no'),
    },
    () => t.fail('nobody is to blame'),
    ended.signal,
  );
  setTimeout(() => ended.abort(), 700);
  await watching;
  t.pass(`${calls} questions`);
});
