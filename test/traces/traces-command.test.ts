/** npm run traces, as a user starts it; the story with Zipkin itself is in test/stories. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { paths } from '../../scripts/core/paths.ts';
import type { RunDocument, TracesDocument } from '../../scripts/documents/run.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import { openStore } from '../../scripts/store/db.ts';
import { tracesName, writeKept } from '../../scripts/traces/kept.ts';
import { makeComparison, makeRun } from '../run-document.ts';
import { made } from './made.ts';

const data = t.testdir();
const env = { ...process.env, MAYFLY_DATA: data };
const where = paths('/', { MAYFLY_DATA: data });
const traces = (...args: string[]) => {
  const file = join(import.meta.dirname, '../../scripts/commands/traces.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { env, encoding: 'utf8' });
  return { status, stdout, stderr };
};

const document = (more: Partial<TracesDocument> = {}): TracesDocument => ({
  sampling: 0.1,
  traces: 90,
  complete: 88,
  holes: 1,
  unfinished: 1,
  spans: 264,
  total_avg: 0.0043,
  hops: [
    { hop: 'consumer', calls: 1, self_avg: 0.003, self_p95: 0.005, path_avg: 0.0031, share: 0.72 },
    { hop: 'producer', calls: 1, self_avg: 0.0012, self_p95: 0.002, path_avg: 0.0012, share: 0.28 },
  ],
  zipkin: { cpu_seconds: 0.4, share: 0.031 },
  ...more,
});

/** Both sides in three rounds; those of the first two have kept traces. */
const { archive: _, ...both } = makeComparison(1.01);
for (const round of both.rounds) {
  const { side, round: n } = round;
  round.traces = document(
    n <= 2 ? { kept: { file: tracesName(side, n), slowest: 1, sample: 1 } } : { notes: ['a note'] },
  );
}
const plain: RunDocument = { ...makeRun({}), run_id: '01BBB' };
const empty: RunDocument = { ...makeRun({}), run_id: '01CCC' };
empty.rounds[0]!.traces = document({ traces: 0, complete: 0, notes: ['there are no traces: Zipkin did not come up'] });
const store = openStore(where.db);
t.teardown(() => store.close());
for (const run of [both, plain, empty]) store.addRun(run);

const folder = join(where.runs, both.run_id, 'traces');
mkdirSync(folder, { recursive: true });
let number = 0;
for (const { side, round } of both.rounds.filter((one) => one.round <= 2)) {
  const consumer = side === 'candidate' ? 9000 : 4000;
  const traceId = String(++number).repeat(32);
  await writeKept(join(folder, tracesName(side, round)), [
    [
      made('producer', null, 0, consumer + 1000 * round, { traceId, kind: 'SERVER' }),
      made('consumer', 'producer', 10, consumer, { traceId, kind: 'SERVER' }),
    ],
  ]);
}

t.test('--list: the slowest first, and the hop that has the most of each', async (t) => {
  t.strictSame(traces(both.run_id, '--list'), {
    status: 0,
    stdout: `trace                                took  most of it in    there       side  round  spans
33333333333333333333333333333333  11.0 ms       consumer  8.99 ms  candidate      2      2
11111111111111111111111111111111  10.0 ms       consumer  8.99 ms  candidate      1      2
44444444444444444444444444444444  6.00 ms       consumer  3.99 ms   baseline      2      2
22222222222222222222222222222222  5.00 ms       consumer  3.99 ms   baseline      1      2
`,
    stderr: '',
  });
  t.match(traces(both.run_id, '--list', '--side=baseline', '--round=1').stdout, /^trace.*\n2{32}.*\n$/);
});

t.test('what cannot be: by its text', async (t) => {
  const said = (...args: string[]) => {
    const { status, stdout, stderr } = traces(...args);
    t.equal(stdout, '');
    t.equal(status, 2, args.join(' '));
    return stderr;
  };
  t.match(said('01BBB'), 'run 01BBB has no traces\n');
  t.match(said('01BBB'), 'npm run bench -- --traces=10% records some, of a benchmark whose services send spans');
  t.match(said('01CCC', '--list'), 'run 01CCC has kept no traces: there are no traces: Zipkin did not come up\n');
  t.match(said('01CCC'), 'npm run show -- 01CCC says what is known of them.');
  t.match(said(both.run_id, '--side=left'), '--side must be candidate or baseline, got "left"');
  t.match(said(both.run_id, '--round=0'), '--round must be');
  t.match(said(both.run_id, '--side=baseline', '--round=3'), 'has kept no traces of the baseline in round 3\n');
  t.match(said(both.run_id, '--round=3'), 'It has some of rounds 1, 2, of candidate and baseline.');
  t.match(said('nowhere'), 'there is no run "nowhere"');
});

t.test('files that are damaged or lost are told; without any there is nothing to show', async (t) => {
  const file = join(folder, tracesName('candidate', 1));
  writeFileSync(file, 'no gzip');
  const damaged = traces(both.run_id, '--list');
  t.equal(damaged.status, 0);
  t.equal(damaged.stderr, 'traces-candidate-1.json.gz is damaged: it cannot be unpacked\n');
  t.notMatch(damaged.stdout, /1{32}/);
  const only = traces(both.run_id, '--list', '--side=candidate', '--round=1');
  t.equal(only.status, 2);
  t.match(only.stderr, `no trace of run ${both.run_id} can be read\n`);
  renameSync(file, join(data, 'aside'));
  t.match(traces(both.run_id, '--list').stderr, '1 file of traces is lost: traces-candidate-1.json.gz\n');
  renameSync(folder, join(data, 'gone'));
  const gone = traces(both.run_id, '--list');
  t.equal(gone.status, 2);
  t.match(gone.stderr, `the traces of run ${both.run_id} are not on this host\n`);
  t.match(gone.stderr, `npm run archive -- verify --run=${both.run_id} looks for them.`);
});

t.test('a run shows its hops, of how many traces that is, and what Zipkin took', async (t) => {
  const text = runTable(both, { color: false });
  t.match(text, /hop, by its traces +self time +baseline +p95 +baseline +on the path +baseline +share +baseline\n/);
  t.match(text, /consumer +3\.00 ms +3\.00 ms +5\.00 ms +5\.00 ms +3\.10 ms +3\.10 ms +72\.0 % +72\.0 %\n/);
  t.match(
    text,
    'note: traces: 10.0 % of the requests were traced; figures are of 528 of 540 traces, 6 had a hole and 6 were unfinished\n',
  );
  t.match(text, 'note: Zipkin took 3.10 % of the CPU time of the run in its windows\n');
  t.match(text, 'note: traces of candidate, round 3: a note\n');
  t.match(text, `  npm run traces -- ${both.run_id}\n`);
  t.notMatch(runTable(plain, { color: false }), /traces|Zipkin/);
});
