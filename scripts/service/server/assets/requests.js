// Every request of a run: how its latency is distributed, its tail, and single requests over time, both sides over each other.
import { axis, color, dataOf, element, format, keepDrawn, uPlot, widthOf } from './plot.js';

/** Reads them when their place comes near: it is work for the server. */
export function drawRequests() {
  const place = document.getElementById('requests-charts');
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    watch.disconnect();
    draw(place, dataOf('requests-data'));
  }, { rootMargin: '300px' });
  watch.observe(place);
}

async function draw(place, { url, run_id }) {
  place.replaceChildren(said('Being read.'));
  try {
    const answer = await fetch(url);
    const view = await answer.json();
    if (!answer.ok) throw new Error(view.error ?? `HTTP ${answer.status}`);
    const remarks = view.reasons.map((reason) => element('p', 'muted', `${reason[0].toUpperCase()}${reason.slice(1)}.`));
    if (view.requests === 0) return place.replaceChildren(...remarks);
    const panels = element('div', 'panels', distribution(view), tail(view), scatter(view));
    place.replaceChildren(legend(view), panels, numbers(view), ...remarks, whereabouts(view, run_id));
    for (const panel of panels.children) panel.draw();
  } catch (error) {
    place.replaceChildren(element('p', 'notice', `The requests could not be read: ${error.message}`));
  }
}

function said(text) {
  const made = element('p', 'muted', text);
  made.setAttribute('role', 'status');
  return made;
}

const count = (number) => number.toLocaleString('en');
const many = (number, thing) => `${count(number)} ${thing}${number === 1 ? '' : 's'}`;
const wholeSides = ({ lines }) => lines.filter(({ name }) => name === null);
const shareName = (share) => (share === 0 ? 'min' : share === 1 ? 'max' : `p${Number((share * 100).toPrecision(12))}`);
const secondsAt = (line, share) => line.quantiles.find((one) => one.share === share)?.seconds;

function legend(view) {
  const keys = view.shares.map(({ side }) => element('span', `key ${side}`, side));
  const failed = view.points.some((side) => side.failed.some(Boolean)) ? [element('span', 'key failed', 'failed')] : [];
  return element('p', 'legend', ...keys, ...failed);
}

function whereabouts({ rounds, requests, of, places }, runId) {
  const cut = of > requests ? ` of ${count(of)} (the rest was beyond the cap)` : '';
  return element('p', 'muted', `${many(requests, 'request')}${cut} in ${many(rounds.length, 'round')}, in ${places.join(' and ')}. `, element('code', '', `npm run requests -- ${runId}`), ' asks for any percentile of them, or gives them all.');
}

const words = (view) => wholeSides(view).map((line) => `${line.side}: median ${format(secondsAt(line, 0.5), 's')}, ${shareName(0.99)} ${format(secondsAt(line, 0.99), 's')}, ${shareName(0.999)} ${format(secondsAt(line, 0.999), 's')} of ${many(line.requests, 'request')}`).join('; ');

function figure(title, text, className, make) {
  const box = element('div', 'plot');
  box.setAttribute('role', 'img');
  box.setAttribute('aria-label', `${title}. ${text}.`);
  const made = element('figure', `panel series-panel ${className}`, element('figcaption', '', title), box);
  made.draw = () => keepDrawn(box, () => make(box));
  return made;
}

const base = (box) => ({ width: Math.max(200, box.clientWidth), height: box.clientHeight, legend: { show: false }, padding: [8, 26, 0, 0], cursor: { drag: { x: false, y: false } } });
/** On a logarithmic scale every number between two powers of ten gets a line; only some get a text. */
const texts = (write) => (_, places) => places.map((place) => (place === null ? '' : write(place)));
const seconds = texts((value) => format(value, 's'));
const percent = (value) => `${value * 100 >= 1 ? Number((value * 100).toPrecision(3)) : (value * 100).toPrecision(1)} %`;
const line = (side) => ({ stroke: color(side), width: 1.6, dash: side === 'baseline' ? [6, 3] : undefined, points: { show: false } });

