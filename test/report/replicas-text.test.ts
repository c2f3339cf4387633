/** The spread of requests over replicas, as a table. */
import t from 'tap';
import type { RoundDocument } from '../../scripts/documents/run.ts';
import { verdictMarkdown } from '../../scripts/report/markdown.ts';
import { spreadRows, spreadTable } from '../../scripts/report/replicas-text.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import { replicasSection } from '../../scripts/service/server/pages/replicas-parts.ts';
import { makeJudged, makeRound, makeRun } from '../run-document.ts';

type Replica = NonNullable<RoundDocument['replicas']>[number];
const replica = (number: number, changes: Partial<Replica> = {}): Replica => ({
  service: 'api',
  replica: number,
  requests: 1000,
  failed: 0,
  retried: 0,
  redispatched: 0,
  share: 0.5,
  cpu_seconds: 1,
  ...changes,
});

const aRound = (changes: Partial<RoundDocument>): RoundDocument => ({ ...makeRound('candidate', 1, {}), ...changes });

t.test('over the rounds that count: medians of shares, sums of requests', async (t) => {
  const rounds = [
    aRound({
      round: 1,
      replicas: [replica(1, { share: 0.4, failed: 1 }), replica(2, { share: 0.6, retried: 3, redispatched: 2 })],
    }),
    aRound({
      round: 2,
      replicas: [replica(1, { share: 0.5, cpu_seconds: 3 }), replica(2, { commit: 'b'.repeat(40) })],
    }),
    aRound({ round: 3, valid: false, replicas: [replica(1, { failed: 500 })] }),
  ];
  t.same(spreadRows({ rounds }), [
    ['api-1', 'candidate', '45.0 %', '2,000', '1', '0', '0', '2.00 s'],
    ['api-2', 'candidate', '60.0 %', '1,000', '0', '3', '2', '1.00 s'],
    ['api-2 (bbbbbbbbbbbb)', 'candidate', '50.0 %', '1,000', '0', '0', '0', '1.00 s'],
  ]);
  const table = spreadTable({ rounds }, { color: false }).join('\n');
  t.match(table, /^replica +side +share of requests +requests +failed +retried +moved to another +CPU time\n/);
  t.match(table, /moved to another: its replica did not take the connection$/);
});

t.test('of a run in which no round counts those that there are; nothing without a balancer', async (t) => {
  const rounds = [aRound({ valid: false, replicas: [replica(1)] })];
  t.equal(spreadRows({ rounds }).length, 1);
  t.same(spreadRows({ rounds: [aRound({})] }), []);
  t.same(spreadTable({ rounds: [] }, { color: true }), []);
});

t.test(
  'bench, show, the comment and the page of a run have it; a run without a balancer has nothing of it',
  async (t) => {
    const judged = makeJudged();
    const run = {
      ...judged,
      rounds: judged.rounds.map((one) => ({ ...one, replicas: [replica(1, { requests: 10 }), replica(2)] })),
    };
    t.match(
      runTable(run, { color: false }),
      /\nreplica +side .*\napi-1 +candidate +50\.0 % +120 .*\n(.*\n){3}share and CPU time: /,
    );
    t.match(
      verdictMarkdown(run.verdict!, run, []),
      /\| api-2 \| baseline \| 50\.0 % \| 12,000 \| 0 \| 0 \| 0 \| 1\.00 s \|/,
    );
    t.match(
      String(replicasSection(run)),
      /<tr><th scope="row">api-1<\/th><td>candidate<\/td><td class="num">50\.0 %<\/td><td class="num">120<\/td>/,
    );
    t.equal(replicasSection(makeRun()), false);
    t.notMatch(runTable(judged, { color: false }), /replica/);
    t.notMatch(verdictMarkdown(judged.verdict!, judged, []), /replica/);
  },
);
