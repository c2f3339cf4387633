import t from 'tap';
import { cpuCount, planCpuSets } from '../../scripts/plan/cpusets.ts';
import { fingerprint } from '../../scripts/plan/host.ts';
import { imageTag, networkName, projectName, shortCommit, sideProject, sideTarget } from '../../scripts/plan/names.ts';
import { isAlive, processStart } from '../../scripts/plan/process.ts';

t.test('CPU sets are disjoint and cover every core where there are four or more; with fewer the services have theirs all the same', async (t) => {
  t.same(planCpuSets(1), { services: null, loadgen: null, metrics: null });
  t.same(planCpuSets(2), { metrics: null, loadgen: null, services: '1' });
  t.same(planCpuSets(3), { metrics: null, loadgen: null, services: '1-2' });
  t.same(planCpuSets(4), { metrics: '0', loadgen: '1', services: '2-3' });
  t.same(planCpuSets(8), { metrics: '0', loadgen: '1-2', services: '3-7' });
  t.same(planCpuSets(64), { metrics: '0-7', loadgen: '8-23', services: '24-63' });
  for (const cores of [4, 5, 7, 12, 96]) {
    const sets = planCpuSets(cores);
    t.equal(cpuCount(sets.metrics, cores) + cpuCount(sets.loadgen, cores) + cpuCount(sets.services, cores), cores);
  }
  t.equal(cpuCount(null, 6), 6);
});

t.test('names of a run belong to it alone and are what Compose takes', async (t) => {
  t.equal(projectName('01JABC'), 'mayfly-01jabc');
  t.equal(sideProject('01JABC', 'baseline'), 'mayfly-01jabc-baseline');
  t.equal(networkName('01JABC', 'control'), 'mayfly-01jabc-control');
  t.match(sideProject('01JABC', 'candidate'), /^[a-z0-9][a-z0-9_-]*$/);
});

t.test("a target is sent to the side's own name", async (t) => {
  t.equal(sideTarget('http://shop:8080', 'candidate'), 'http://shop.candidate:8080');
  t.equal(sideTarget('http://shop:8080/api/', 'baseline'), 'http://shop.baseline:8080/api');
});

t.test('an image tag is one whatever the commit is called', async (t) => {
  t.equal(imageTag('shop', 'shop', 'a'.repeat(40), '12345678'), `mayfly/shop-shop:${'a'.repeat(12)}-12345678`);
  t.equal(imageTag('caddy', 'caddy', 'v2.10.0', '12345678'), 'mayfly/caddy-caddy:v2.10.0-12345678');
  for (const commit of ['$(touch x)', '../..', '-rf', 'feature/ä', '...']) t.match(imageTag('b', 'i', commit, '12345678'), /^mayfly\/b-i:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, commit);
});

t.test('a commit is short for people', async (t) => {
  t.equal(shortCommit('a'.repeat(40)), 'a'.repeat(12));
  t.equal(shortCommit(`worktree-${'b'.repeat(40)}`), 'worktree-bbbbbbb');
  t.equal(shortCommit('v2.10.0'), 'v2.10.0');
});

t.test('the fingerprint changes with the CPU, the kernel and the engine, not with a few bytes of memory', async (t) => {
  const facts = { version: '20.10', cores: 2, memoryBytes: 24 * 2 ** 30, kernel: '6.18', os: 'Debian' };
  const id = fingerprint(facts, 'Xeon').id;
  t.equal(fingerprint({ ...facts, memoryBytes: facts.memoryBytes - 4096 }, 'Xeon').id, id);
  t.not(fingerprint({ ...facts, kernel: '6.19' }, 'Xeon').id, id);
  t.not(fingerprint({ ...facts, version: '28' }, 'Xeon').id, id);
  t.not(fingerprint(facts, 'EPYC').id, id);
});

t.test('a process is told from a later one with the same pid', async (t) => {
  const start = processStart(process.pid);
  t.match(start, /^\d+$/);
  t.ok(isAlive(process.pid, start!));
  t.notOk(isAlive(process.pid, '1'));
  t.notOk(isAlive(2 ** 22 + 1, start!));
  t.notOk(isAlive(0, ''));
});
