/** The last log lines of a run, and a form to choose among them. */
import { lineText } from '../../../logs/format.ts';
import type { LogEntry } from '../../../logs/kept.ts';
import { LEVELS } from '../../../logs/parse.ts';
import { moreOf, servicesOf } from '../../../logs/select.ts';
import { type Html, html } from '../html.ts';
import type { LogsView } from '../log-lines.ts';
import { heads, option, runUrl, table, withQuery } from './parts.ts';

export function logsBody({ run, asked, lines, remarks }: LogsView): Html {
  const { service, side, round, level, trace } = asked;
  const path = `${runUrl(run.run_id)}/logs`;
  const services = [...new Set([...servicesOf(run), ...(service === undefined ? [] : [service])])];
  return html`<h1>Logs <small>of <a href="${runUrl(run.run_id)}">run ${run.run_id}</a></small></h1>
<form method="get" action="${path}" class="filter" role="search" aria-label="Log lines">
<label>Service <select name="service">${option('', 'all', service)}${services.map((name) => option(name, name, service))}</select></label>
<label>Side <select name="side">${option('', 'all', side)}${Object.keys(run.sides).map((name) => option(name, name, side))}</select></label>
<label>Round <input name="round" value="${round}" size="4" maxlength="6" inputmode="numeric" autocomplete="off"></label>
<label>Level, at least <select name="level">${option('', 'any', level)}${LEVELS.map((name) => option(name, name, level))}</select></label>
<label>Trace <input name="trace" value="${trace}" size="34" maxlength="32" spellcheck="false" autocomplete="off"></label>
<button>Show</button> ${Object.values(asked).some((value) => value !== undefined) && html`<a href="${path}">Clear</a>`}
</form>
${remarks.map((remark) => html`<p class="muted">${remark}</p>`)}
${lines.length > 0 ? linesTable(path, lines) : remarks.length === 0 && html`<p class="muted">No line is like that.</p>`}`;
}

const linesTable = (path: string, lines: readonly LogEntry[]): Html =>
  table(
    'Log lines, the last one below',
    heads('Time', 'Level', 'Side', 'Round', 'Service', 'Trace', 'Message'),
    lines.map((line) => {
      const { time, level, side, round, service, replica, trace, msg } = line;
      const more = lineText(moreOf(line), 'logfmt');
      return html`<tr><td><time datetime="${time}"><code>${time.slice(11, -1)}</code></time></td><td>${level}</td><td>${side}</td><td class="num">${round}</td><td>${service}${replica > 1 && ` ${replica}`}</td><td>${trace && html`<a href="${withQuery(path, { trace })}" title="${trace}"><code>${trace.slice(0, 8)}</code></a>`}</td><td>${msg}${more && html` <code>${more}</code>`}</td></tr>`;
    }),
  );
