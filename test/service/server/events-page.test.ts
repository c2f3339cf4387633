/** What the page of a run shows of its events. */
import t from 'tap';
import type { EventsDocument, RoundDocument, SideName } from '../../../scripts/documents/run.ts';
import { eventsSection } from '../../../scripts/service/server/pages/events-parts.ts';
import { backlogLines } from '../../../scripts/service/server/pages/svg/backlog.ts';
import { makeEvents } from '../../events/document.ts';
import { makeRound, makeRun } from '../../run-document.ts';

const round = (number: number, side: SideName, changes: Partial<EventsDocument> = {}): RoundDocument => ({
  ...makeRound(side, number, {}),
  events: makeEvents(changes),
});

t.test('tables, notes and the backlog, with nothing of others as markup', async (t) => {
  const [mail] = makeEvents({}).triggers;
  const bad = { lost: 3, notes: ['mail: 3 events lost: <b>a of b'], triggers: [mail!, { ...mail!, trigger: '<i>' }] };
  const { candidate } = makeRun().sides;
  const rounds = [round(1, 'candidate', bad), round(1, 'baseline')];
  const page = String(eventsSection(makeRun({ rounds, sides: { candidate, baseline: candidate } })));
  t.match(page, '<h2 id="events-title">Events</h2>');
  t.match(page, '<li>events of candidate, round 1: of 1,600 deliveries 3 lost</li>');
  t.match(page, '<li>events of candidate, round 1: mail: 3 events lost: &lt;b&gt;a of b</li>');
  t.match(page, '<tr><th scope="row">lost</th><td class="num">3</td><td class="num">0</td></tr>');
  t.match(page, '<tr><th scope="row">broker</th><td class="num">4.00 ms</td><td class="num">4.00 ms</td>');
  t.match(page, '<th scope="row">&lt;i&gt;, candidate</th>');
  t.match(page, 'aria-label="Backlog over time. baseline: at most 12. candidate: at most 12."');
  t.equal(page.match(/<polyline/g)!.length, 2);
});

t.test('one side alone; a round without figures of time; a run without events', async (t) => {
  const page = String(eventsSection(makeRun({ rounds: [round(1, 'candidate', { hops: [] })] })));
  t.match(page, '<tr><th scope="row">sent</th><td class="num">1,000</td></tr>');
  t.notMatch(page, 'From the scheduled time');
  t.notMatch(page, 'By trigger');
  t.equal(eventsSection(makeRun()), false);
});

t.test('the backlog in its drawing: time to the right, the load ends at its place', async (t) => {
  const points = [
    { at_s: 0, backlog: 0 },
    { at_s: 10, backlog: 4 },
    { at_s: 30, backlog: 0 },
  ];
  const drawing = String(backlogLines([{ side: 'candidate', round: 7, backlog: { peak: 4, points } }], 15));
  t.match(drawing, '<polyline class="line candidate" points="52,144 243.3,8 626,144">');
  t.match(drawing, '<line class="zero" x1="339" x2="339"');
  t.match(drawing, '<title>candidate, round 7: at most 4</title>');
  const empty = { peak: 0, points: [{ at_s: 0, backlog: 0 }] };
  t.match(String(backlogLines([{ side: 'candidate', round: 1, backlog: empty }], 15)), 'points="52,144"');
  t.equal(backlogLines([], 15), undefined);
});
