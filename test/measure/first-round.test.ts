/** What the first round says of all that would follow. */
import t from 'tap';
import type { InvalidCode, SideName } from '../../scripts/documents/run.ts';
import { endingOf, type FirstRound } from '../../scripts/measure/first-round.ts';
import { aConfig } from '../fixtures/plan.ts';

const { load } = aConfig(); // 100/s for 10 s

interface Laid {
  codes?: InvalidCode[];
  failedShare?: number;
  way?: [kind: string, detail: string, count: number];
  name?: string;
  message?: string;
  request?: string;
  iterations?: number;
  ended?: number;
  outOfMemory?: boolean;
  /** Events that were left; the benchmark counts it as a failure. */
  left?: number | null;
  /** The same, where the benchmark does not. */
  leftOver?: number;
}

function first(side: SideName, laid: Laid = {}): FirstRound {
  const { failedShare = 0, way, iterations = 1000, ended = null, outOfMemory = false, name = 'search' } = laid;
  const codes: InvalidCode[] = [
    ...(laid.codes ?? []),
    ...(failedShare > 0 ? (['failed-requests'] as const) : []),
    ...(ended === null ? [] : (['restarted'] as const)),
    ...(iterations < 995 ? (['rate-missed'] as const) : []),
    ...(laid.left !== undefined || laid.leftOver !== undefined ? (['not-drained'] as const) : []),
  ];
  const failures = way
    ? [
        {
          kind: way[0],
          detail: way[1],
          count: way[2],
          example: { name, ...(laid.request ? { request: laid.request } : {}), message: laid.message ?? '' },
        },
      ]
    : [];
  return {
    document: { side, reasons: codes.map((code) => ({ code, message: '' })) },
    detail: {
      signals: {
        due: 1000,
        iterations,
        failedShare,
        services: [{ service: 'shop', ended, outOfMemory, throttledShare: 0 }],
        notDrained:
          laid.left === undefined && laid.leftOver === undefined
            ? null
            : {
                backlog: laid.left ?? laid.leftOver ?? null,
                waitedS: 31,
                allowedS: 30,
                isFailure: laid.left !== undefined,
              },
      },
      load: { requests: 1000, failures },
    },
  };
}
const both = (candidate: Laid, baseline: Laid = {}, same = false) =>
  endingOf([first('candidate', candidate), first('baseline', baseline)], load, same);
const ALL_503: Laid = { failedShare: 1, way: ['status', '503', 1000], message: 'status 503' };

t.test('events that are left, where the benchmark counts that as a failure', async (t) => {
  const what =
    '40 events were neither delivered nor dead-lettered 31.0s after the load ended (broker/drain allows 30.0s)';
  t.same(both({ left: 40 }), {
    of: 'candidate',
    words: `this commit leaves events behind; the baseline does not: ${what}`,
  });
  t.match(both({ left: 40 }, { left: 40 }), { of: 'nobody', words: /^neither side does well/ });
  t.match(both({}, { left: 40 }), { of: 'nobody', words: /^the baseline leaves events behind/ });
  t.match(endingOf([first('candidate', { left: 40 })], load, false), {
    of: 'nobody',
    words: `the service leaves events behind, so measuring again would tell the same: ${what}`,
  });
  t.equal(both({ leftOver: 40 }), null, 'else the round is INVALID, and measured again');
  t.equal(both({ left: null }), null, 'that nobody said how many is no failure of the commit');
});

t.test('the candidate dies or fails every request, and the baseline does well: its own matter', async (t) => {
  t.same(both(ALL_503), {
    of: 'candidate',
    words: 'this commit fails every request; the baseline does not: search: status 503 × 1000',
  });
  t.same(both({ ended: 7, codes: ['host-load'] }), {
    of: 'candidate',
    words: 'this commit dies under the load; the baseline does not: shop ended with exit code 7',
  });
  t.match(both({ ended: 137, outOfMemory: true }), { of: 'candidate', words: /exit code 137, out of memory$/ });
  t.match(both({ outOfMemory: true, codes: ['out-of-memory'] }), { words: /: shop went over its memory limit$/ });
  t.match(both(ALL_503, { codes: ['start-lag', 'host-load'] }), { of: 'candidate' }, 'it answered all the same');
  t.match(both({ ...ALL_503, way: ['refused', 'ECONNREFUSED', 1000], message: 'connect ECONNREFUSED 10.0.0.2:8080' }), {
    words: /: search: refused ECONNREFUSED × 1000 \(connect ECONNREFUSED 10\.0\.0\.2:8080\)$/,
  });
  t.match(both({ ...ALL_503, request: 'GET /search' }), { words: /: search \(GET \/search\): status 503 × 1000$/ });
  t.equal(both(ALL_503, {}, true), null, 'of one commit on both sides neither is to blame');
  t.equal(both({ failedShare: 0.4, way: ['status', '500', 400] }), null, 'some: the rounds go on');
});

