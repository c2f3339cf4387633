/** The figure of accounting, small: it is of all events, and says so. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

const ROOT = join(import.meta.dirname, '../../..');
const perf = (...args: string[]) =>
  spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/dev/perf/events.ts', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });

t.test('every event of made-up records is delivered', async (t) => {
  const { status, stdout, stderr } = perf('--records=1200');
  t.equal(status, 0, stderr);
  t.match(stdout, /^1,200 records of 200 events in \d+\.\d s \(\d+\.\d s of CPU\), \d+ MiB more memory\n$/);
});

t.test('a number that is none', async (t) => {
  const { status, stderr } = perf('--records=few');
  t.equal(status, 2);
  t.match(stderr, /--records/);
});
