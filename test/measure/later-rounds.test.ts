/** A candidate that does well in its first round, and not in later ones. */
import t from 'tap';
import type { SideName } from '../../scripts/documents/run.ts';
import type { FirstRound } from '../../scripts/measure/first-round.ts';
import { failsAlone, lateWords } from '../../scripts/measure/later-rounds.ts';
import { aConfig } from '../fixtures/plan.ts';

const { load } = aConfig();
const side = (name: SideName, ended: number | null, failedShare = 0): FirstRound => ({
  document: {
    side: name,
    reasons:
      ended === null && failedShare === 0
        ? []
        : [{ code: ended === null ? 'failed-requests' : 'restarted', message: '' }],
  },
  detail: {
    signals: {
      due: 1000,
      iterations: 1000,
      failedShare,
      services: [{ service: 'shop', ended, outOfMemory: false, throttledShare: 0 }],
    },
    load: { requests: 1000, failures: [] },
  },
});

t.test('it alone is not well', async (t) => {
  const [well, dead] = [side('candidate', null), side('candidate', 7)];
  const [wellToo, deadToo] = [side('baseline', null), side('baseline', 7)];
  t.equal(failsAlone([dead, wellToo], load, false), true);
  t.equal(failsAlone([side('candidate', null, 1), wellToo], load, false), true, 'fails every request');
  t.equal(failsAlone([side('candidate', null, 0.5), wellToo], load, false), false, 'fails some');
  t.equal(failsAlone([dead, deadToo], load, false), false, 'both');
  t.equal(failsAlone([dead, side('baseline', null, 0.01)], load, false), false, 'the baseline fails some');
  t.equal(failsAlone([well, deadToo], load, false), false);
  t.equal(failsAlone([well, wellToo], load, false), false);
  t.equal(failsAlone([dead, wellToo], load, true), false, 'one commit');
  t.equal(failsAlone([dead], load, false), true, 'apart: the other one is asked');
  t.equal(failsAlone([dead], load, true), false);
  t.equal(failsAlone([deadToo], load, false), false);
});

t.test('three rounds one after the other are enough', async (t) => {
  t.equal(lateWords([]), null);
  t.equal(lateWords([4, 5]), null);
  t.equal(lateWords([4, 5, 7]), null);
  t.equal(lateWords([2, 5, 6, 7]), 'in rounds 5, 6 and 7, one after the other,');
});

t.test('where no more is measured again, those that are INVALID for no other reason are', async (t) => {
  t.equal(lateWords([2, 4], [2, 4]), 'in rounds 2 and 4, which are all that are INVALID,');
  t.equal(lateWords([2, 4, 6], [2, 4, 6]), 'in rounds 2, 4 and 6, which are all that are INVALID,');
  t.equal(lateWords([2, 4, 6], [2, 3, 4, 6]), null, 'something else went wrong too');
  t.equal(lateWords([2], [2]), null, 'once is an accident');
  t.equal(lateWords([], []), null);
});
