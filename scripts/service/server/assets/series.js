// Time series of one run, or of two laid over each other: a line for each round, by seconds since the start of its window.
import { axis, color, dataOf, element, format, keepDrawn, labels, uPlot, widthOf } from './plot.js';

export async function drawSeries() {
  const place = document.getElementById('series');
  const runs = dataOf('series-data');
  const marks = document.getElementById('series-marks') ? dataOf('series-marks') : [];
  try {
    const views = await Promise.all(runs.map(({ url }) => fetched(url)));
    const lines = views.flatMap((view, i) => linesOf(view, runs[i]));
    const remarks = views.map((view) => view.reason).filter(Boolean);
    const note = views.some(({ source }) => source === 'store') ? [element('p', 'muted', `One value for each round, from the store: the archive was not asked${remarks.length > 0 ? ` (${[...new Set(remarks)].join('; ')})` : ''}.`)] : [];
    place.replaceChildren(...note, lines.length === 0 ? element('p', 'muted', 'There is no value.') : legend(lines));
    const panels = element('div', 'panels');
    place.append(panels);
    for (const chart of views[0].charts) panels.append(...panelsOf(chart, lines.filter((line) => line.chart === chart.name), marks));
    for (const panel of panels.children) panel.draw();
  } catch (error) {
    place.replaceChildren(element('p', 'notice', `The series could not be fetched: ${error.message}`));
  }
}

async function fetched(url) {
  const answer = await fetch(url);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error ?? `HTTP ${answer.status}`);
  return body;
}

/** One for a chart; where several services were measured one for each. */
function panelsOf(chart, lines, marks) {
  const services = Map.groupBy(lines, ({ service }) => service);
  return [...services].map(([service, own]) => panel(services.size > 1 ? { ...chart, title: `${chart.title}: ${service ?? 'all'}` } : chart, own, marks));
}

/** What is drawn of a run: its lines, with whose they are. */
function linesOf({ charts }, { name, side }) {
  return charts.flatMap((chart) => {
    return chart.lines.filter((line) => !side || line.side === side).map((line) => ({ ...line, chart: chart.name, who: name || line.side, kind: name === 'A' ? 'baseline' : name === 'B' ? 'candidate' : line.side }));
  });
}

function legend(lines) {
  const whose = new Map(lines.map(({ who, kind }) => [who, kind]));
  return element('p', 'legend', ...[...whose].map(([who, kind]) => element('span', `key ${kind}`, who)));
}

function panel({ title, unit }, lines, marks) {
  const summaries = summarise(lines);
  const words = summaries.map(({ who, median, rounds }) => `${who}: median ${format(median, unit)} over ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`).join('; ');
  const box = element('div', 'plot');
  box.setAttribute('role', 'img');
  box.setAttribute('aria-label', `${title} over time. ${words}.`);
  const made = element('figure', 'panel series-panel', element('figcaption', '', title), box, element('p', 'muted', `${words}.`), numbers(title, unit, lines));
  made.draw = () => keepDrawn(box, () => plotOf(box, unit, lines, marks));
  return made;
}

/** `marks` are shaded behind the lines. */
function plotOf(box, unit, lines, marks) {
  const xs = [...new Set(lines.flatMap(({ t }) => t))].sort((a, b) => a - b);
  const place = new Map(xs.map((x, i) => [x, i]));
  const values = lines.map(({ t, v }) => {
    const row = new Array(xs.length).fill(null);
    t.forEach((x, i) => { row[place.get(x)] = v[i]; });
    return row;
  });
  return new uPlot({
    width: Math.max(200, box.clientWidth), height: box.clientHeight, legend: { show: false }, padding: [8, 18, 0, 0],
    scales: { x: { time: false } }, cursor: { drag: { x: false, y: false } },
    hooks: { drawClear: [(plot) => shade(plot, marks)] },
    series: [{}, ...lines.map(({ kind, counts }) => ({ stroke: color(kind), alpha: counts ? 0.7 : 0.3, width: 1.3, dash: counts ? undefined : [3, 4], spanGaps: true, points: { show: false } }))],
    axes: [axis({ values: (_, places) => places.map((one) => `${one} s`), space: 60, size: 28 }), axis({ values: (_, places) => labels(places, unit), size: widthOf })],
  }, [xs, ...values], box);
}

/** A ground for each, and over all of them an edge where each begins. */
function shade(plot, marks) {
  const { ctx, bbox } = plot;
  const place = (second) => plot.valToPos(Math.min(second, plot.scales.x.max), 'x', true);
  ctx.save();
  ctx.fillStyle = color('margin-ground');
  for (const { from_s, to_s } of marks) ctx.fillRect(place(from_s), bbox.top, place(to_s) - place(from_s), bbox.height);
  ctx.fillStyle = color('mark');
  for (const { from_s } of marks) ctx.fillRect(place(from_s), bbox.top, devicePixelRatio, bbox.height);
  ctx.restore();
}

const middle = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const known = ({ t, v }) => v.filter((value, i) => value !== null && t[i] >= 0);

function summarise(lines) {
  return [...Map.groupBy(lines.filter(({ counts }) => counts), ({ who }) => who)].flatMap(([who, own]) => {
    const values = own.flatMap(known);
    return values.length === 0 ? [] : [{ who, median: middle(values), rounds: new Set(own.map(({ round }) => round)).size }];
  });
}

/** The same as numbers: of each round within its window. */
function numbers(title, unit, lines) {
  const rows = lines.filter((line) => known(line).length > 0).map((line) => {
    const values = known(line);
    const cells = [Math.min(...values), middle(values), Math.max(...values)].map((value) => element('td', 'num', format(value, unit)));
    const head = element('th', '', `${line.round}`);
    head.scope = 'row';
    return element('tr', '', head, element('td', '', line.who), ...cells);
  });
  const heads = [['Round', ''], ['Of', ''], ['Least', 'num'], ['Median', 'num'], ['Greatest', 'num']].map(([text, className]) => {
    const head = element('th', className, text);
    head.scope = 'col';
    return head;
  });
  const box = element('div', 'box tall', element('table', 'figures', element('thead', '', element('tr', '', ...heads)), element('tbody', '', ...rows)));
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', `${title}, round by round`);
  return element('details', '', element('summary', '', 'The same as numbers'), box);
}
