// What the pages do beyond being read: charts, choosing two, and keeping up with what runs. They work without, but for the charts.
import { keepUp } from './live.js';

const pick = document.querySelector('form[data-pick]');
if (pick) pickTwo(pick);
const chart = document.getElementById('history-chart');
if (chart) (await import('./history.js')).drawHistory(chart);
const series = document.getElementById('series-data');
if (series) (await import('./series.js')).drawSeries(series);
if (document.getElementById('requests-data')) (await import('./requests.js')).drawRequests();
keepUp();

/** Says how many of two are ticked; the third tick takes the place of the first. */
function pickTwo(form) {
  const words = form.querySelector('[data-pick-words]');
  const button = form.querySelector('button');
  let order = [...form.querySelectorAll('input[name="run"]:checked')];
  const show = () => {
    button.disabled = order.length !== 2;
    words.textContent = order.length === 2 ? 'Two runs are ticked.' : order.length === 1 ? 'Tick one more run.' : 'Tick two runs.';
  };
  words.setAttribute('role', 'status');
  form.addEventListener('change', ({ target }) => {
    if (target.name !== 'run') return;
    order = order.filter((one) => one !== target);
    if (target.checked) order.push(target);
    if (order.length > 2) order.shift().checked = false;
    show();
  });
  show();
}
