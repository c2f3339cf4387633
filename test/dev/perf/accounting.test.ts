/**
 * npm run perf:accounting: the accounting of events is exact with the real brokers, whatever is killed in the middle; and
 * it is held against accounts that would show it if it were not.
 */
import t from 'tap';
import { RESTARTS, startBroker } from '../../../scripts/dev/perf/accounting/brokers.ts';
import { type Drawn, draw } from '../../../scripts/dev/perf/accounting/draw.ts';
import { differences, type OwnAccounts } from '../../../scripts/dev/perf/accounting/expected.ts';
import { accountingRun } from '../../../scripts/dev/perf/accounting/run.ts';
import type { EventsDocument } from '../../../scripts/documents/run.ts';
import { setUp } from '../../../scripts/setup/machine.ts';
import { mayfly } from '../../e2e/helpers.ts';
import { recorder } from '../../setup/helpers.ts';

await setUp({ images: ['nats', 'rabbitmq'], progress: recorder().progress });

const NONE = { consumer: false, broker: false, refused: false };
const RUNS = 3;

t.test('nats', async (t) => {
  await using broker = await startBroker('nats', 'accounting-test');
  for (const what of Object.keys(NONE) as (keyof typeof NONE)[]) {
    for (let seed = 1; seed <= RUNS; seed++) {
      const drawn = draw(seed, { ...NONE, [what]: true }, RESTARTS.nats);
      const { differences, document } = await accountingRun(drawn, broker, `${t.testdir()}/${what}-${seed}`);
      t.same(differences, [], `${what}, seed ${seed}`);
      t.ok(document.sent + document.unrouted >= drawn.events.length - document.rejected - document.unsent);
    }
  }
});

t.test('rabbitmq', async (t) => {
  await using broker = await startBroker('rabbitmq', 'accounting-test');
  const { differences } = await accountingRun(
    draw(1, { consumer: true, broker: true, refused: true }, RESTARTS.rabbitmq),
    broker,
    `${t.testdir()}/all`,
  );
  t.same(differences, []);
});

t.test('the command says how many runs are exact', async (t) => {
  const { code, stdout, stderr } = await mayfly('dev/perf/accounting', ['--runs=1', '--seed=8'], t.testdir()).done;
  t.equal(code, 0, stderr);
  t.match(
    stdout,
    /^1 of 1 exact, with nats\n\d+ events sent, in \d+ deliveries: \d+ delivered, \d+ dead-lettered, 0 lost;/,
  );
  t.match(stderr, /^seed 8: exact \(\d+\.\d s\) {2}\d+ events at \d+\/s, \d triggers: /m);
  const bad = await mayfly('dev/perf/accounting', ['--broker=kafka'], t.testdir()).done;
  t.equal(bad.code, 2);
  t.match(bad.stderr, '--broker=kafka is no broker of Mayfly');
});

t.test('a draw is the same for the same seed', async (t) => {
  t.same(draw(7, NONE, RESTARTS.nats), draw(7, NONE, RESTARTS.nats));
  t.notSame(draw(7, NONE, RESTARTS.nats), draw(8, NONE, RESTARTS.nats));
  t.same(
    draw(7, NONE, RESTARTS.nats).disturbances.filter(({ what }) => !what.startsWith('trigger')),
    [],
  );
});

t.test('each difference between the records and the own accounts is found', async (t) => {
  const trigger = {
    name: 'orders',
    filter: { type: 'order' },
    consumer: 0,
    retries: 2,
    backoffS: 1,
    timeoutS: 1,
    maxInFlight: 1,
  };
  const event = (id: string, type: string) => ({ id, type, priority: 'high', poison: 'no' });
  const drawn: Drawn = {
    ...draw(1, NONE, RESTARTS.nats),
    triggers: [trigger],
    events: [event('1', 'order'), event('2', 'order'), event('3', 'order'), event('4', 'mail')],
  };
  const handled = (id: string) => ({ trigger: 'orders', source: '/s', id });
  const own: OwnAccounts = {
    offered: ['1', '2', '3', '4'],
    taken: new Set(['1', '2', '3', '4']),
    // the second before the first, and the first twice
    handlings: [handled('2'), handled('1'), handled('1')],
    deadLetters: new Map([['orders', [{ id: '3', source: '/s' }]]]),
  };
  const figures = {
    deliveries: 3,
    delivered: 2,
    dead_lettered: 1,
    lost: 0,
    pending: 0,
    duplicated: 1,
    out_of_order: 1,
  };
  const document = {
    ...figures,
    ...{ offered: 4, sent: 3, unrouted: 1, refused: 0, unreadable: 0 },
    triggers: [{ trigger: 'orders', ...figures }],
  } as unknown as EventsDocument;
  t.same(differences(drawn, own, document), []);
  for (const figure of ['offered', 'sent', 'unrouted', 'refused', 'unreadable', ...Object.keys(figures)] as const)
    t.match(differences(drawn, own, { ...document, [figure]: 9 }), [
      new RegExp(`^${figure}: 9 by the records, \\d by the own`),
    ]);
  t.same(differences(drawn, { ...own, handlings: own.handlings.slice(0, 1) }, document), [
    'orders: delivered: 2 by the records, 1 by the own accounts',
    'orders: lost: 0 by the records, 1 by the own accounts',
    'orders: duplicated: 1 by the records, 0 by the own accounts',
    'orders: out_of_order: 1 by the records, 0 by the own accounts',
    'orders: 1 lost by the own accounts',
    'delivered: 2 by the records, 1 by the own accounts',
    'lost: 0 by the records, 1 by the own accounts',
    'duplicated: 1 by the records, 0 by the own accounts',
    'out_of_order: 1 by the records, 0 by the own accounts',
    '3 deliveries are not 1 delivered and 1 dead-lettered',
  ]);
  // Nobody told the producer that it was taken, and a consumer has it: so it was.
  t.same(differences(drawn, { ...own, taken: new Set(['1', '4']) }, document), []);
});
