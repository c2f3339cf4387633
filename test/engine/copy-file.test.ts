/** A file out of a real container, which may have put there what it likes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { connectEngine } from '../../scripts/engine/engine.ts';
import { engineSocket } from '../../scripts/engine/socket.ts';
import { IMAGES } from '../../scripts/images/images.ts';

const engine = connectEngine(engineSocket(process.env));
t.teardown(() => engine.close());

const MAKE = `cd /tmp && printf 'the requests' > file && mkdir folder && echo x > folder/x && ln -s /etc/passwd link && ln -s /dev/zero endless && mkfifo pipe && truncate --size=64G sparse && ln -s /tmp elsewhere`;

t.test('a file, and nothing else', async (t) => {
  const id = await engine.create({
    name: `mayfly-test-copy-${process.pid}`,
    image: IMAGES.node.ref,
    cmd: ['sh', '-c', MAKE],
    labels: { 'dev.mayfly.test': 'copy' },
    networks: ['none'],
  });
  t.teardown(() => engine.remove(id));
  await engine.start(id);
  t.equal(await engine.wait(id), 0);
  const folder = t.testdir();
  const copy = (path: string) => engine.copyFile(id, path, join(folder, 'to'), 1 << 20);

  for (const [path, message] of [
    ['/tmp/folder', /folder\/? is no file/],
    ['/tmp/link', /link is no file/],
    ['/tmp/endless', /endless is no file/],
    ['/tmp/pipe', /pipe is no file/],
    ['/dev', /is no file/],
    ['/tmp/sparse', /sparse has 68719476736 bytes; at most 1048576 are taken/],
    ['/tmp/none', /none/],
    ['/tmp/none/none', /none/],
  ] as const) {
    await t.rejects(copy(path), { message }, path);
    t.same(readdirSync(folder), [], 'nothing was written');
  }
  await copy('/tmp/file');
  t.equal(readFileSync(join(folder, 'to'), 'utf8'), 'the requests', 'also of a container that has ended');
  await copy('/tmp/elsewhere/file');
  t.same(readdirSync(folder), ['to']);
  await engine.remove(id);
  await t.rejects(copy('/tmp/file'), { message: /No such container/ });
});
