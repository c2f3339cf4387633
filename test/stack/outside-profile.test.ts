/** On the real engine: a Go program with an endpoint of pprof, and a process that the kernel's profiler looks into. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import { connectEngine } from '../../scripts/engine/engine.ts';
import { engineSocket } from '../../scripts/engine/socket.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { fileEnding, type OutsideProfiler, profileFromOutside } from '../../scripts/stack/outside-profile.ts';
import { readProfile } from '../../scripts/telemetry/profile.ts';
import type { StackTree } from '../../scripts/telemetry/stacks.ts';

const RUN = '01KTEST0000000000000PR0F1E';
const engine = connectEngine(engineSocket(process.env));
t.teardown(() => engine.close());
const ctx = {
  engine,
  signal: new AbortController().signal,
  machine: { images: { node: { ref: IMAGES.node.ref } } },
  obtainImages: async () => ({ perf: { ref: IMAGES.perf.ref } }),
} as unknown as Context;

/** A container as a service under test has it: no capability, no network but its own. */
async function service(t: Test, image: string, cmd: string[], network: string) {
  const name = `mayfly-test-${randomBytes(4).toString('hex')}`;
  const id = await engine.create({ name, image, cmd, labels: {}, networks: [network] });
  t.teardown(() => engine.remove(id));
  await engine.start(id);
  return { id, name };
}

async function profiled(
  t: Test,
  profiler: OutsideProfiler,
  container: { id: string; name: string },
  network: string,
): Promise<StackTree> {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-profile-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'profiles', `one${fileEnding(profiler)}`);
  await profileFromOutside({ profiler, container, network, seconds: 2, file, owner: RUN }, ctx);
  t.ok(readFileSync(file).length > 0);
  return readProfile(file);
}

const names = ({ frames }: StackTree) => frames.map(({ name }) => name);

t.test('perf: what the processes of a container do, by the symbols of their own binaries', async (t) => {
  const script =
    'function burnsCpu() { let s = 0; for (let i = 0; i < 1e6; i++) s += Math.sqrt(i); return s; } for (;;) burnsCpu();';
  const container = await service(
    t,
    IMAGES.node.ref,
    ['node', '--perf-basic-prof', '--interpreted-frames-native-stack', '-e', script],
    'none',
  );
  const tree = await profiled(t, 'perf', container, 'none');
  t.ok(
    names(tree).some((name) => name.includes('burnsCpu')),
    'a function of its own',
  );
  t.ok(names(tree).includes('node::Start'), 'a symbol of its binary, in its own file system');
  t.ok(tree.seconds > 0.5 && tree.seconds < 4, `${tree.seconds} s`);
});

t.test('pprof: an endpoint of the service', async (t) => {
  const network = `mayfly-test-${randomBytes(4).toString('hex')}`;
  await engine.createNetwork(network, {}, { isolated: true });
  t.teardown(() => engine.removeNetwork(network));
  const container = await service(
    t,
    IMAGES.prometheus.ref,
    ['--config.file=/etc/prometheus/prometheus.yml', '--storage.tsdb.path=/prometheus'],
    network,
  );
  const pprof = (path: string): OutsideProfiler => ({ pprof: { port: 9090, path } });
  await waitForAnswer(t, pprof('/debug/pprof/profile'), container, network);
  const tree = await profiled(t, pprof('/debug/pprof/profile'), container, network);
  t.ok(tree.seconds >= 1.5, `${tree.seconds} s`);
  await t.rejects(profiled(t, pprof('/nowhere'), container, network), {
    name: 'InfrastructureError',
    message: `the pprof endpoint at port 9090/nowhere gave no profile of ${container.name}: it answers 404`,
  });
  await t.rejects(profiled(t, { pprof: { port: 9091, path: '/' } }, container, network), {
    message: `the pprof endpoint at port 9091/ gave no profile of ${container.name}: ECONNREFUSED`,
  });
});

/** Its first profile is there as soon as it listens. */
async function waitForAnswer(t: Test, ...rest: [OutsideProfiler, { id: string; name: string }, string]) {
  for (let left = 20; ; left--) {
    const failed = await profiled(t, ...rest).then(
      () => null,
      (error: Error) => error,
    );
    if (!failed) return;
    if (left === 0 || !/ECONNREFUSED/.test(failed.message)) throw failed;
  }
}
