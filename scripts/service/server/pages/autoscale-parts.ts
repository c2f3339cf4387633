/** What the autoscaler of each side did, drawn over the window, and each change of the count. Pure. */
import type { RunDocument } from '../../../documents/run.ts';
import { autoscaledRounds, autoscaleLines as autoscaleWords } from '../../../report/autoscale-text.ts';
import { formatPercent } from '../../../report/units.ts';
import { type Html, html } from '../html.ts';
import { heads, numberCells, table } from './parts.ts';
import { legend } from './run-parts.ts';
import { autoscaleLines, type Targets } from './svg/autoscale.ts';

/** Changes that are listed. */
const MOST = 100;

/** Nothing for a run without an autoscaler. */
export function autoscaleSection(run: RunDocument): Html | false {
  const rounds = (['candidate', 'baseline'] as const).flatMap((side) => autoscaledRounds(run, side));
  if (rounds.length === 0) return false;
  const sides = [...new Set(rounds.map(({ side }) => side))];
  const targets: Targets = Object.fromEntries(
    sides.flatMap((side) => {
      const { target } = run.sides[side]?.deployment?.autoscale ?? {};
      return target === undefined ? [] : [[side, target]];
    }),
  );
  const words = autoscaleWords(run);
  const changes = rounds.flatMap(({ side, round, autoscale: { decisions } }) =>
    decisions.filter(({ replicas, desired }) => replicas !== desired).map((one) => ({ side, round, ...one })),
  );
  return html`<section id="autoscaler" data-part aria-labelledby="autoscaler-title"><h2 id="autoscaler-title">Autoscaler</h2>
${legend(Object.fromEntries(sides.map((side) => [side, side])), false)}
<figure class="panel one">${autoscaleLines(rounds, targets, run.load, words)}<figcaption class="muted">${words.map((line) => html`${line}. `)}Seconds of the window, one line for each round: replicas that there were to be, and sum of use / sum of requests${Object.keys(targets).length > 0 && '; the level line is what is aimed at'}.</figcaption></figure>
${
  changes.length > 0 &&
  table(
    'Changes of the number of replicas',
    heads('Side', '>Round', '>At', '>Replicas', '>To be', '>Utilisation', 'Why'),
    changes
      .slice(0, MOST)
      .map(
        (one) =>
          html`<tr><th scope="row">${one.side}</th>${numberCells(one.round, `${one.at_s.toFixed(1)} s`, one.replicas, one.desired, formatPercent(one.utilisation))}<td class="wide">${one.why}</td></tr>`,
      ),
    { tall: true },
  )
}${changes.length > MOST && html`<p class="muted">${changes.length - MOST} more are in the run's document.</p>`}</section>`;
}
