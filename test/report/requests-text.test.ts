/** The table of percentiles of single requests. */
import t from 'tap';
import { type RequestsReport, requestsText } from '../../scripts/report/requests-text.ts';
import { quantilesOf } from '../../scripts/requests/quantiles.ts';

t.test('a name all of whose requests have failed has no percentile', async (t) => {
  t.strictSame(quantilesOf(new Float32Array(), [0.5]), []);
  const line = (name: string, failed: number, values: number[]) => ({
    side: 'candidate' as const,
    name,
    requests: values.length + failed,
    failed,
    quantiles: quantilesOf(Float32Array.from(values), [0.5, 0.99]),
  });
  const document: RequestsReport = {
    schema: 'mayfly.requests-summary/v1',
    run_id: '01A',
    benchmark: 'shop',
    rounds: [1],
    left_out: [],
    requests: 4,
    of: 4,
    faults: [],
    remarks: [],
    lines: [line('gone', 2, []), line('page', 0, [0.25, 0.5])],
  };
  t.equal(
    requestsText(document, false).split('\n\n')[0],
    [
      'side       name  requests  failed     p50     p99',
      'candidate  gone         2       2       -       -',
      'candidate  page         2       0  375 ms  498 ms',
    ].join('\n'),
  );
});
