/** Triggers as the trigger service gets them, which events they want, and how long it waits between attempts. */
import t from 'tap';
import { backoffMs, matches, parseTriggers, type Trigger } from '../../compose/images/trigger/triggers.ts';

const TRIGGER: Trigger = {
  name: 'orders',
  filter: {},
  subscriber: 'http://consumer:8080/',
  retries: 5,
  backoffS: 0.1,
  timeoutS: 5,
  maxInFlight: 16,
};

t.test('an event is wanted where all attributes are as the filter says, exactly', async (t) => {
  const event = { id: '1', source: '/shop', type: 'order.placed', specversion: '1.0', priority: 'high' };
  t.ok(matches({}, event), 'none: every event');
  t.ok(matches({ type: 'order.placed' }, event));
  t.ok(matches({ type: 'order.placed', source: '/shop', priority: 'high' }, event));
  t.notOk(matches({ type: 'order.placed', priority: 'low' }, event));
  t.notOk(matches({ type: 'order' }, event), 'no prefix');
  t.notOk(matches({ type: 'Order.placed' }, event));
  t.notOk(matches({ region: 'eu' }, event), 'an attribute that it has not');
  t.notOk(matches({ region: '' }, event));
  t.notOk(matches({ constructor: 'x' }, event));
});

t.test('the wait before an attempt doubles', async (t) => {
  t.same(
    [1, 2, 3, 4].map((n) => backoffMs(TRIGGER, n)),
    [100, 200, 400, 800],
  );
  t.equal(backoffMs({ ...TRIGGER, backoffS: 0 }, 3), 0);
  t.equal(backoffMs(TRIGGER, 60), 3_600_000, 'no timer overflows');
});

t.test('triggers are taken as the harness writes them', async (t) => {
  t.same(parseTriggers(JSON.stringify([TRIGGER])), [TRIGGER]);
  t.same(parseTriggers('[]'), []);
});

t.test('what is none is refused with a sentence', async (t) => {
  const wrong = (changes: object) => () => parseTriggers(JSON.stringify([TRIGGER, { ...TRIGGER, ...changes }]));
  for (const [changes, message] of [
    [{}, 'MAYFLY_TRIGGERS: trigger 2: the name orders is taken'],
    [{ name: 'Orders' }, 'MAYFLY_TRIGGERS: trigger 2: name must match ^[a-z][a-z0-9-]*$'],
    [{ filter: { type: 7 } }, 'MAYFLY_TRIGGERS: trigger 2: filter must be attributes with the text that each must be'],
    [{ subscriber: 'consumer:8080' }, 'MAYFLY_TRIGGERS: trigger 2: subscriber must be an http URL'],
    [{ retries: -1 }, 'MAYFLY_TRIGGERS: trigger 2: retries must be a number, 0 or more'],
    [{ retries: 1.5 }, 'MAYFLY_TRIGGERS: trigger 2: retries must be a whole number'],
    [{ timeoutS: 0 }, 'MAYFLY_TRIGGERS: trigger 2: timeoutS must be more than 0'],
    [{ maxInFlight: 0 }, 'MAYFLY_TRIGGERS: trigger 2: maxInFlight must be a whole number, 1 or more'],
  ] as const)
    t.throws(wrong(changes), { message });
  t.throws(() => parseTriggers('{}'), { message: 'MAYFLY_TRIGGERS must be a list of triggers' });
  t.throws(() => parseTriggers('['), { message: /^MAYFLY_TRIGGERS is no JSON: / });
  t.throws(() => parseTriggers('[null]'), { message: /trigger 1: name must match/ });
});
