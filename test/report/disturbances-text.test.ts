/** What a report says of disturbances. */
import t from 'tap';
import type { RoundDocument, SideName } from '../../scripts/documents/run.ts';
import {
  DISTURBANCE_NOTE,
  disturbanceRows,
  disturbanceTable,
  disturbanceWhys,
} from '../../scripts/report/disturbances-text.ts';

type Disturbed = NonNullable<RoundDocument['disturbances']>[number];

const disturbed = (change: Partial<Disturbed> = {}): Disturbed => ({
  kind: 'rolling-update',
  service: 'api',
  at_s: 5.004,
  ended_s: 9,
  requests: 1000,
  failed_requests: 0,
  recovery_s: 0,
  p99_inside: 0.012,
  p99_outside: 0.008,
  actions: [],
  ...change,
});
const round = (side: SideName, number: number, ...disturbances: Disturbed[]) =>
  ({
    side,
    round: number,
    valid: true,
    reasons: [],
    window_s: 20,
    started_at: '',
    samples: {},
    disturbances,
  }) as RoundDocument;

t.test('a row for each disturbance and side: counts of all rounds, the middle of times', async (t) => {
  const run = {
    rounds: [
      round('candidate', 1, disturbed({ failed_requests: 3, recovery_s: 2, why: 'api-1 was killed' })),
      round('candidate', 2, disturbed({ failed_requests: 4, recovery_s: 3, why: 'api-1 was killed' })),
      round('candidate', 3, disturbed({ failed_requests: 2, recovery_s: null, p99_inside: null })),
      round('baseline', 1, disturbed()),
    ],
  };
  t.same(disturbanceRows(run), [
    ['rolling-update of api at 5.0s', 'candidate', '3,000', '9', '3.00 s', '12.0 ms', '8.00 ms'],
    ['rolling-update of api at 5.0s', 'baseline', '1,000', '0', '0 µs', '12.0 ms', '8.00 ms'],
  ]);
  t.same(disturbanceWhys(run), ['rolling-update of api at 5.0s, candidate: api-1 was killed']);
  const [table, note, why] = disturbanceTable(run, { color: false });
  t.match(table, /disturbance.*side.*requests.*failed.*recovery.*p99 inside.*p99 outside/);
  t.equal(note, DISTURBANCE_NOTE);
  t.match(why, /api-1 was killed/);
});

t.test('what did not recover in most rounds has no time', async (t) => {
  const never = disturbed({ recovery_s: null });
  t.equal(disturbanceRows({ rounds: [round('candidate', 1, never)] })[0]![4], '-');
});

t.test('nothing where nothing was disturbed', async (t) => {
  t.same(disturbanceTable({ rounds: [round('candidate', 1)] }, { color: false }), []);
  t.same(disturbanceTable({ rounds: [] }, { color: false }), []);
});