t.test('the baseline does: no matter of the candidate', async (t) => {
  t.same(both({}, { ended: 7 }), {
    of: 'nobody',
    words: 'the baseline dies under the load; this commit does not, and is not to blame: shop ended with exit code 7',
  });
});

t.test('both sides fail: measuring again would tell the same', async (t) => {
  const again = 'so measuring again would tell the same';
  t.same(both(ALL_503, { ...ALL_503, way: ['status', '503', 999] }), {
    of: 'nobody',
    words: `neither side does well, ${again}: the candidate fails every request (search: status 503 × 1000), the baseline fails every request (search: status 503 × 999)`,
  });
  t.match(both(ALL_503, { ended: 3 }), { words: /the baseline dies under the load \(shop ended with exit code 3\)$/ });
  const some = (count: number, kind = 'status', detail = '404'): Laid => ({
    failedShare: count / 1000,
    way: [kind, detail, count],
    message: 'status 404, expected 200',
  });
  t.same(both(some(101), some(99)), {
    of: 'nobody',
    words: `both sides fail alike, ${again}: candidate search: status 404 × 101 (status 404, expected 200) of 1000 requests, baseline search: status 404 × 99 (status 404, expected 200) of 1000`,
  });
  t.equal(both(some(101), some(99, 'status', '500')), null, 'in another way');
  t.equal(both(some(101), some(3)), null, 'too seldom on one side');
  t.equal(both(some(101, 'timeout', ''), some(99, 'timeout', '')), null, 'as a host that stood still makes it');
  t.match(both(some(600, 'timeout', ''), some(700, 'timeout', '')), { of: 'nobody' });
  t.equal(both({ ...some(101), codes: ['host-load'] }, some(99)), null, 'the host was busy');
});

t.test('a rate that cannot be reached, with what can be', async (t) => {
  t.same(both({ iterations: 612 }, { iterations: 655 }), {
    of: 'nobody',
    words:
      'the rate of 100/s cannot be reached: candidate 61.2/s, baseline 65.5/s; 49/s probably can (--rate=49), and npm run capacity finds the highest rate',
  });
  t.match(both({ iterations: 612 }), { words: /: candidate 61\.2\/s, baseline 100\/s; 49\/s/ });
  t.equal(both({ iterations: 950 }), null, 'it may have been a moment');
  t.equal(both({ iterations: 612, codes: ['start-lag'] }), null, "the generator's matter");
  t.equal(both({ iterations: 612 }, { codes: ['host-steal'] }), null);
  t.same(endingOf([first('candidate', { iterations: 0 })], load, false), {
    of: 'nobody',
    words: 'the rate of 100/s cannot be reached: 0/s',
  });
  const stages = { ...load, model: { ...load.model, stages: [] } } as typeof load;
  t.match(
    endingOf([first('candidate', { iterations: 500 })], stages, false)!.words,
    /: 50\/s; 40\/s probably can, and/,
  );
  const closed = { kind: 'closed', users: 1, iterations: 1000, thinkS: 0, limitS: 10 } as const;
  t.equal(endingOf([first('candidate', { iterations: 500 })], { ...load, model: closed }, false), null);
});

t.test('one side alone', async (t) => {
  t.same(endingOf([first('candidate', ALL_503)], load, false), {
    of: 'nobody',
    words: 'the service fails every request, so measuring again would tell the same: search: status 503 × 1000',
  });
  t.equal(endingOf([first('candidate', { failedShare: 0.1, way: ['status', '500', 100] })], load, false), null);
  t.equal(endingOf([first('candidate')], load, false), null);
});

t.test('what disturbances do ends no run: a rate that is not reached, or failures alike', async (t) => {
  const ofPair = (laid: Laid) =>
    (['candidate', 'baseline'] as const).map((side) => {
      const one = first(side, laid);
      const signals = { ...one.detail.signals, hasDisturbances: true };
      return { ...one, detail: { ...one.detail, signals } };
    });
  const alike: Laid = { failedShare: 0.3, way: ['refused', 'ECONNREFUSED', 300] };
  t.not(both(alike, alike), null);
  t.equal(endingOf(ofPair(alike), load, false), null);
  t.not(both({ iterations: 500 }, { iterations: 500 }), null);
  t.equal(endingOf(ofPair({ iterations: 500 }), load, false), null);
});
