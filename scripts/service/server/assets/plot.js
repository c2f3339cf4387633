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

/** A value as the tables show it. */
export function format(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '-';
  if (unit === 'ratio') return `${digits(value * 100)} %`;
  if (unit === '1/s') return `${value.toFixed(1)} /s`;
  const scales = SCALES[unit];
  if (!scales) return unit === 'count' ? digits(value) : `${digits(value)} ${unit}`;
  const [factor, name] = scales.find(([least]) => Math.abs(value) >= least * 0.9995) ?? scales.at(-1);
  return `${digits(value / factor)} ${name}`;
}

const digits = (value) => (value === 0 ? '0' : Math.abs(value) >= 99.95 ? String(Math.round(value)) : Math.abs(value) < 1e-6 ? value.toExponential(1) : value.toPrecision(3));

export const dataOf = (id) => JSON.parse(document.getElementById(id).textContent);

/** An element with a class and children; texts go in as text. */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
