/** What the page of a run shows of the telemetry of its services. */
import t from 'tap';
import type { RoundDocument } from '../../../scripts/documents/run.ts';
import { telemetrySection } from '../../../scripts/service/server/pages/telemetry-parts.ts';
import { makeRound, makeRun } from '../../run-document.ts';

const numbers = { count: 1, rate: 1, sum: 1, mean: 0.1, min: 0, p50: 0, p90: 0, p95: 0.2, p99: 0, max: 1 };
const round = (valid: boolean): RoundDocument => ({
  ...makeRound('candidate', 1, {}),
  valid,
  telemetry: {
    labels: [{ service: 'shop', prefix: 'duration', label: '<b>/orders', unit: 's', ...numbers }],
    notes: ['shop: 3 <i>lines'],
  },
});

t.test('a table of the labels and the notes, with nothing of theirs as markup', async (t) => {
  const page = String(telemetrySection(makeRun({ rounds: [round(true)] })));
  t.match(page, '<h2 id="telemetry-title">Inside the service</h2>');
  t.match(page, '<th scope="row">shop: &lt;b&gt;/orders</th>');
  t.match(page, '<td class="num">100 ms</td>');
  t.match(page, '<li>telemetry of candidate, round 1: shop: 3 &lt;i&gt;lines</li>');
});

t.test('no round that counts, and no telemetry at all', async (t) => {
  t.match(String(telemetrySection(makeRun({ rounds: [round(false)] }))), 'No round that counts has telemetry.');
  t.equal(telemetrySection(makeRun({ rounds: [makeRound('candidate', 1, {})] })), false);
});
