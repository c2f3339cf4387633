/** What Prometheus says of a target, with the limit that it does not say. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { unreached, unreachedText, type WantedTarget } from '../../scripts/stack/scrape.ts';

const wanted: WantedTarget = {
  targets: ['p-shop-1:8080'],
  labels: { side: 'candidate', service: 'shop', __metrics_path__: '/metrics' },
};
const said = (error: string) =>
  unreachedText(unreached([wanted], [{ job: 'services', url: 'http://p-shop-1:8080/metrics', up: false, error }])[0]!);

t.test('the limits are named with the target, and are those of the configuration', async (t) => {
  const yaml = readFileSync(join(import.meta.dirname, '../../prometheus/prometheus.yml'), 'utf8');
  for (const [error, text, configured] of [
    [
      'Get "http://p-shop-1:8080/metrics": context deadline exceeded',
      'context deadline exceeded: an answer may take 900 ms',
      'scrape_timeout: 900ms',
    ],
    [
      'sample limit exceeded',
      'sample limit exceeded: at most 20000 series of a target are taken',
      'sample_limit: 20000',
    ],
    ['body size limit exceeded', 'body size limit exceeded: an answer may have 16 MB', 'body_size_limit: 16MB'],
    [
      'label value length limit exceeded (metric: x, label name: sql, value: "SELECT", length: 1100, limit: 1024)',
      'label value length limit exceeded (metric: x, label name: sql, value: "SELECT", length: 1100, limit: 1024)',
      'label_value_length_limit: 1024',
    ],
  ] as const) {
    t.equal(said(error), `shop:8080/metrics (${text})`);
    t.match(yaml, configured);
  }
});
