/** How a round keeps its disturbances. */
import t from 'tap';
import { disturbancesOf, figuresOf } from '../../../scripts/measure/disturb/figures.ts';
import { requestsFile } from '../../../scripts/requests/view.ts';
import { folder, makeRequests, RUN, writeRound } from '../../requests/made.ts';

const done = (at_s: number, ended_s: number) => ({
  kind: 'pause' as const,
  service: 'api',
  at_s,
  ended_s,
  actions: [{ at_s, what: 'api-1 is paused' }],
});
const span = (failed: number, recoveryS: number | null) => ({ requests: 100, failed, recoveryS, p99Inside: 0.2 });

t.test('figures beside what was done, and the samples of both together', async (t) => {
  const figures = { spans: [span(3, 1.5), span(0, null)], failed: 3, p99Inside: 0.3, p99Outside: 0.01 };
  const { disturbances, samples, failures } = disturbancesOf([done(5, 6), done(8, 9)], figures, 12);
  t.same(disturbances[0], {
    ...done(5, 6),
    requests: 100,
    failed_requests: 3,
    recovery_s: 1.5,
    p99_inside: 0.2,
    p99_outside: 0.01,
  });
  t.equal(disturbances[1]!.recovery_s, null);
  t.same(samples, {
    disturbed_failures: { value: 3, unit: 'count' },
    recovery_time: { value: 4, unit: 's' },
    disturbed_p99: { value: 0.3, unit: 's' },
    steady_p99: { value: 0.01, unit: 's' },
  });
  t.same(failures, []);
});

t.test('what could not be carried out, or not within the window, is a reason', async (t) => {
  const figures = { spans: [span(0, 0)], failed: 0, p99Inside: null, p99Outside: null };
  const message = (one: Parameters<typeof disturbancesOf>[0][number]) => disturbancesOf([one], figures, 12).failures;
  t.same(message({ ...done(5, 13.04) }), [
    {
      code: 'disturbance-failed',
      message:
        'pause of api at 5.0s could not be carried out: it was over 1.0 s after the window, which has 12.0 s: make load/duration longer, or begin it earlier',
    },
  ]);
  const failed = disturbancesOf([{ ...done(5, 6), failure: 'no replica of api takes requests' }], figures, 12);
  t.equal(
    failed.failures[0]!.message,
    'pause of api at 5.0s could not be carried out: no replica of api takes requests',
  );
  t.notOk('failure' in failed.disturbances[0]!);
});

t.test('without the requests nothing is known of what it caused: the round is INVALID', async (t) => {
  const dir = folder(t);
  const where = { runDir: dir, runId: RUN, round: 1, windowS: 10 };
  const wanted = [{ side: 'candidate' as const, done: [done(1, 1.2)] }];
  const missing = await figuresOf(wanted, where);
  const { failures, samples } = disturbancesOf(wanted[0]!.done, missing as string, 10);
  t.same(samples, {});
  t.equal(
    failures[0]!.message,
    'what the disturbances caused is not known: the file with the requests of the round is missing',
  );
  await writeRound(requestsFile(dir, 1), 1, makeRequests(8000));
  const figures = await figuresOf([...wanted, { side: 'baseline', done: [done(2, 3)] }], where);
  if (typeof figures === 'string') return void t.fail(figures);
  t.equal(figures.length, 2);
  await writeRound(requestsFile(dir, 2), 2, makeRequests(100), { more: { of: '200' } });
  t.equal(
    await figuresOf(wanted, { ...where, round: 2 }),
    'has only 100 of its 200 requests: make the window shorter, or the rate lower',
  );
  t.ok(figures.every(({ spans, p99Inside, p99Outside }) => spans[0]!.recoveryS !== null && p99Inside && p99Outside));
});
