import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import t from 'tap';
import { bench, dataFolder, engine, nothingLeft, probeBenchmark } from './helpers.ts';

t.teardown(() => engine.close());

t.test('load from outside of the run makes its rounds INVALID', async (t) => {
  const burners = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (const end = Date.now() + 300_000; Date.now() < end; );'], { stdio: 'ignore' }),
  );
  t.teardown(() => burners.forEach((burner) => burner.kill('SIGKILL')));
  const data = dataFolder(t);
  const { code, stderr, run } = await bench(
    probeBenchmark(t, { allow: { outside_load: 0.3 }, load: { rate: 20 }, top: { retries: 0 } }),
    data,
  );
  t.equal(code, 3, stderr);
  t.match(
    run.rounds.flatMap(({ reasons }) => reasons).find(({ code }) => code === 'host-load'),
    { message: /processes outside of the run used \d+(\.\d+)? % of this host's CPU time/ },
  );
  await nothingLeft(t, data);
});
