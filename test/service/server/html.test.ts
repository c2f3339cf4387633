/** Texts of others on pages: escaped wherever they stand, plain in any direction, harmless as data. */
import t from 'tap';
import { html, jsonBlock, lines } from '../../../scripts/service/server/html.ts';
import { whatText } from '../../../scripts/service/server/pages/job-parts.ts';
import { errorPage } from '../../../scripts/service/server/pages/layout.ts';
import { compareUrl, runsTable, sideText, withQuery } from '../../../scripts/service/server/pages/parts.ts';
import { runsBody } from '../../../scripts/service/server/pages/runs-page.ts';
import { changeScale } from '../../../scripts/service/server/pages/svg/change.ts';
import { extent, logTicks, ticks } from '../../../scripts/service/server/pages/svg/scale.ts';
import { roundsStrip } from '../../../scripts/service/server/pages/svg/strip.ts';
import { HOSTILE } from '../../stories/site-runs.ts';

t.test('what is put in is escaped, in text and in attributes', async (t) => {
  t.equal(
    html`<p title="${`" onclick='x'`}">${'<b>&amp;</b>'}</p>`.text,
    '<p title="&quot; onclick=&#39;x&#39;">&lt;b&gt;&amp;amp;&lt;/b&gt;</p>',
  );
  t.equal(
    html`<ul>${[1, 'a<', html`<li>${'&'}</li>`]}</ul>`.text,
    '<ul>1a&lt;<li>&amp;</li></ul>',
    'what is HTML already stays',
  );
  t.equal(html`${null}${undefined}${false}${''}${0}`.text, '0');
});

t.test('nothing turns the text round or hides in it', async (t) => {
  t.equal(html`${'a\u202Eb\u2066c\u200Bd\u0007e\u001b[31mf'}`.text, 'a?b?c?d?ef');
  t.equal(lines('one\r\n\ttwo <\u202E>').text, 'one\n two &lt;?&gt;', 'lines stay lines');
});

t.test('data in a page cannot end its block', async (t) => {
  const value = { text: `</script><!--<script>${HOSTILE.subject}`, more: ['&amp;', '\u2028', 1.5, null] };
  const { text } = jsonBlock('data', value);
  const inside = /^<script type="application\/json" id="data">(.*)<\/script>$/.exec(text)![1]!;
  t.notMatch(inside, /[<>&\u2028\u202E]/);
  t.match(
    JSON.parse(inside),
    {
      text: /^<\/script><!--<script><\/script><img src=x onerror=alert\(1\)>"'><b>bold<\/b> \?gnp\.exe\?$/,
      more: ['&amp;', '?', 1.5, null],
    },
    'and is the same data',
  );
});

t.test('of alternating rounds the record counts blocks, and the list of runs rounds', async (t) => {
  const line = {
    run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA',
    benchmark: 'shop',
    status: 'complete' as const,
    started_at: '2026-01-02T03:04:05.678Z',
    pairing: 'alternating' as const,
    host_id: 'host-1',
    master: false,
    ref: 'main',
    commit: 'a'.repeat(40),
    rounds_asked: 2,
    rounds: 9,
    valid_rounds: 8,
  };
  t.match(runsTable('runs', [line]).text, '<td class="num">8 of 8</td>');
});

/** What a browser would make elements or attributes of. */
const harm = /<(script|img|iframe|svg\/|b>|i>)|[\u0000-\u0008\u001b\u202a-\u202e\u2066-\u2069]|\son\w+=[^&]*"/i;

t.test('hostile texts wherever they come in', async (t) => {
  const line = {
    run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA',
    benchmark: HOSTILE.benchmark,
    status: 'failed' as const,
    status_reason: HOSTILE.reason,
    started_at: '2026-01-02T03:04:05.678Z',
    pairing: 'solo' as const,
    host_id: HOSTILE.label,
    master: false,
    ref: HOSTILE.ref,
    commit: 'a'.repeat(40),
    subject: HOSTILE.subject,
    against: { ref: HOSTILE.label, commit: HOSTILE.label },
    rounds_asked: 3,
    rounds: 3,
    valid_rounds: 2,
  };
  const job = {
    job_id: '01JZZZZZZZZZZZZZZZZZZZZZZB',
    kind: 'new-test' as const,
    state: 'queued' as const,
    priority: 1,
    benchmark: HOSTILE.benchmark,
    commit: HOSTILE.label,
    ref: HOSTILE.ref,
    against: HOSTILE.reason,
    repository: HOSTILE.label,
    overrides: {},
    requested_by: HOSTILE.requester,
    created_at: '2026-01-02T03:04:05.678Z',
    deadline_s: 1,
    losses: 0,
    failures: 0,
    subject: HOSTILE.subject,
  };
  const made = {
    'a list of runs': runsTable(HOSTILE.label, [line]).text,
    'a side': sideText({ ref: HOSTILE.ref, commit: HOSTILE.label, subject: HOSTILE.subject }).text,
    'a job': whatText(job).text,
    'a drawing': roundsStrip({
      title: HOSTILE.label,
      unit: HOSTILE.label,
      sides: [
        {
          side: 'candidate',
          median: 1,
          min: 1,
          max: 1,
          interval: null,
          dots: [{ round: 1, value: 1, counts: false, why: [HOSTILE.reason] }],
        },
      ],
    }).text,
    'an error': /<main[^]*<\/main>/.exec(errorPage(404, `there is no run ${JSON.stringify(HOSTILE.subject)}`))![0],
  };
  for (const [name, text] of Object.entries(made)) {
    t.notMatch(text, harm, name);
    t.match(text, /&lt;(script|img|iframe)/, `${name}: they are shown, as text`);
  }
  t.equal(
    withQuery('/runs', { benchmark: HOSTILE.benchmark, commit: undefined, host: '' }),
    '/runs?benchmark=odd+%22name%22+%3Ci%3E%26',
  );
  t.equal(compareUrl('a&b=c', '"'), '/compare?a=a%26b%3Dc&b=%22');
});

t.test('the list of runs keeps what it was asked for: in its form, and on the pages that follow', async (t) => {
  const asked = { benchmark: 'shop', variant: `scaled"><i>`, status: 'complete' as const };
  const next = '01JZZZZZZZZZZZZZZZZZZZZZZA';
  const { text } = runsBody({ schema: 'mayfly.site-runs/v1', runs: [], next }, asked, ['shop']);
  t.match(text, /<label>Variant <input name="variant" value="scaled&quot;&gt;&lt;i&gt;"/);
  t.match(
    text,
    `<a href="/runs?benchmark=shop&amp;variant=scaled%22%3E%3Ci%3E&amp;status=complete&amp;after=${next}">Older</a>`,
  );
  t.match(text, '<a href="/runs">Clear</a>');
  t.notMatch(runsBody({ schema: 'mayfly.site-runs/v1', runs: [] }, {}, []).text, />Clear<|>Older</);
});

t.test('scales of drawings', async (t) => {
  t.same(ticks([0, 10], 5), [0, 2, 4, 6, 8, 10]);
  t.same(ticks([0.00118, 0.00132], 3), [0.0012, 0.00125, 0.0013]);
  t.same(ticks([3, 3], 4), [3]);
  t.same(logTicks([0.0002, 0.009]), [0.0002, 0.0005, 0.001, 0.002, 0.005]);
  t.same(extent([], 0.1), [0, 1]);
  const [low, high] = extent([1, 1.0001], 0.1);
  t.ok(low < 0.96 && high > 1.04, 'noise does not fill a drawing');
  const metric = {
    name: 'm',
    margin: 0.01,
    change: 0.02,
    interval: { level: 0.95, low: 0.01, high: 3 },
    verdict: null,
  };
  t.equal(changeScale([metric]), 0.25, 'one wide interval does not flatten all others');
});
