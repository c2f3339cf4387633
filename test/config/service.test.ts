/** mayfly.yaml as the server reads it. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadService } from '../../scripts/config/service.ts';
import { CONCLUSIONS } from '../fixtures/conclusions.ts';

const root = join(import.meta.dirname, '../..');

const load = (t: Test, conclusions: string) => {
  const cwd = t.testdir({
    'mayfly.yaml': `repositories:\n  octo/shop:\n    benchmarks: [shop]\n${conclusions}`,
  });
  return loadService('mayfly.yaml', { root, cwd }).repositories[0]!.conclusions;
};

t.test('which verdict gives which conclusion: what is not said stays as it was', async (t) => {
  t.same(load(t, ''), CONCLUSIONS);
  t.same(load(t, '    conclusions: {INCONCLUSIVE: failure, not_measured: failure}\n'), {
    ...CONCLUSIONS,
    INCONCLUSIVE: 'failure',
    not_measured: 'failure',
  });
});

t.test('another verdict, or another conclusion, is refused by its name', async (t) => {
  t.throws(() => load(t, '    conclusions: {INCONCLUSVE: failure}\n'), {
    exitCode: 2,
    message:
      'mayfly.yaml:4 repositories/octo/shop/conclusions/INCONCLUSVE is not known (did you mean INCONCLUSIVE?); allowed here: REGRESSION, IMPROVEMENT, PASS, INCONCLUSIVE, INVALID, not_measured',
  });
  t.throws(() => load(t, '    conclusions:\n      INVALID: block\n'), {
    exitCode: 2,
    message:
      'mayfly.yaml:5 repositories/octo/shop/conclusions/INVALID must be success, neutral or failure, got "block"',
  });
});
