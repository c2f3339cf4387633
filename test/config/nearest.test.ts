import t from 'tap';
import { BUILTIN_METRICS } from '../../scripts/config/metric-defaults.ts';
import { didYouMean, nearest } from '../../scripts/config/nearest.ts';

const METRICS = BUILTIN_METRICS.map(({ name }) => name);

t.test('a metric by another name of its statistic is the one that it means', async (t) => {
  for (const [word, meant] of [
    ['latency_p50', 'latency_med'],
    ['latency_50', 'latency_med'],
    ['latency_median', 'latency_med'],
    ['Latency-P50', 'latency_med'],
    ['response_p50', 'response_med'],
    ['latency_mean', 'latency_avg'],
    ['latency_average', 'latency_avg'],
    ['latency_p100', 'latency_max'],
    ['latency_maximum', 'latency_max'],
    ['latency_95', 'latency_p95'],
    ['latency_p99th', 'latency_p99'],
  ] as const)
    t.equal(nearest(word, METRICS), meant, word);
});

t.test('what is only misspelt is found by its letters, and what is far by nothing', async (t) => {
  for (const [word, meant] of [
    ['latency_p96', 'latency_p90'],
    ['latncy_p95', 'latency_p95'],
    ['memory_peek', 'memory_peak'],
    ['throughput', undefined],
  ] as const)
    t.equal(nearest(word, METRICS), meant, word);
  t.equal(didYouMean('durration', ['rate', 'duration']), ' (did you mean duration?)');
  t.equal(didYouMean('zzz', ['rate', 'duration']), '');
});
