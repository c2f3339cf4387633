// The history of one metric: a point a commit, its interval, the changes; by mouse, touch and keys.
import { axis, color, dataOf, element, keepDrawn, labels, uPlot, widthOf } from './plot.js';

export function drawHistory(box) {
  const { unit, points, changes } = dataOf('history-data');
  const readout = document.getElementById('history-readout');
  const button = document.getElementById('history-pick');
  let at = null;
  let marked = [];
  let picking = false;

  const open = (index) => location.assign(points[index].url);
  const mark = (index) => {
    marked = marked.includes(index) ? marked.filter((one) => one !== index) : [...marked, index];
    if (marked.length === 2) {
      const [a, b] = marked.toSorted((p, q) => p - q).map((one) => points[one].id);
      location.assign(`/compare?${new URLSearchParams({ a, b })}`);
    }
    readout.textContent = marked.length === 1 ? `Marked: ${points[marked[0]].words[1]}. Mark another one to compare them.` : '';
    plot().redraw(false);
  };
  const choose = (index, toMark) => (toMark || picking ? mark(index) : open(index));
  const go = (index) => {
    at = Math.max(0, Math.min(points.length - 1, index));
    const chart = plot();
    chart.setCursor({ left: chart.valToPos(at, 'x'), top: chart.valToPos(points[at].level, 'y') });
    readout.textContent = points[at].words.join(' · ');
  };

  const make = () => {
    const tip = element('div', 'tip');
    tip.hidden = true;
    const made = new uPlot({
      width: Math.max(200, box.clientWidth), height: box.clientHeight, legend: { show: false }, padding: [12, 14, 0, 0],
      scales: { x: { time: false, range: [-0.6, points.length - 0.4] }, y: { range: () => bounds(points) } },
      cursor: { drag: { x: false, y: false }, points: { size: 11, fill: color('candidate') }, y: false },
      series: [{}, { stroke: color('candidate'), width: 1.5, points: { show: true, size: 7, fill: color('candidate'), stroke: color('surface') } }],
      axes: [
        axis({ values: (_, places) => places.map((place) => dateOf(points[place])), incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], space: 90, size: 30 }),
        axis({ values: (_, places) => labels(places, unit), size: widthOf }),
      ],
      hooks: {
        drawSeries: [(chart) => intervals(chart, points)],
        drawAxes: [(chart) => changeLines(chart, changes)],
        draw: [(chart) => marked.forEach((index) => ring(chart, points[index], index))],
        setCursor: [(chart) => {
          const { idx, left } = chart.cursor;
          at = left >= 0 && idx !== null && idx !== undefined ? idx : at;
          show(tip, chart, left >= 0 ? points[idx] : undefined, idx, changes);
        }],
      },
    }, [points.map((_, i) => i), points.map(({ level }) => level)], box);
    made.over.append(tip);
    made.over.addEventListener('click', (event) => {
      if (made.cursor.idx !== null && made.cursor.idx !== undefined) choose(made.cursor.idx, event.shiftKey);
    });
    return made;
  };
  const plot = keepDrawn(box, make);

  box.addEventListener('keydown', (event) => {
    const to = { ArrowLeft: (at ?? points.length) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: points.length - 1 }[event.key];
    if (to !== undefined) go(to);
    else if (event.key === 'Enter' && at !== null) choose(at, event.shiftKey);
    else if (event.key === ' ' && at !== null) mark(at);
    else return;
    event.preventDefault();
  });
  button.addEventListener('click', () => {
    picking = !picking;
    marked = [];
    button.setAttribute('aria-pressed', String(picking));
    readout.textContent = picking ? 'Choose two points.' : '';
    plot().redraw(false);
  });
}

const dateOf = (point) => (point ? new Date(point.at * 1000).toISOString().slice(0, 10) : '');

function bounds(points) {
  const all = points.flatMap(({ level, low, high }) => [level, low ?? level, high ?? level]);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

function intervals(chart, points) {
  const { ctx } = chart;
  const half = 3 * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = color('candidate');
  ctx.globalAlpha = 0.5;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  points.forEach(({ low, high }, i) => {
    if (low === null) return;
    const [x, top, bottom] = [chart.valToPos(i, 'x', true), chart.valToPos(high, 'y', true), chart.valToPos(low, 'y', true)];
    ctx.moveTo(x, top);
    ctx.lineTo(x, bottom);
    for (const y of [top, bottom]) {
      ctx.moveTo(x - half, y);
      ctx.lineTo(x + half, y);
    }
  });
  ctx.stroke();
  ctx.restore();
}

/** What was refuted is not drawn. */
function changeLines(chart, changes) {
  const taken = [];
  for (const change of changes) if (change.state !== 'refuted') changeLine(chart, change, taken);
}

/** Between the point before and the first one after the change; its words in the first row where they touch no others (`taken`). */
function changeLine(chart, { index, state, worse, words }, taken) {
  const { ctx, bbox } = chart;
  const x = chart.valToPos(index - 0.5, 'x', true);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = state === 'confirmed' ? color(worse ? 'worse' : 'better') : color('muted');
  ctx.lineWidth = 1.5 * devicePixelRatio;
  if (state !== 'confirmed') ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'alphabetic';
  const { width } = ctx.measureText(words);
  const gap = 5 * devicePixelRatio;
  const left = x + width + 2 * gap < bbox.left + bbox.width ? x + gap : x - gap - width;
  let row = 0;
  while (taken.some((one) => one.row === row && one.left < left + width && left < one.left + one.width)) row++;
  taken.push({ row, left, width });
  ctx.fillText(words, left, bbox.top + (11 + 15 * row) * devicePixelRatio);
  ctx.restore();
}

function ring(chart, { level }, index) {
  const { ctx } = chart;
  ctx.save();
  ctx.strokeStyle = color('text');
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.arc(chart.valToPos(index, 'x', true), chart.valToPos(level, 'y', true), 8 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.stroke();
  ctx.restore();
}

function show(tip, chart, point, index, changes) {
  tip.hidden = !point;
  if (!point) return;
  const [value, ...rest] = point.words;
  const change = changes.find((one) => one.index === index);
  tip.replaceChildren(element('strong', '', value), ...[...rest, ...(change ? [`${change.state === 'open' ? 'suspected' : change.state} change: ${change.words}`] : [])].map((line) => element('div', '', line)));
  const left = chart.valToPos(index, 'x');
  const top = chart.valToPos(point.level, 'y');
  const { offsetWidth: width, offsetHeight: height } = tip;
  tip.style.left = `${Math.max(0, Math.min(left + 12, chart.over.clientWidth - width))}px`;
  tip.style.top = `${top > height + 14 ? top - height - 12 : top + 14}px`;
}
