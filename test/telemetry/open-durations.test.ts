/** Ids of durations: any number at once, in any order; stale and unknown ones are recognised. */
import fc from 'fast-check';
import t from 'tap';
import { endDuration, giveUpAll, MAX_OPEN, openDuration } from '../../telemetry/src/open-durations.ts';

const never = () => {
  throw new Error('full');
};

t.beforeEach(giveUpAll);

t.test('durations overlap in any order', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 400 }), (choices) => {
      const open: { id: number; startMs: number }[] = [];
      for (const [nowMs, choice] of choices.entries()) {
        // Two of three begin one, the others end any that is open.
        if (choice < 6 || open.length === 0) open.push({ id: openDuration(nowMs, never), startMs: nowMs });
        else {
          const [one] = open.splice((choice * 7919) % open.length, 1);
          if (endDuration(one!.id) !== one!.startMs) return false;
          if (endDuration(one!.id) !== -1) return false;
        }
      }
      const right = open.every(({ id, startMs }) => endDuration(id) === startMs);
      return right && new Set(open.map(({ id }) => id)).size === open.length;
    }),
  );
  t.pass();
});

t.test('an id that was never given is known as such', async (t) => {
  const id = openDuration(1, never);
  const odd = [
    0,
    1,
    -1,
    -id,
    id + 1,
    id + 0.5,
    MAX_OPEN,
    2 ** 31,
    2 ** 53,
    Number.NaN,
    Infinity,
    undefined,
    '5',
    {},
    7n,
  ];
  for (const unknown of odd) t.equal(endDuration(unknown as number), -1, String(unknown));
  t.equal(endDuration(String(id) as unknown as number), -1);
  t.equal(endDuration(id), 1);
});

t.test('one more than may be open takes the place of the oldest', async (t) => {
  const ids = Array.from({ length: MAX_OPEN }, (_, index) => openDuration(index, never));
  t.equal(new Set(ids).size, MAX_OPEN);
  t.equal(endDuration(ids[3]!), 3);
  openDuration(0, never);
  let full = 0;
  const more = [7, 8, 9, 10].map((nowMs) => openDuration(nowMs, () => full++));
  t.equal(full, 4);
  for (const index of [0, 1, 2, 4]) t.equal(endDuration(ids[index]!), -1, `the ${index}th was given up`);
  t.equal(endDuration(ids[5]!), 5);
  t.same(more.map(endDuration), [7, 8, 9, 10]);
});

t.test('what was open when recording was switched off is neither unknown nor a duration', async (t) => {
  const id = openDuration(1, never);
  giveUpAll();
  t.equal(endDuration(id), -2);
  t.equal(endDuration(id), -1, 'the second time');
  for (let index = 0; index < MAX_OPEN; index++) openDuration(index, never);
});

t.test('ids are small integers for ever, and one comes again only after two thousand million others', async (t) => {
  const first = openDuration(1, never);
  endDuration(first);
  let most = 0;
  // Of one slot: all others are taken, so its turns go round.
  for (let index = 1; index < MAX_OPEN; index++) openDuration(index, never);
  for (let index = 0; index < 140_000; index++) {
    const id = openDuration(index, never);
    if (id > most) most = id;
    if (endDuration(id) !== index) t.fail(`${id}`);
  }
  t.ok(most < 2 ** 31, String(most));
  t.ok(most > 2 ** 30);
});
