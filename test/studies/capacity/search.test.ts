/** The search on simulated services whose capacity is known. */
import t from 'tap';
import {
  type Limits,
  MOST_PROBES,
  type Next,
  next,
  type Outcome,
  type Probe,
} from '../../../scripts/studies/capacity/capacity-search.ts';

/** Repeatable numbers from 0 up to 1 (mulberry32). */
function numbers(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function search(
  probe: (rate: number) => Outcome,
  limits: Limits,
): { answer: Extract<Next, { step: 'answer' }>; probes: Probe[] } {
  const probes: Probe[] = [];
  for (;;) {
    const step = next(probes, limits);
    if (step.step === 'answer') return { answer: step, probes };
    if (!(step.rate > 0 && step.rate <= limits.max)) throw new Error(`a probe at ${step.rate}`);
    probes.push({ rate: step.rate, outcome: probe(step.rate) });
  }
}

const LIMITS: Limits = { start: 200, max: 1_000_000, precision: 0.02 };

t.test('a service with a sharp edge: within 2 %, in a number of probes that is known before', async (t) => {
  const wrong: string[] = [];
  let most = 0;
  for (let seed = 1; seed <= 2000; seed++) {
    const random = numbers(seed);
    const capacity = 2 * 10 ** (random() * 5);
    const { answer, probes } = search((rate) => (rate <= capacity ? 'met' : 'failed'), LIMITS);
    const near =
      answer.capacity !== null &&
      answer.capacity <= capacity &&
      answer.capacity >= capacity / 1.02 &&
      answer.failsAt! > capacity;
    // Doublings or halvings, six halvings of the factor between, two and one confirmations, and a first probe.
    const bound = Math.ceil(Math.abs(Math.log2(capacity / LIMITS.start))) + 1 + 6 + 3;
    if (!near || !answer.sure || answer.limitedBy !== 'objectives' || probes.length > bound)
      wrong.push(`${capacity}: ${JSON.stringify(answer)} after ${probes.length} of ${bound}`);
    most = Math.max(most, probes.length);
  }
  t.same(wrong, []);
  t.ok(most < 25, `${most} probes at most`);
});

t.test('a noisy edge, where probes succeed by chance over 10 % of the rate: inside of it, confirmed', async (t) => {
  const wrong: string[] = [];
  let probed = 0;
  const searches = 2000;
  for (let seed = 1; seed <= searches; seed++) {
    const random = numbers(seed);
    const capacity = 100 * 10 ** (random() * 2);
    const [sure, never] = [capacity * 0.95, capacity * 1.05];
    const { answer, probes } = search(
      (rate) => (random() < (never - rate) / (never - sure) ? 'met' : 'failed'),
      LIMITS,
    );
    probed += probes.length;
    const of = (rate: number) => probes.filter((probe) => probe.rate === rate).map(({ outcome }) => outcome);
    const confirmed =
      answer.capacity !== null &&
      of(answer.capacity).filter((outcome) => outcome === 'met').length >= 2 &&
      of(answer.failsAt!).filter((outcome) => outcome === 'failed').length >= 1;
    const near = answer.capacity! >= sure / 1.02 && answer.capacity! <= never && answer.failsAt! > answer.capacity!;
    if (!answer.sure || !near || !confirmed || probes.length > MOST_PROBES)
      wrong.push(`${capacity}: ${JSON.stringify(answer)} after ${probes.length}`);
  }
  t.same(wrong, []);
  t.ok(probed / searches < 20, `${probed / searches} probes on average`);
});

t.test('one probe in twenty fails for no reason: seldom far off, and never endless', async (t) => {
  let far = 0;
  const searches = 2000;
  for (let seed = 1; seed <= searches; seed++) {
    const random = numbers(seed);
    const { answer, probes } = search((rate) => (rate <= 1000 && random() > 0.05 ? 'met' : 'failed'), LIMITS);
    if (answer.capacity === null || answer.capacity < 900) far++;
    if (probes.length > MOST_PROBES || (answer.capacity ?? 0) > 1000)
      t.fail(`${JSON.stringify(answer)} after ${probes.length}`);
  }
  t.ok(far / searches < 0.1, `${far} of ${searches}`);
});

t.test('ends that are not of the service', async (t) => {
  t.match(search(() => 'met', { ...LIMITS, max: 5000 }).answer, {
    capacity: 5000,
    failsAt: null,
    limitedBy: 'cap',
    sure: true,
  });
  t.match(search(() => 'met', { ...LIMITS, start: 900, max: 500 }).answer, { capacity: 500, limitedBy: 'cap' });
  const generator = search((rate) => (rate > 3000 ? 'generator' : 'met'), LIMITS).answer;
  t.match(generator, { limitedBy: 'generator', sure: true });
  t.ok(generator.capacity! > 2940 && generator.capacity! <= 3000, `${generator.capacity}`);
  const none = search(() => 'failed', LIMITS);
  t.match(none.answer, { capacity: null, limitedBy: 'objectives', sure: true });
  t.ok(none.answer.failsAt! <= 2 && none.probes.length <= 12, JSON.stringify(none));
  t.match(search(() => 'failed', { ...LIMITS, most: 5 }).answer, { capacity: null, sure: false });
});

t.test('a failure by chance is corrected by two further probes, a success by chance by one', async (t) => {
  const outcomes: Record<number, Outcome[]> = {
    100: ['met', 'met', 'met'],
    101: ['failed', 'met', 'met'],
    102: ['failed', 'failed'],
  };
  const limits = { start: 100, max: 102, precision: 0.001 };
  const probes = [100, 100, 100, 101, 101, 101, 102, 102].map((rate, i, all) => ({
    rate,
    outcome: outcomes[rate]![all.slice(0, i).filter((one) => one === rate).length]!,
  }));
  t.match(next(probes.slice(0, 4), limits), { step: 'probe', rate: 100.5 });
  t.match(next(probes.slice(0, 4), { ...limits, precision: 0.01 }), { step: 'probe', rate: 101, why: 'confirm' });
  t.match(next(probes, { ...limits, precision: 0.01 }), { step: 'answer', capacity: 101, failsAt: 102 });
  t.match(
    next(
      [
        { rate: 100, outcome: 'met' },
        { rate: 101, outcome: 'failed' },
        { rate: 100, outcome: 'failed' },
      ],
      { ...limits, precision: 0.01 },
    ),
    { step: 'probe', rate: 50, why: 'search' },
  );
});
