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

t.test('paths: all where nothing is said; a list of patterns in their order', async (t) => {
  t.equal(repository(t, '').paths, undefined);
  t.strictSame(repository(t, '    paths: [src/**, "!src/gen/**"]\n').paths, ['src/**', '!src/gen/**']);
});

t.test('paths that cannot be meant are refused at the start, with their place', async (t) => {
  const refused = (fields: string, message: string) => t.throws(() => repository(t, fields), { exitCode: 2, message });
  const of = 'mayfly.yaml:4 repositories/octo/shop/paths';
  const form = 'must be a path from the root of the repository such as src/** or !**/*.md';
  refused('    paths: []\n', `${of} must be a list of 1 to 100 paths, got a list of 0`);
  refused('    paths: src/**\n', `${of} must be a list of 1 to 100 paths, got "src/**"`);
  refused('    paths: [7]\n', `${of}/0 must be a text, got 7`);
  refused('    paths: [/src/**]\n', `${of}/0 ${form}, without a slash before it, got "/src/**"`);
  refused('    paths: [src/**, ../other/**]\n', `${of}/1 ${form}, without . and .. in it, got "../other/**"`);
  refused(
    '    paths: ["!docs/**"]\n',
    `${of}/0 takes files out, and no path before it has let any in; put "**" first for all files, got "!docs/**"`,
  );
  refused(
    '    paths: [src/**, !docs/**]\n',
    'mayfly.yaml:4 is not valid YAML: unresolved tag: !docs/**; a text that begins with ! needs quotation marks',
  );
  refused(
    '    paths: [src/**]\n  octo/caddy:\n    benchmarks: [shop, caddy]\n    paths: [src/**]\n',
    'mayfly.yaml:7 repositories/octo/caddy/paths means nothing for caddy, which is not built from git',
  );
});
