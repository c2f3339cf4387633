// What both kinds of charts share: colours of the page, numbers with units, a size that follows the page. uPlot is a global of its own script.
export const uPlot = globalThis.uPlot;

export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Draws, and draws again when the page becomes light or dark, or the box another width. `make` gives a uPlot. */
export function keepDrawn(box, make) {
  let plot = make();
  const size = () => ({ width: Math.max(200, box.clientWidth), height: box.clientHeight });
  new ResizeObserver(() => {
    if (Math.abs(plot.width - size().width) > 1) plot.setSize(size());
  }).observe(box);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    plot.destroy();
    plot = make();
  });
  return () => plot;
}

export const axis = (more) => ({ stroke: color('muted'), font: '12px system-ui, sans-serif', grid: { stroke: color('grid'), width: 1 }, ticks: { stroke: color('grid'), width: 1, size: 4 }, ...more });

/** Room for the texts of an upright axis. */
export const widthOf = (_, texts) => 18 + 7 * Math.max(3, ...(texts ?? []).map((text) => text.length));

const SCALES = {
  s: [[1, 's'], [1e-3, 'ms'], [1e-6, 'µs']],
  bytes: [[1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB'], [1, 'B']],
};

/** As scripts/report/units.ts has it: the first scale that gives at least 1, else the last; a unit of one word gets prefixes below a tenth. */
function scaleOf(value, unit) {
  const magnitude = Math.abs(value);
  const scales = SCALES[unit];
  if (scales) return scales.find(([factor]) => magnitude >= factor * 0.9995) ?? scales.at(-1);
  if (unit === 'ratio') return [0.01, '%'];
  if (unit === '1/s') return [1, '/s'];
  if (unit === 'count') return [1, ''];
  if (value === 0 || magnitude >= 0.09995 || !/^\p{L}+$/u.test(unit)) return [1, unit];
  if (magnitude >= 1e-3 * 0.9995) return [1e-3, `m${unit}`];
  return magnitude >= 1e-6 * 0.9995 ? [1e-6, `µ${unit}`] : [1e-9, `n${unit}`];
}

const withUnit = (text, [, name]) => (name === '' ? text : `${text} ${name}`);

/** A value as the tables show it. */
export function format(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '-';
  if (unit === 'ratio') return `${digits(value * 100)} %`;
  if (unit === '1/s') return `${value === 0 || Math.abs(value) >= 1 ? value.toFixed(1) : digits(value)} /s`;
  if (unit === 'count' && Number.isInteger(value)) return String(value);
  const scale = scaleOf(value, unit);
  return withUnit(digits(value / scale[0]), scale);
}

/** The labels of an axis: all in one scale, with as many digits as the step between them needs, so that no two read alike. */
export function labels(values, unit) {
  const sorted = [...new Set(values)].filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length < 2) return values.map((value) => format(value, unit));
  const scale = scaleOf(Math.max(...sorted.map(Math.abs)), unit);
  const places = sorted.map((one) => one / scale[0]);
  const step = Math.min(...places.slice(1).map((one, i) => one - places[i]));
  let decimals = 0;
  while (decimals < 12 && places.some((one) => Math.abs(one - Number(one.toFixed(decimals))) > step / 20)) decimals++;
  return values.map((value) => (Number.isFinite(value) ? withUnit(value === 0 ? '0' : (value / scale[0]).toFixed(decimals), scale) : format(value, unit)));
}

const digits = (value) => (value === 0 ? '0' : Math.abs(value) >= 99.95 ? String(Math.round(value)) : Math.abs(value) < 1e-4 ? value.toExponential(2) : value.toPrecision(3));

export const dataOf = (id) => JSON.parse(document.getElementById(id).textContent);

/** An element with a class and children; texts go in as text. */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
