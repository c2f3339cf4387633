import t from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import { leastP } from '../../scripts/judge/signed-rank.ts';
import { looksOf, spend } from '../../scripts/judge/spending.ts';

const sequential = { design: 'sequential', min: 6, max: 40 } as const;
const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

t.test('looks', async (t) => {
  t.strictSame(looksOf(sequential, 5, false), []);
  t.strictSame(looksOf(sequential, 11, false), [6, 8, 10]);
  t.strictSame(looksOf(sequential, 11, true), [6, 8, 10, 11]);
  t.equal(looksOf(sequential, 50, false).filter((n) => n <= 40).length, 18);
  t.strictSame(looksOf({ design: 'fixed', min: 12, max: 12 }, 11, false), []);
  t.strictSame(looksOf({ design: 'fixed', min: 12, max: 12 }, 12, false), [12]);
  t.strictSame(looksOf({ design: 'fixed', min: 12, max: 12 }, 4, true), [4]);
  t.strictSame(looksOf(sequential, 0, true), []);
});

t.test('never more than all of it, whatever the looks, and all of it in the end', async (t) => {
  const random = generator(1);
  for (let trial = 0; trial < 500; trial++) {
    const max = 6 + Math.floor(60 * random());
    const looks = Array.from({ length: max }, (_, i) => i + 1).filter(() => random() < 0.4);
    const tests = 1 + Math.floor(5 * random());
    const ended = random() < 0.5;
    const parts = spend(0.01, tests, looks, { design: 'sequential', min: 6, max }, ended);
    t.ok(parts.every((part) => part >= 0) && sum(parts) <= 0.01 * (1 + 1e-12), `${parts}`);
    const last = looks.at(-1);
    const left = 0.01 - sum(parts);
    if (last !== undefined && (ended || last === max))
      t.ok(left < 1e-12 || leastP(last) > left / tests, `all, or too little to reject anything: ${parts}`);
  }
});

t.test('what a look spends does not depend on what comes later', async (t) => {
  const early = spend(0.01, 3, looksOf(sequential, 20, false), sequential, false);
  const late = spend(0.01, 3, looksOf(sequential, 40, false), sequential, false);
  t.strictSame(early, late.slice(0, early.length));
});

t.test('a look that can reject nothing leaves its share to the next one', async (t) => {
  const parts = spend(0.008, 3, [6, 8, 10, 12, 14], sequential, false);
  t.strictSame(parts.slice(0, 2), [0, 0]);
  t.ok(Math.abs(parts[2]! - 0.008 * Math.sqrt(10 / 40)) < 1e-15, 'half of it after a quarter');
  t.equal(parts[3], 0, 'what came in since is too little');
  t.ok(Math.abs(sum(parts) - 0.008 * Math.sqrt(14 / 40)) < 1e-15);
});
