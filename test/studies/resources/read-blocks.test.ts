import t from 'tap';
import { parseDump, whyUnreadable } from '../../../scripts/studies/resources/read-blocks.ts';

t.test('lines of promtool’s dump become series', async (t) => {
  const labels = '__name__="container_memory_working_set_bytes", name="a\\"b", service="api", side="candidate"';
  const text = [
    `{${labels}} 5.24288e+07 1700000001000`,
    `{${labels}} 52428801 1700000000000`,
    `{${labels}} NaN 1700000000500`,
    `{__name__="container_cpu_usage_seconds_total", service="api"} 0.5 1700000000000`,
    'level=info msg="something else"',
    '',
  ].join('\n');
  t.strictSame(parseDump(text), [
    {
      labels: { __name__: 'container_memory_working_set_bytes', name: 'a"b', service: 'api', side: 'candidate' },
      values: [
        [1700000000000, 52428801],
        [1700000001000, 52428800],
      ],
    },
    {
      labels: { __name__: 'container_cpu_usage_seconds_total', service: 'api' },
      values: [[1700000000000, 0.5]],
    },
  ]);
});

t.test('why the blocks of a run cannot be read', async (t) => {
  const archive = { bucket: '/bucket', blocks: ['01A'], verified: true, pending: false };
  const of = (laid: object) => whyUnreadable({ archive: { ...archive, ...laid } }, { name: '/bucket' });
  t.equal(of({}), undefined);
  t.equal(whyUnreadable({}, { name: '/bucket' }), 'its metrics were never shipped');
  t.equal(of({ removed_at: '2026-01-02T03:04:05.000Z' }), 'its blocks were pruned on 2026-01-02');
  t.equal(of({ pending: true }), 'its metrics wait on this host: npm run archive:push ships them');
  t.equal(of({ bucket: 'S3 a/b' }), 'its blocks are in S3 a/b: name it by --archive=NAME or --objstore=FILE');
});
