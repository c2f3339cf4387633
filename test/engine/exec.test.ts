/** A program that is run in a real container. */
import t from 'tap';
import { connectEngine } from '../../scripts/engine/engine.ts';
import { engineSocket } from '../../scripts/engine/socket.ts';
import { IMAGES } from '../../scripts/images/images.ts';

const engine = connectEngine(engineSocket(process.env));
t.teardown(() => engine.close());

t.test('both streams and the exit code; one that hangs ends with the signal; a container that is gone', async (t) => {
  const id = await engine.create({
    name: `mayfly-test-exec-${process.pid}`,
    image: IMAGES.node.ref,
    cmd: ['sleep', 'infinity'],
    labels: { 'dev.mayfly.test': 'exec' },
    networks: ['none'],
  });
  t.teardown(() => engine.remove(id));
  await engine.start(id);
  t.same(await engine.exec(id, ['sh', '-c', 'printf out; printf wrong >&2; exit 3']), {
    exitCode: 3,
    stdout: 'out',
    stderr: 'wrong',
  });
  const { stdout } = await engine.exec(id, ['sh', '-c', 'head -c 300000 /dev/zero | tr "\\0" x']);
  t.equal(stdout.length, 300_000, 'of many frames');
  const reason = new Error('enough');
  await t.rejects(engine.exec(id, ['sleep', '60'], AbortSignal.abort(reason)), reason);
  await t.rejects(engine.exec('no-such-container', ['true']), { message: /No such container/ });
});