/** Middle of a bin on the logarithmic axis. */
const middles = ({ edges }) => edges.slice(1).map((edge, i) => Math.sqrt(edge * edges[i]));

function distribution(view) {
  return figure('Distribution of latency', words(view), '', (box) => new uPlot({
    ...base(box), scales: { x: { time: false, distr: 3 }, y: { range: (_, __, most) => [0, most * 1.05 || 1] } },
    series: [{}, ...view.shares.map(({ side }) => line(side))],
    axes: [axis({ values: seconds, space: 55, size: 28 }), axis({ values: texts(percent), size: widthOf })],
  }, [middles(view), ...view.shares.map(({ share }) => share)], box));
}

/** Share of the requests that were slower. */
function tail(view) {
  const above = view.shares.map(({ share }) => {
    let left = 1;
    return share.map((part) => (left = Math.max(0, left - part))).map((rest) => (rest > 1e-9 ? rest : null));
  });
  return figure('Tail: share of requests that are slower', words(view), '', (box) => new uPlot({
    ...base(box), scales: { x: { time: false, distr: 3 }, y: { distr: 3 } },
    series: [{}, ...view.shares.map(({ side }) => line(side))],
    axes: [axis({ values: seconds, space: 55, size: 28 }), axis({ values: texts(percent), size: widthOf })],
  }, [view.edges.slice(1), ...above], box));
}

function scatter(view) {
  const all = view.points.flatMap(({ side, due, latency, failed }) => due.map((at, i) => ({ side, at, value: latency[i], failed: failed[i] }))).filter(({ value }) => value > 0).sort((a, b) => a.at - b.at);
  const sides = view.points.map(({ side }) => side);
  const column = (wanted) => all.map((point) => (wanted(point) ? point.value : null));
  const dots = (stroke, size, width = 1) => ({ stroke, paths: () => null, points: { show: true, size, width, stroke, fill: stroke } });
  const title = `Single requests over the time since the window began: ${count(all.length)} of ${count(view.requests)}, the slowest among them`;
  return figure(title, words(view), 'wide', (box) => new uPlot({
    ...base(box), scales: { x: { time: false }, y: { distr: 3 } },
    series: [{}, ...sides.map((side) => dots(color(side), 2.5)), dots(color('worse'), 7)],
    axes: [axis({ values: texts((at) => `${at} s`), space: 60, size: 28 }), axis({ values: seconds, size: widthOf })],
  }, [all.map(({ at }) => at), ...sides.map((side) => column((point) => point.side === side && !point.failed)), column(({ failed }) => failed)], box));
}

/** Exact percentiles, by side and name. */
function numbers({ lines }) {
  const shares = (lines.find(({ quantiles }) => quantiles.length > 0)?.quantiles ?? []).map(({ share }) => share);
  const head = (text, className = '') => {
    const made = element('th', className, text);
    made.scope = 'col';
    return made;
  };
  const rows = lines.map(({ side, name, requests, failed, quantiles }) => {
    const first = element('th', '', side);
    first.scope = 'row';
    return element('tr', '', first, element('td', '', name ?? 'all'), ...[count(requests), count(failed), ...shares.map((share) => (secondsAt({ quantiles }, share) === undefined ? '-' : format(secondsAt({ quantiles }, share), 's')))].map((text) => element('td', 'num', text)));
  });
  const box = element('div', 'box tall', element('table', 'figures', element('thead', '', element('tr', '', head('Side'), head('Name'), ...['Requests', 'Failed', ...shares.map(shareName)].map((text) => head(text, 'num')))), element('tbody', '', ...rows)));
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', 'Percentiles of all requests');
  return element('details', '', element('summary', '', 'Percentiles as numbers'), box);
}
