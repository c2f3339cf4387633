import { readFileSync } from 'node:fs';
import t from 'tap';
import { cgroupFiles, findCounters, readCounters } from '../../scripts/stack/counters.ts';

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

t.test('the paths are those of this host', async (t) => {
  const { files } = (await findCounters('self', process.pid))!;
  t.match(readFileSync(files.cpuStat, 'utf8'), /nr_periods|usage_usec/);
});
