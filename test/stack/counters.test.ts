import { readFileSync } from 'node:fs';
import t from 'tap';
import { cgroupFiles, findCounters, mustBeReadable, readCounted, readCounters } from '../../scripts/stack/counters.ts';

t.test('the files of both cgroup versions', async (t) => {
  const one = '12:cpuset:/docker/abc\n5:cpu,cpuacct:/docker/abc\n0::/docker/abc\n';
  t.same(cgroupFiles(one), {
    version: 1,
    usage: '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpuacct.usage',
    cpuStat: '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.stat',
  });
  const apart = '12:cpuset:/docker/abc\n6:cpuacct:/docker/abc\n5:cpu:/docker/abc\n';
  t.same(cgroupFiles(apart), {
    version: 1,
    usage: '/sys/fs/cgroup/cpuacct/docker/abc/cpuacct.usage',
    cpuStat: '/sys/fs/cgroup/cpu/docker/abc/cpu.stat',
  });
  t.same(cgroupFiles('0::/system.slice/docker-abc.scope\n'), {
    version: 2,
    cpuStat: '/sys/fs/cgroup/system.slice/docker-abc.scope/cpu.stat',
  });
});

t.test('a process that is gone has no counters', async (t) => {
  t.equal(await findCounters('abc', 2 ** 22 + 1), null);
  t.equal(await readCounters({ version: 2, cpuStat: '/nowhere/cpu.stat' }), null);
});

t.test('counters of a process that is there and that cannot be read are no 0', async (t) => {
  const files = { version: 2, cpuStat: '/nowhere/cpu.stat' } as const;
  await t.rejects(mustBeReadable(files, process.pid), {
    message: 'the CPU counters of a container cannot be read: /nowhere/cpu.stat is not there',
    hint: "Where Mayfly runs in a container, it needs the host's control groups: --cgroupns=host --volume=/sys/fs/cgroup:/sys/fs/cgroup:ro.",
    exitCode: 4,
  });
  await mustBeReadable(files, 2 ** 22 + 1);
});

t.test('the paths are those of this host', async (t) => {
  const { files } = (await findCounters('self', process.pid))!;
  t.match(readFileSync(files.cpuStat, 'utf8'), /nr_periods|usage_usec/);
});

t.test('a container that the harness has ended or started anew: all of its lives', async (t) => {
  const cpu = (cpuSeconds: number) => ({ cpuSeconds, cfsPeriods: 10, cfsThrottledPeriods: 1 });
  const files = { version: 2, cpuStat: `${t.testdir({})}/cpu.stat` } as const; // it has ended
  t.equal(await readCounted({ id: 'a', files }), null);
  t.same(await readCounted({ id: 'a', files, last: cpu(2) }), cpu(2));
  t.same(await readCounted({ id: 'a', files, before: cpu(3) }), cpu(3));
  const both = { cpuSeconds: 5, cfsPeriods: 20, cfsThrottledPeriods: 2 };
  t.same(await readCounted({ id: 'a', files, before: cpu(3), last: cpu(2) }), both);
  const dir = t.testdir({ 'cpu.stat': 'usage_usec 4000000\nnr_periods 10\nnr_throttled 1\n' });
  const alive = { version: 2, cpuStat: `${dir}/cpu.stat` } as const;
  t.same(
    await readCounted({ id: 'a', files: alive, before: cpu(1), last: cpu(100) }),
    both,
    'its own counters are newer',
  );
});
