/** An alert for the tests of the channels by which it goes out. */
import type { AlertDocument } from '../../../scripts/service/tell/alert.ts';

const [BEFORE, COMMIT] = ['1'.repeat(40), '2'.repeat(40)];

export const makeAlert = (laid: Partial<AlertDocument> = {}): AlertDocument => ({
  schema: 'mayfly.alert/v1',
  id: '0123456789abcdef',
  benchmark: 'shop',
  host_id: 'h0st',
  before: BEFORE,
  commit: COMMIT,
  subject: 'Search twice',
  changes: [
    { metric: 'latency_med', worse: true, ratio: 1.052, words: 'latency med 5.2 % slower', run_id: 'R' },
    { metric: 'cpu_seconds_per_request', worse: true, ratio: 1.057, words: 'CPU per request 5.7 % more', run_id: 'R' },
  ],
  bisect: 'npm run bisect -- --benchmark=shop --good=111111111111 --bad=222222222222',
  repository: 'acme/shop',
  links: {
    run: 'https://m.example.org/runs/R',
    benchmark: 'https://m.example.org/benchmarks/shop',
    compare: `https://github.com/acme/shop/compare/${BEFORE}...${COMMIT}`,
  },
  ...laid,
});

/** What somebody might write as the first line of a commit message. */
export const NASTY =
  '<!channel> <https://evil.example|click> & `x` *b* @team #1 </code>\r\nBcc: all@example.org\u202e $(touch x) ![i](http://e)';
