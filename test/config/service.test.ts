/** mayfly.yaml as the server reads it. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { isReleaseLine, loadService } from '../../scripts/config/service.ts';
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

const repository = (t: Test, fields: string) => {
  const cwd = t.testdir({ 'mayfly.yaml': `repositories:\n  octo/shop:\n    benchmarks: [shop]\n${fields}` });
  return loadService('mayfly.yaml', { root, cwd }).repositories[0]!;
};

t.test('labels and branches: none where nothing is said', async (t) => {
  t.match(repository(t, ''), { labels: {}, branches: [] });
  const { labels, branches } = repository(
    t,
    '    pull_requests: on-request\n    labels: {start: bench me, skip: no-bench}\n    branches: [release-1.4, lts/*]\n',
  );
  t.same([labels, branches], [{ start: 'bench me', skip: 'no-bench' }, ['release-1.4', 'lts/*']]);
});

t.test('labels and branches that mean nothing are refused, with their place', async (t) => {
  const refused = (fields: string, message: string) => t.throws(() => repository(t, fields), { exitCode: 2, message });
  const of = 'repositories/octo/shop';
  refused(
    '    labels: {start: bench}\n',
    `mayfly.yaml:4 ${of}/labels/start means nothing with pull_requests: each, which measures every pull request; it goes with pull_requests: on-request`,
  );
  refused(
    '    pull_requests: on-request\n    labels: {start: Bench, skip: bench}\n',
    `mayfly.yaml:5 ${of}/labels/skip is the label that starts, "Bench"; GitHub does not tell upper from lower case`,
  );
  refused(
    '    labels: {skpi: x}\n',
    `mayfly.yaml:4 ${of}/labels/skpi is not known (did you mean skip?); allowed here: start, skip`,
  );
  for (const name of ['a b', '-x', 'refs..heads', 'a~1', 'a:b', 'a/', 'x?'])
    refused(
      `    branches: [${JSON.stringify(name)}]\n`,
      `mayfly.yaml:4 ${of}/branches/0 must be the name of a branch such as release-1.4 or release/*, got ${JSON.stringify(name)}`,
    );
});

t.test('a pattern is for whole names, and * for no slash', async (t) => {
  const watched = repository(t, '    branches: ["release-1.4", "lts/*", "a+(b)|c*"]\n');
  const fits = ['release-1.4', 'lts/2025', 'lts/', 'a+(b)|c', 'a+(b)|cd'];
  const others = ['release-1x4', 'release-1.40', 'lts', 'lts/2025/fix', 'xlts/2025', 'aab', 'gh-readonly-queue/x'];
  t.same(
    fits.filter((name) => !isReleaseLine(watched, name)),
    [],
  );
  t.same(
    others.filter((name) => isReleaseLine(watched, name)),
    [],
  );
  const all = repository(t, '    branches: ["*", "gh-readonly-queue/*"]\n');
  t.notOk(isReleaseLine(all, 'gh-readonly-queue/x'), 'branches of a merge queue are none');
});
