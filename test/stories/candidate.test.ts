/** A service that is not well, in a comparison: whose matter it is, after one try. Which words follow is tested by value. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { LABEL } from '../../scripts/engine/names.ts';
import {
  bench,
  dataFolder,
  engine,
  mayfly,
  nothingLeft,
  probeBenchmark,
  probeRepository,
  run,
} from '../e2e/helpers.ts';

t.teardown(() => engine.close());

/** It may be gone by now. */
const isHealthy = (id: string): Promise<boolean> =>
  engine.inspect(id).then(
    ({ health }) => health === 'healthy',
    () => false,
  );

const ANSWERS = (status: number, before = '') => `
const { createServer } = require('node:http');
console.log('answers ${status}');
createServer((request, response) => {
  const own = request.url === '/healthz' || request.url === '/metrics';
  ${before}
  response.writeHead(own ? 200 : ${status}, { 'content-type': 'text/plain; version=0.0.4' }).end(own ? 'up_since 1\\n' : 'x');
}).listen(8080);
process.on('SIGTERM', () => process.exit(0));`;
/** Dies with the first request after it was told to. */
const DIES_ON_DEMAND = `
let dies = false;
process.on('SIGUSR2', () => { dies = true; });
${ANSWERS(200, 'if (dies && !own) process.exit(7);')}`;
const CRASHES = `console.error('no such table: orders'); process.exit(3);`;

