/** Two runs at once on one host: the second one says so. */
import { hostname } from 'node:os';
import t from 'tap';
import type { ContainerSummary, Labels } from '../../scripts/engine/engine.ts';
import { LABEL } from '../../scripts/engine/names.ts';
import { thisProcess } from '../../scripts/engine/owner.ts';
import { otherRuns, otherRunsText } from '../../scripts/stack/other-runs.ts';

const { pid, pidStart } = thisProcess();
const container = (run: string, labels: Labels = {}, state = 'running'): ContainerSummary => ({
  id: run,
  name: run,
  image: 'prometheus',
  state,
  labels: {
    [LABEL.run]: run,
    [LABEL.service]: 'prometheus',
    [LABEL.pid]: String(pid),
    [LABEL.pidStart]: pidStart,
    [LABEL.hostname]: hostname(),
    ...labels,
  },
});

t.test('those of a process that is there', async (t) => {
  const all = [
    container('MINE'),
    container('B'),
    container('A'),
    container('A', { [LABEL.service]: 'exporter' }),
    container('DEAD', { [LABEL.pidStart]: '1' }),
    container('KEPT', { [LABEL.pidStart]: '1', [LABEL.keep]: 'true' }),
    container('ENDED', {}, 'exited'),
    container('OTHER', { [LABEL.hostname]: 'a container', [LABEL.pidStart]: '1' }),
    container('WATCHED', { [LABEL.hostname]: 'a container', [LABEL.keep]: 'true' }),
  ];
  t.same(otherRuns(all, 'MINE'), ['A', 'B', 'OTHER']);
  t.same(otherRuns([container('MINE')], 'MINE'), []);
});

t.test('in words', async (t) => {
  t.equal(otherRunsText([]), undefined);
  t.equal(
    otherRunsText(['A']),
    'run A is measured on this host now: each disturbs the other, and rounds in which that shows are INVALID (host-load). One after the other: npm run queue -- add',
  );
  t.match(otherRunsText(['A', 'B']), /^runs A, B are measured on this host now: /);
});
