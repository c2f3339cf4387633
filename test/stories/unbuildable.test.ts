/** What becomes of the job of a commit that cannot be built, or does not start, with a real worker. */
import t from 'tap';
import type { Job } from '../../scripts/documents/job.ts';
import { dataFolder, engine, nothingLeft, probeBenchmark, probeRepository, ROOT } from '../e2e/helpers.ts';
import { queue, start, until } from './service-place.ts';

t.teardown(() => engine.close());

const BROKEN = 'FROM node:24.21.0-bookworm-slim\nRUN echo "missing semicolon in line 7" && exit 3\n';
const FETCHING = 'FROM node:24.21.0-bookworm-slim\nADD http://127.0.0.1:9/x /x\n';
/** It is built, and ends at once. */
const CRASHING =
  'FROM node:24.21.0-bookworm-slim\nCMD ["node", "-e", "console.error(\'no such table\'); process.exit(3)"]\n';
const WELL = 'FROM node:24.21.0-bookworm-slim\nCOPY server.js /server.js\nCMD ["node", "/server.js"]\n';
const OFFLINE = 'FROM node:24.21.0-bookworm-slim\nRUN echo "connect ECONNREFUSED" && exit 1\n';

t.test(
  'it fails at once and its author is told; where another commit is to blame he is not; nothing is tried again',
  async (t) => {
    const {
      folder,
      commits: [broken, fetching, offline, plain, crashing, well],
    } = await probeRepository(t, [
      { Dockerfile: BROKEN },
      { Dockerfile: FETCHING },
      { Dockerfile: OFFLINE },
      { Dockerfile: 'FROM node:24.21.0-bookworm-slim\n' },
      { Dockerfile: CRASHING },
      { Dockerfile: WELL },
    ]);
    const place = { root: ROOT, env: { MAYFLY_DATA: dataFolder(t) } };
    const benchmark = probeBenchmark(t, {
      build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } },
    });
    const add = async (commit: string, against: string): Promise<string> => {
      const { code, stdout, stderr } = await start(
        place,
        'queue',
        'add',
        `--benchmark=${benchmark}`,
        `--commit=${commit}`,
        `--against=${against}`,
        '--json',
      ).done;
      t.equal(code, 0, stderr);
      return JSON.parse(stdout).job.job_id;
    };
    const expected: [job: string, wanted: Partial<Record<keyof Job, unknown>>][] = [
      [
        await add(broken!, plain!),
        {
          fault: 'build',
          reason: /^the build of probe at [0-9a-f]{40} \([0-9a-f]{12}\) failed: [^]*missing semicolon in line 7/,
        },
      ],
      [
        await add(fetching!, plain!),
        { fault: 'build', reason: /^Dockerfile of probe at [0-9a-f]{12}: .* is not allowed/ },
      ],
      [await add(offline!, plain!), { fault: 'build', reason: /ECONNREFUSED/ }],
      [
        await add(crashing!, well!),
        {
          fault: 'service',
          reason: /^this commit does not start; the baseline does: [^]*exit code 3[^]*no such table/,
        },
      ],
      [await add(plain!, broken!), { fault: 'other', reason: new RegExp(`^the build of probe at ${broken} `) }],
    ];
    const worker = start(place, 'work', '--port=0');
    t.teardown(() => worker.child.kill('SIGKILL'));
    const jobs = await until('every job has ended', async () => {
      const jobs = await queue(place);
      return jobs.every(({ state }) => state === 'failed') ? jobs : undefined;
    });
    for (const [id, wanted] of expected)
      t.match(
        jobs.find(({ job_id }) => job_id === id),
        { state: 'failed', failures: 0, losses: 0, ...wanted },
      );
    worker.child.kill('SIGTERM');
    t.equal((await worker.done).code, 0);
    await nothingLeft(t, place.env.MAYFLY_DATA);
  },
);