t.test(
  'the candidate crashes, at once or later, or fails every request; both fail alike; a target that is not there',
  async (t) => {
    const {
      folder,
      commits: [good, crashes, fails, twin, dies],
    } = await probeRepository(t, [
      { 'server.js': ANSWERS(200) },
      { 'server.js': CRASHES },
      { 'server.js': ANSWERS(503) },
      { 'server.js': `${ANSWERS(200)} // the same` },
      { 'server.js': DIES_ON_DEMAND },
    ]);
    const benchmark = (load = {}, top = {}) =>
      probeBenchmark(t, {
        build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } },
        load: { duration: '2s', ...load },
        top: { metrics: [], ...top },
      });
    const compare = (of: string, candidate: string, against: string, data: string, more: string[] = []) =>
      bench(of, data, [`--commit=${candidate}`, `--against=${against}`, ...more]);

    await t.test('it crashes at its start', async (t) => {
      const data = dataFolder(t);
      const files = [`--markdown=${join(data, 'v.md')}`, `--junit=${join(data, 'v.xml')}`];
      const { code, stderr, seconds } = await compare(benchmark(), crashes!, good!, data, files);
      t.equal(code, 1, stderr);
      t.match(
        stderr,
        /mayfly: this commit does not start; the baseline does: candidate \([0-9a-f]{12}\): probe ended with exit code 3 before it was healthy\n {2}probe: ended with exit code 3\n {4}the last lines of its log:\n {6}no such table: orders\n/,
      );
      t.ok(seconds < 50, `at once, and not at the end of ready_timeout: ${seconds} s`);
      t.match(
        readFileSync(join(data, 'v.md'), 'utf8'),
        /^\*\*FAILED\*\*: probe at .*: this commit does not start; the baseline does: [^]*\n {6}no such table: orders\n/,
      );
      t.match(
        readFileSync(join(data, 'v.xml'), 'utf8'),
        /<failure message="this commit does not start; the baseline does: [^"]*" type="FAILED">[^]*no such table: orders/,
      );
      for (const file of ['v.md', 'v.xml']) rmSync(join(data, file));
      const judged = await mayfly('judge', ['last'], data).done;
      t.equal(judged.code, 3, judged.stderr);
      t.match(judged.stdout, /^FAILED {2}probe at .* against .*: this commit does not start; the baseline does: /);
      await nothingLeft(t, data);
      t.match(stderr, /what it has logged: npm run logs -- [0-9A-Z]{26}\n/);
      const said = await mayfly('logs', ['last', '--round=1'], data).done;
      t.match(
        said.stdout,
        /^ts=\S{30} side=candidate round=1 service=probe msg="no such table: orders"$/m,
        said.stderr,
      );
      t.match(said.stdout, /^ts=\S{30} side=baseline round=1 service=probe msg="answers 200"$/m);
      t.match(
        (await mayfly('logs', ['last', '--service=harness', '--level=error'], data).done).stdout,
        /^ts=\S{30} level=error service=harness msg="FAILED round 1[^]*level=error service=harness msg="this commit does not start/,
      );
      const other = await compare(benchmark(), good!, crashes!, data);
      t.equal(other.code, 4, other.stderr);
      t.match(other.stderr, /mayfly: the baseline does not start; this commit does, and is not to blame: baseline \(/);
    });

    await t.test('it fails every request', async (t) => {
      const data = dataFolder(t);
      const { code, stderr } = await compare(benchmark(), fails!, good!, data);
      t.equal(code, 1, stderr);
      t.match(
        stderr,
        /this commit fails every request; the baseline does not: probe \(GET \/\): status 503 × \d+ in candidate \(/,
      );
      t.match(stderr, /\n {4}the last lines of its log:\n {6}answers 503\n/);
      t.notMatch(stderr, /round 3/, 'after one round');
      const shown = await mayfly('show', ['last'], data).done;
      t.match(
        shown.stdout,
        /^FAILED {2}[^]*round 1 is INVALID \(candidate\): 100 % of the requests failed .*: status 503 × /,
      );
      await nothingLeft(t, data, { waiting: 1 });
    });

    await t.test('where the sides are measured apart, the other one is asked before anybody is blamed', async (t) => {
      const data = dataFolder(t);
      const of = benchmark({}, { comparison: { pairing: 'alternating' } });
      const crashed = await compare(of, crashes!, good!, data);
      t.equal(crashed.code, 1, crashed.stderr);
      t.match(crashed.stderr, /mayfly: this commit does not start; the baseline does: candidate /);
      const failed = await compare(of, fails!, good!, data);
      t.equal(failed.code, 1, failed.stderr);
      t.match(failed.stderr, /round 2, to see whether it is so of baseline/);
      t.match(failed.stderr, /mayfly: this commit fails every request; the baseline does not: /);
      t.notMatch(failed.stderr, /round 3/);
      await nothingLeft(t, data, { waiting: 1 });
    });

    await t.test('it does well in the first round and dies in those after it', async (t) => {
      const data = dataFolder(t);
      const running = compare(benchmark({ timeout: '2s' }), dies!, good!, data);
      const ended = running.then(() => true);
      const told = new Set<string>();
      while (!(await Promise.race([ended, sleep(200, false)])))
        for (const { id, labels } of await engine.containers(`${LABEL.commit}=${dies}`))
          if (labels[LABEL.round] !== '1' && !told.has(id) && (await isHealthy(id))) {
            told.add(id);
            await run('docker', ['kill', '--signal=USR2', id]).done;
          }
      const { code, stderr } = await running;
      t.equal(code, 1, stderr);
      t.match(
        stderr,
        /mayfly: in rounds 2, 3 and 4, one after the other, this commit dies under the load; the baseline does not: probe ended with exit code 7 in candidate \(/,
      );
      t.notMatch(stderr, /round 5/);
      const shown = await mayfly('show', ['last'], data).done;
      t.match(
        shown.stdout,
        /^FAILED {2}probe at .*: in rounds 2, 3 and 4, one after the other, this commit dies under/,
      );
      await nothingLeft(t, data, { waiting: 1 });
    });

    await t.test('both fail alike', async (t) => {
      const data = dataFolder(t);
      const folder = benchmark();
      writeFileSync(
        join(folder, 'load.ts'),
        `import { defineLoad } from 'mayfly/load';
export default defineLoad(({ http }) => http.get('/', { name: 'home', expect: { status: 201 } }));\n`,
      );
      const { code, stderr, run } = await compare(folder, twin!, good!, data);
      t.equal(code, 3, stderr);
      t.equal(run.rounds.length, 2, 'one round');
      t.match(
        run.verdict!.summary,
        /it was not measured: .*so measuring again would tell the same: .*home \(GET \/\): status 200 × \d+/,
      );
    });

    await t.test('a target that is not there', async (t) => {
      const data = dataFolder(t);
      const { code, stderr } = await bench(
        benchmark({}, { scrape: [{ service: 'probe', port: 9999, path: '/metrics' }] }),
        data,
        [`--commit=${good}`],
      );
      t.equal(code, 4, stderr);
      t.match(stderr, /Prometheus cannot scrape probe:9999\/metrics \(dial tcp [\d.:]+: connect: connection refused\)/);
      await nothingLeft(t, data);
    });
  },
);
