/** Drawings of what was done to a deployment: disturbances and the autoscaler, over the seconds of the window. */
import t from 'tap';
import type { RoundDocument, RunDocument, SideName } from '../../../scripts/documents/run.ts';
import { autoscaleSection } from '../../../scripts/service/server/pages/autoscale-parts.ts';
import { disturbancesSection } from '../../../scripts/service/server/pages/disturbances-parts.ts';
import { seriesChart } from '../../../scripts/service/server/pages/series-parts.ts';
import {
  disturbanceMarks,
  disturbanceStrip,
  disturbedRounds,
} from '../../../scripts/service/server/pages/svg/disturbances.ts';
import { makeRound, makeRun } from '../../run-document.ts';

type Disturbed = NonNullable<RoundDocument['disturbances']>[number];
type Decision = NonNullable<RoundDocument['autoscale']>['decisions'][number];

const HOSTILE = `</svg><script>alert(1)</script>" onload='x`;

/** From the left edge of the drawing of disturbances: one second of a window of 35 s is 10 units. */
const [WINDOW_S, LEFT] = [35, 112];
const x = (second: number): string => String(LEFT + 10 * second);

const disturbed = (change: Partial<Disturbed> = {}): Disturbed => ({
  kind: 'pause',
  service: 'api',
  at_s: 5,
  ended_s: 8,
  requests: 100,
  failed_requests: 3,
  recovery_s: 4,
  p99_inside: 0.1,
  p99_outside: 0.01,
  actions: [],
  ...change,
});
const round = (
  side: SideName,
  number: number,
  disturbances: Disturbed[] | undefined,
  reasons: RoundDocument['reasons'] = [],
): RoundDocument => ({
  ...makeRound(side, number, {}, reasons),
  window_s: WINDOW_S,
  ...(disturbances ? { disturbances } : {}),
});
const strip = (...rounds: RoundDocument[]): string => String(disturbanceStrip(disturbedRounds(rounds)));
const all = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, found]) => found!);
const bars = (text: string): string[] => all(text, /<rect class="bar \w+" (x="[\d.]+" width="[\d.]+")/g);
const tops = (text: string): number[] => all(text, /<rect class="bar [^>]* y="([\d.]+)"/g).map(Number);

t.test('a disturbance stands at its seconds: its bar, the line to its recovery, its steps, the axis', async (t) => {
  const actions = [
    { at_s: 5.5, what: 'api-1 stands still' },
    { at_s: 8, what: 'api-1 goes on' },
  ];
  const drawing = strip(round('candidate', 1, [disturbed({ actions })]));
  t.same(bars(drawing), [`x="${x(5)}" width="30"`]);
  t.match(drawing, `<line class="line candidate" x1="${x(5)}" x2="${x(9)}"`, 'recovered 4 s after its begin');
  t.same(all(drawing, /<line class="step" (x1="\d+" x2="\d+")/g), [
    `x1="${x(5.5)}" x2="${x(5.5)}"`,
    `x1="${x(8)}" x2="${x(8)}"`,
  ]);
  t.match(drawing, '<title>5.5 s: api-1 stands still</title>');
  t.same(
    all(drawing, /<text x="(\d+)" y="\d+" text-anchor="middle">/g),
    [0, 10, 20, 30].map(x),
    'the seconds of the axis are on the same scale',
  );
  t.same(all(drawing, /text-anchor="middle">([^<]+)</g), ['0 s', '10 s', '20 s', '30 s']);
  t.match(drawing, `<line class="begin" x1="${x(5)}" x2="${x(5)}"`);
  t.match(drawing, `<text class="name" x="${x(5)}" y="16">pause of api</text>`, 'its name stands where it begins');
});

t.test('recovered before it was over, at once, or never; what is beyond the window is not drawn into it', async (t) => {
  const line = (change: Partial<Disturbed>) =>
    all(strip(round('candidate', 1, [disturbed(change)])), /<line class="line candidate" x1="\d+" x2="([\d.]+)"/g)[0];
  t.equal(line({ recovery_s: 1 }), x(6), 'not until it was over');
  t.equal(line({ recovery_s: 0 }), x(5));
  t.equal(line({ recovery_s: null }), x(WINDOW_S));
  const late = strip(
    round('candidate', 1, [
      disturbed({ ended_s: 48, recovery_s: null, actions: [{ at_s: 47, what: 'api-2 is healthy' }] }),
    ]),
  );
  t.same(bars(late), [`x="${x(5)}" width="300"`], 'to the end of the window');
  t.notMatch(late, 'class="step"', 'a step after the window has no place in it');
  t.match(late, 'from 5.0 s to 48.0 s, not recovered');
  t.match(strip(round('candidate', 1, [disturbed({ ended_s: 5 })])), 'width="1.2"', 'what takes no time is seen');
});

t.test(
  'disturbances that overlap lie under each other, others in one line; names never lie over each other',
  async (t) => {
    const drawing = strip(
      round('candidate', 1, [
        disturbed({ kind: 'rolling-update', at_s: 2, ended_s: 9, recovery_s: 0 }),
        disturbed({ kind: 'network-delay', service: 'db', at_s: 6, ended_s: 12, recovery_s: 0 }),
        disturbed({ at_s: 8, ended_s: 10, recovery_s: 0 }),
        disturbed({ kind: 'restart', at_s: 20, ended_s: 21, recovery_s: 0 }),
      ]),
    );
    const [rolling, delay, pause, restart] = tops(drawing) as [number, number, number, number];
    t.ok(delay >= rolling + 8 && pause >= delay + 8, `bars of 8 at ${rolling}, ${delay} and ${pause}`);
    t.equal(restart, rolling, 'what begins later has the first lane again');
    const names = [...drawing.matchAll(/class="name" x="([\d.]+)" y="(\d+)">([^<]+)/g)].map(([, at, y, text]) => ({
      from: Number(at),
      to: Number(at) + 8 * text!.length,
      y,
    }));
    t.equal(names.length, 4);
    for (const one of names) {
      t.ok(one.from >= 0 && one.to <= 480, 'within the drawing');
      for (const other of names)
        if (one !== other) t.ok(one.y !== other.y || one.to <= other.from || other.to <= one.from, 'apart');
    }
    const slow = strip(
      round('candidate', 1, [disturbed({ recovery_s: 20 }), disturbed({ kind: 'restart', at_s: 15, ended_s: 16 })]),
    );
    t.not(tops(slow)[0], tops(slow)[1], 'the line of one to its recovery is not under the bar of the next');
  },
);

t.test('a line for each round and side; one that does not count is pale and has its mark', async (t) => {
  const invalid = { code: 'disturbance-failed' as const, message: 'so' };
  const rounds = [
    round('candidate', 1, [disturbed()]),
    round('baseline', 1, [disturbed({ recovery_s: null })]),
    round('candidate', 2, [disturbed({ at_s: 9 })], [invalid]),
    round('baseline', 2, undefined),
  ];
  const drawing = strip(...rounds);
  t.same(all(drawing, /text-anchor="end">([^<]+)</g), ['candidate 1', 'baseline 1', 'candidate 2 ×']);
  t.equal(drawing.match(/<g class="uncounted">/g)!.length, 1);
  t.equal(new Set(tops(drawing)).size, 3);
  t.match(drawing, 'pause of api, candidate, round 2 (does not count): from 9.0 s to 8.0 s');
  t.match(
    drawing,
    'aria-label="Disturbances over a window of 35.0 s, the median over rounds. pause of api: candidate from 5.0 s to 8.0 s, recovered after 4.0 s; baseline from 5.0 s to 8.0 s, not recovered."',
    'without what does not count',
  );
  t.same(disturbanceMarks(disturbedRounds(rounds)), [{ name: 'pause of api', from_s: 5, to_s: 8 }]);
  const many = disturbedRounds(Array.from({ length: 30 }, (_, i) => round('candidate', i + 1, [disturbed()])));
  t.match(many, { left: 6 });
  t.equal(bars(String(disturbanceStrip(many))).length, 24);
});

t.test('the section: a legend, what is not drawn, every step in a table; nothing without disturbances', async (t) => {
  const { candidate } = makeRun().sides;
  const actions = [{ at_s: 5, what: 'api-1 stands still' }];
  const rounds = Array.from({ length: 26 }, (_, i) => round('candidate', i + 1, [disturbed({ actions })]));
  const page = String(disturbancesSection(makeRun({ rounds, sides: { candidate, baseline: candidate } })));
  t.match(page, '<span class="key candidate">candidate</span><span class="key baseline">baseline</span></p>');
  t.match(page, 'each upright mark is a step. 2 more lines are not drawn.</figcaption>');
  t.match(
    page,
    /aria-label="Steps of the disturbances"[^]*<td>pause of api<\/td><td class="num">5\.0 s<\/td><td class="wide">api-1 stands still<\/td>/,
  );
  const alone = String(disturbancesSection(makeRun({ rounds: rounds.slice(0, 1) })));
  t.notMatch(alone, /key baseline|key void|not drawn/);
  const bad = round('candidate', 1, [disturbed()], [{ code: 'disturbance-failed', message: 'so' }]);
  t.match(String(disturbancesSection(makeRun({ rounds: [bad] }))), '<span class="key void">does not count</span>');
  t.equal(disturbancesSection(makeRun()), false);
  t.equal(disturbanceStrip(disturbedRounds(makeRun().rounds)), undefined);
});

t.test('the charts of the run have the same seconds shaded, in words too', async (t) => {
  const marks = [
    { name: 'pause of api', from_s: 5, to_s: 8 },
    { name: `kill-replica of ${HOSTILE}`, from_s: 20, to_s: 20.01 },
  ];
  const page = String(seriesChart('Over time', [{ id: 'A', name: '' }], marks));
  t.match(page, 'the median over rounds: pause of api from 5.0 s to 8.0 s, kill-replica of &lt;/svg&gt;');
  t.match(page, ' at 20.0 s.</p>');
  const block = /<script type="application\/json" id="series-marks">(.*?)<\/script>/.exec(page)![1]!;
  t.same(JSON.parse(block), marks);
  t.notMatch(String(seriesChart('Over time', [{ id: 'A', name: '' }])), /series-marks|Shaded/);
});

/** One second of a window of 39.6 s is 10 units. */
const SCALED_S = 39.6;
const decision = (at_s: number, replicas: number, desired: number, utilisation = 0.5): Decision => ({
  at_s,
  replicas,
  utilisation,
  desired,
  why: `ceil(<${replicas}>) = ${desired}`,
});
const scaled = (side: SideName, number: number, ...decisions: Decision[]): RoundDocument => ({
  ...makeRound(side, number, {}),
  window_s: SCALED_S,
  autoscale: { service: 'api', decisions, replicas_avg: 3, settled_s: 6 },
});
const autoscale = (target: number) => ({
  deployment: { autoscale: { service: 'api', metric: 'memory' as const, target, min: 1, max: 6, cooldown_s: 15 } },
});
function scaledPage(rounds: RoundDocument[], laid: Partial<RunDocument> = {}): string {
  const { candidate } = makeRun().sides;
  return String(
    autoscaleSection(makeRun({ rounds, sides: { candidate: { ...candidate, ...autoscale(0.5) } }, ...laid })),
  );
}
const curves = (page: string, kind: string): string[] =>
  all(page, new RegExp(`<polyline class="line ${kind}" points="([^"]*)"`, 'g'));

t.test(
  'the autoscaler: replicas as steps and utilisation as a line, under the load, at the same seconds',
  async (t) => {
    const { load } = makeRun();
    const stages = [
      { rate: 3, duration_s: 8 },
      { rate: 10, duration_s: 0.1 },
      { rate: 10, duration_s: 31.5 },
    ];
    const mean = (3 * 8 + 6.5 * 0.1 + 10 * 31.5) / 39.6;
    const page = scaledPage(
      [scaled('candidate', 1, decision(0, 2, 2, 0.25), decision(6, 2, 4, 1), decision(8, 4, 4, 0.5))],
      {
        load: { ...load, rate: mean, stages, duration_s: 39.6 },
      },
    );
    t.same(curves(page, 'load'), ['66,65.4 146,65.4 147,8 462,8'], 'from 3 to 10 a second at 8 s');
    t.same(curves(page, 'candidate'), [
      '66,49 126,49 126,8 146,8 146,8 462,8', // 2 replicas until 6 s, then 4
      '66,69.5 126,8 146,49', // 25 %, 100 %, 50 %
    ]);
    t.match(
      page,
      'aria-label="Load over a window of 39.6 s. Requests that were due for each side, from 3.0 /s at the start to 10.0 /s at the end."',
    );
    t.match(
      page,
      /aria-label="Replicas over a window of 39\.6 s\. candidate: 2 to 4 replicas of api, 3\.0 on average; 1 change in 1 round; settled after 6\.0 s\."/,
    );
    t.match(page, 'aria-label="Utilisation over a window of 39.6 s. candidate: 25.0 % to 100 %; 50.0 % is aimed at."');
    t.match(
      page,
      '<line class="zero" x1="66" x2="462" y1="49" y2="49"><title>the utilisation that is aimed at, candidate: 50.0 %</title>',
    );
    t.equal(page.match(/<tr><th scope="row">candidate/g)!.length, 1, 'the one change is in the table');
    t.match(page, 'ceil(&lt;2&gt;) = 4');
    t.match(page, '<p class="legend"><span class="key candidate">candidate</span></p>');
  },
);

t.test('whole replicas on the axis; a load that nobody knows beforehand is not drawn', async (t) => {
  const still = [scaled('candidate', 1, decision(0, 1, 1))];
  const axis = (page: string) => all(/aria-label="Replicas[^]*?<\/svg>/.exec(page)![0], /text-anchor="end">([^<]*)</g);
  t.same(axis(scaledPage(still)), ['0', '1']);
  t.same(axis(scaledPage([scaled('candidate', 1, decision(0, 2, 6))])), ['0', '1', '2', '3', '4', '5', '6']);
  const { load } = makeRun();
  t.same(curves(scaledPage(still), 'load'), ['66,8 266,8'], 'one rate for the 20 s of the load');
  for (const laid of [{ model: 'closed' }, { model: 'scenarios' }, { arrivals: 'file' }] as const) {
    const page = scaledPage(still, { load: { ...load, ...laid } });
    t.same(curves(page, 'load'), [], JSON.stringify(laid));
    t.notMatch(page, 'aria-label="Load');
  }
});

t.test('each side has the target of its own; a side without an autoscaler has none', async (t) => {
  const { candidate } = makeRun().sides;
  const rounds = [scaled('baseline', 1, decision(0, 2, 2, 0.4))];
  const plain = { ...candidate, deployment: { replicas: { api: 2 } } };
  const page = scaledPage(rounds, { sides: { candidate: plain, baseline: { ...candidate, ...autoscale(0.8) } } });
  t.match(page, 'baseline: 40.0 % to 40.0 %; 80.0 % is aimed at.');
  t.match(page, '<title>the utilisation that is aimed at, baseline: 80.0 %</title>');
  t.match(page, '<p class="legend"><span class="key baseline">baseline</span></p>');
  const both = scaledPage([...rounds, scaled('candidate', 1, decision(0, 2, 2, 0.4))], {
    sides: { candidate: { ...candidate, ...autoscale(0.5) }, baseline: { ...candidate, ...autoscale(0.8) } },
  });
  t.same(all(both, /<title>(the utilisation that[^<]*)</g), [
    'the utilisation that is aimed at, candidate: 50.0 %',
    'the utilisation that is aimed at, baseline: 80.0 %',
  ]);
  t.equal(autoscaleSection(makeRun()), false, 'nothing without an autoscaler');
});

t.test('texts of others stay texts in both drawings', async (t) => {
  const action = { at_s: 6, what: HOSTILE };
  const hurt = round('candidate', 1, [disturbed({ service: HOSTILE, actions: [action], why: HOSTILE })]);
  const one = { ...decision(0, 2, 3), why: HOSTILE };
  const made = scaled('candidate', 1, one);
  const pages = [
    String(disturbancesSection(makeRun({ rounds: [hurt] }))),
    scaledPage([{ ...made, autoscale: { ...made.autoscale!, service: HOSTILE } }]),
  ];
  for (const page of pages) {
    t.notMatch(page, /<script|" onload/);
    t.equal(page.match(/<\/svg>/g)!.length, page.match(/<svg /g)!.length, 'no drawing ends early');
    t.match(page, '&lt;/svg&gt;&lt;script&gt;alert(1)');
  }
  t.match(pages[0], /class="name"[^>]*>pause of &lt;\/svg&gt;[^<]*<\/text>/);
  const long = strip(round('candidate', 1, [disturbed({ service: 'a'.repeat(200) })]));
  t.match(long, /class="name" x="22" y="16">pause of a{45}…</, 'a name is cut where it would not fit');
  t.match(long, `pause of ${'a'.repeat(200)}, candidate`, 'and whole on hover');
});
