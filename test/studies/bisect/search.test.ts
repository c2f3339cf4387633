/** The search over histories whose culprit is known. */
import t from 'tap';
import { type Finding, type Found, next, stepsLeft } from '../../../scripts/studies/bisect/bisect-search.ts';

/** A history of builds 0 to `last`, slow from `culprit` on. */
interface History {
  last: number;
  culprit: number;
  skipped?: Set<number>;
  /** What the comparison of two builds says, where it is not by the culprit. */
  says?: (build: number, against: number) => Found | undefined;
}

function search({ last, culprit, skipped = new Set(), says = () => undefined }: History) {
  const findings: Finding[] = [];
  for (let estimate = Infinity; ; ) {
    const step = next(last, findings);
    if (step.step !== 'compare') return { step, findings };
    const { build, against } = step;
    const left = stepsLeft(last, findings);
    if (skipped.size === 0 && left > estimate) throw new Error(`${left} steps left after ${estimate}`);
    estimate = left;
    if (findings.some((one) => one.build === build && one.against === against))
      throw new Error(`${build} against ${against} is measured twice`);
    if (!(build > against && build <= last && against >= 0)) throw new Error(`${build} against ${against}`);
    const byCulprit = skipped.has(build) ? 'skipped' : build >= culprit && against < culprit ? 'slow' : 'fast';
    findings.push({ build, against, found: says(build, against) ?? byCulprit });
  }
}

/** Repeatable numbers from 0 up to 1 (mulberry32). */
function numbers(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

t.test('every culprit of histories of 1 to 200 builds, in at most log2(n) + 2 comparisons', async (t) => {
  const wrong: string[] = [];
  let greatest = 0;
  for (let last = 1; last <= 200; last++) {
    const most = Math.ceil(Math.log2(last)) + 2;
    for (let culprit = 1; culprit <= last; culprit++) {
      const { step, findings } = search({ last, culprit });
      const right =
        step.step === 'answer' && step.after === culprit - 1 && step.upTo === culprit && step.verified === 'slow';
      if (!right || findings.length > most)
        wrong.push(`${culprit} of ${last}: ${JSON.stringify(step)} after ${findings.length}`);
      greatest = Math.max(greatest, findings.length);
    }
  }
  t.same(wrong, []);
  t.equal(greatest, 10, 'and not fewer than a binary search needs');
});

t.test('one build is one comparison: the first is the one with its parent', async (t) => {
  t.same(search({ last: 1, culprit: 1 }), {
    step: { step: 'answer', after: 0, upTo: 1, verified: 'slow' },
    findings: [{ build: 1, against: 0, found: 'slow' }],
  });
});

t.test('with builds that cannot be measured: the culprit, or the range that they leave', async (t) => {
  const wrong: string[] = [];
  let ranges = 0;
  for (let seed = 1; seed <= 3000; seed++) {
    const random = numbers(seed);
    const last = 1 + Math.floor(random() * 60);
    const culprit = 1 + Math.floor(random() * last);
    const share = random();
    const skipped = new Set(
      Array.from({ length: Math.max(0, last - 1) }, (_, i) => i + 1).filter(() => random() < share),
    );
    const { step, findings } = search({ last, culprit, skipped });
    // The narrowest range that can be known: from the last measurable build before the culprit to the first from it on.
    let [after, upTo] = [culprit - 1, culprit];
    while (skipped.has(after)) after--;
    while (skipped.has(upTo)) upTo++;
    const verified = upTo - after === 1 ? 'slow' : null;
    if (verified === null) ranges++;
    const right = step.step === 'answer' && step.after === after && step.upTo === upTo && step.verified === verified;
    const most = Math.ceil(Math.log2(last)) + 2 + 2 * skipped.size; // a skip costs itself, and an uneven split
    if (!right || findings.length > most) wrong.push(`seed ${seed}: ${JSON.stringify(step)} after ${findings.length}`);
  }
  t.same(wrong, []);
  t.ok(ranges > 300 && ranges < 2700, `${ranges} of 3000 were ranges`);
});

t.test('far away from what cannot be built', async (t) => {
  const skipped = new Set(Array.from({ length: 40 }, (_, i) => 30 + i));
  const { findings } = search({ last: 100, culprit: 10, skipped });
  t.ok(findings.filter(({ found }) => found === 'skipped').length <= 2, JSON.stringify(findings));
});

t.test('nothing to search for', async (t) => {
  for (const found of ['fast', 'skipped'] as const)
    t.same(search({ last: 9, culprit: 3, says: () => found }), {
      step: { step: 'nothing', found },
      findings: [{ build: 9, against: 0, found }],
    });
});

t.test('a verification that does not hold is no answer without doubt', async (t) => {
  for (const found of ['fast', 'skipped'] as const) {
    const { step } = search({ last: 9, culprit: 5, says: (_, against) => (against === 4 ? found : undefined) });
    t.same(step, { step: 'answer', after: 4, upTo: 5, verified: found });
  }
});
