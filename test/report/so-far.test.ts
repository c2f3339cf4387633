import t from 'tap';
import { judgeSoFar } from '../../scripts/judge/judge-run.ts';
import { soFarText } from '../../scripts/report/so-far.ts';
import { makeComparison } from '../run-document.ts';

t.test('estimates, and what is left', async (t) => {
  const run = { ...makeComparison(1.05), comparison: { design: 'sequential' as const, min: 6, max: 40 } };
  const text = soFarText(judgeSoFar(run, false), {
    observations: 3,
    max: 40,
    secondsEach: 16,
    secondsLeft: Infinity,
    pairing: 'interleaved',
  });
  t.match(text, /^after 3 rounds: latency med \+5\.0 %, CPU per request \+5\.0 %; /);
  t.match(
    soFarText(judgeSoFar({ ...run, rounds: [] }, false), {
      observations: 0,
      max: 40,
      secondsEach: null,
      secondsLeft: Infinity,
      pairing: 'alternating',
    }),
    /^after 0 blocks: .*at most 40 blocks more$/,
  );
  t.match(
    soFarText(judgeSoFar(run, false), {
      observations: 3,
      max: 40,
      secondsEach: 16,
      secondsLeft: 40,
      pairing: 'interleaved',
    }),
    /about 3 more, 48\.0s$/,
    'no longer than --max-minutes',
  );
});
