/** npm run bench:new: what it refuses, what it makes, and what it says to do next. That the templates work is a story. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { listBenchmarks, loadConfig } from '../../scripts/config/config.ts';
import { makeBenchmark, nextSteps, templates } from '../../scripts/config/template.ts';

const ROOT = realpathSync(join(import.meta.dirname, '../..'));
const NAMES = templates(ROOT);

const inShell = (path: string) => `'${path.replaceAll("'", "'\\''")}'`;

function place(t: Test): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mayfly-new-')));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** As a user calls it. */
function command(cwd: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'scripts/commands/bench-new.ts'), ...args],
    { cwd, encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

t.test('what cannot be made is refused, and nothing is changed', async (t) => {
  const cwd = place(t);
  mkdirSync(join(cwd, 'taken'));
  mkdirSync(join(cwd, 'my shop'));
  const named =
    'the name of a benchmark must be lower-case letters and digits, joined by -, starting with a letter, at most 40; got';
  const all = `Templates: ${NAMES.join(', ')}.`;
  for (const [args, said] of [
    [['Search', '--template=http'], `${named} "Search"`],
    [['../search', '--template=http'], `${named} "../search"`],
    [['1st', '--template=http'], `${named} "1st"`],
    [['a--b', '--template=http'], `${named} "a--b"`],
    [['x'.repeat(41), '--template=http'], `${named} "${'x'.repeat(41)}"`],
    [['search'], `--template must say what it is made from\n${all}`],
    [['search', '--template=htp'], `there is no template "htp" (did you mean http?)\n${all}`],
    [['search', '--template=..'], `there is no template ".."\n${all}`],
    [
      ['search', '--template=http', '--folder=no/where'],
      `--folder must be a folder that is there, got no/where\nmkdir -p ${cwd}/no/where`,
    ],
    [
      ['taken', '--template=http', '--folder=.'],
      `${cwd}/taken is there already; nothing was changed\nTake another name, another --folder, or remove it first.`,
    ],
    [
      ['search', '--template=http', '--folder=my shop'],
      `the path of a benchmark must have no space in it, got "${cwd}/my shop/search"\nbenchmark.yaml takes none`,
    ],
    [['shop', '--template=http'], `${ROOT}/benchmarks/shop is there already; nothing was changed`],
    [['templates', '--template=grpc'], `${ROOT}/benchmarks/templates is there already; nothing was changed`],
    [[], 'bench:new needs the name of the new benchmark, got 0\nusage: npm run bench:new -- NAME [flags]'],
    [['search', '--template=http', '--temlate=http'], '--temlate'],
  ] as const) {
    const { status, stdout, stderr } = command(cwd, ...args);
    t.equal(status, 2, stderr);
    t.equal(stdout, '');
    t.ok(stderr.startsWith('mayfly: '), stderr);
    t.match(stderr, said);
  }
  t.strictSame(readdirSync(cwd), ['my shop', 'taken']);
  for (const folder of ['taken', 'my shop']) t.strictSame(readdirSync(join(cwd, folder)), []);
});

t.test('--help has the templates that there are', async (t) => {
  const { status, stdout } = command(ROOT, '--help');
  t.equal(status, 0);
  t.match(stdout, `--template=${NAMES.join('|')}`);
  t.strictSame(NAMES, ['event', 'grpc', 'http']);
  t.notOk(listBenchmarks(ROOT).includes('templates'), 'the folder of the templates is no benchmark');
});

for (const template of NAMES) {
  t.test(`${template}: a benchmark by the rules, in a repository`, async (t) => {
    const events = template === 'event';
    const top = join(place(t), "team's:#shop"); // what YAML and a shell want in quotes
    mkdirSync(join(top, 'perf'), { recursive: true });
    execFileSync('git', ['init', '--quiet', top]);
    const { status, stdout, stderr } = command(top, 'search-two', `--template=${template}`, '--folder=perf');
    t.equal(status, 0, stderr);
    const dir = join(top, 'perf/search-two');
    t.match(stderr, `made ${dir}: `);
    const config = await loadConfig({ benchmark: dir }, { root: ROOT, cwd: ROOT });
    t.match(config, {
      benchmark: 'perf-search-two',
      builds: { 'search-two': { kind: 'git', repository: top, context: 'perf/search-two/service' } },
      load: { target: events ? 'http://producer:8080' : /^http:\/\/search-two:\d+$/ },
      scrape: events ? [] : [{ service: 'search-two' }],
    });
    const what = events ? 'delivery' : 'latency';
    t.strictSame(
      config.metrics
        .filter(({ primary }) => primary)
        .map(({ name }) => name)
        .sort(),
      ['cpu_seconds_per_request', `${what}_med`, `${what}_p95`],
      'what gates',
    );
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
    for (const file of ['README.md', 'benchmark.yaml', 'compose.yaml', 'load.ts', 'service/Dockerfile'])
      t.ok(files.includes(file), file);
    t.strictSame(
      files.filter((file) => file.includes('.') && /\{\{\w+\}\}/.test(readFileSync(join(dir, file), 'utf8'))),
      [],
      'every word of the template is filled in',
    );
    t.equal(
      stdout,
      `# commit it: Mayfly builds commits
git -C ${inShell(top)} add perf/search-two
git -C ${inShell(top)} commit --quiet --message='Benchmark search-two' -- perf/search-two
# measure it once
npm run bench -- --benchmark=${inShell(dir)} --against=none --rounds=1
# change search-two/service/${events ? 'consumer' : 'server'}.ts, then compare what is not committed with what is
npm run bench -- --benchmark=${inShell(dir)} --commit=worktree --against=HEAD
`,
    );
  });
}

t.test('a folder in no repository becomes one; one of this checkout is known by its name', async (t) => {
  const folder = place(t);
  const made = makeBenchmark({ name: 'search', template: 'http', folder }, { root: ROOT, cwd: '/' });
  const dir = join(folder, 'search');
  t.match(made, { name: 'search', dir, benchmark: dir, repository: null });
  t.match(
    nextSteps(made),
    `git init --quiet ${dir}
git -C ${dir} add --all
git -C ${dir} commit --quiet --message='Benchmark search'
# measure it once
npm run bench -- --benchmark=${dir} --against=none --rounds=1
`,
  );
  t.match(readFileSync(join(dir, 'benchmark.yaml'), 'utf8'), `repository: ${dir} #`);
  t.match(readFileSync(join(dir, 'README.md'), 'utf8'), `npm run bench -- --benchmark=${dir} --commit=worktree`);

  const checkout = place(t);
  mkdirSync(join(checkout, 'benchmarks'));
  execFileSync('cp', ['-r', join(ROOT, 'benchmarks/templates'), join(checkout, 'benchmarks/templates')]);
  execFileSync('git', ['init', '--quiet', checkout]);
  const own = makeBenchmark({ name: 'search', template: 'http' }, { root: checkout, cwd: '/' });
  t.match(own, { dir: join(checkout, 'benchmarks/search'), benchmark: 'search', repository: checkout });
  t.match(nextSteps(own), 'npm run bench -- --benchmark=search --against=none');
  t.match(await loadConfig({ benchmark: 'search' }, { root: checkout, cwd: '/' }), {
    benchmark: 'search',
    builds: { search: { repository: '.', context: 'benchmarks/search/service' } },
  });
});

t.test('of one that cannot be written whole nothing stays', async (t) => {
  const checkout = place(t);
  mkdirSync(join(checkout, 'benchmarks/templates/bad'), { recursive: true });
  execFileSync('sh', ['-c', `echo '{{nobody}}' > ${checkout}/benchmarks/templates/bad/a.txt`]);
  t.throws(() => makeBenchmark({ name: 'search', template: 'bad' }, { root: checkout, cwd: '/' }), /nobody/);
  t.notOk(existsSync(join(checkout, 'benchmarks/search')));
});
