import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { paths } from '../../scripts/core/paths.ts';
import { openStore } from '../../scripts/store/db.ts';
import { readProfiles } from '../../scripts/telemetry/run-profiles.ts';
import { makeRun } from '../run-document.ts';
import { compared } from '../service/server/site-store.ts';
import { profileFiles } from './stacks.ts';

const data = t.testdir();
const env = { ...process.env, MAYFLY_DATA: data };
const where = paths('/', { MAYFLY_DATA: data });
const profile = (...args: string[]) => {
  const file = join(import.meta.dirname, '../../scripts/commands/profile.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { env, encoding: 'utf8' });
  return { status, stdout, stderr };
};

const store = openStore(where.db);
t.teardown(() => store.close());
const { archive: _, ...both } = compared(1, 0);
const { archive: __, ...one } = { ...makeRun({}), run_id: '01AAA' };
const none = { ...makeRun({}), run_id: '01BBB' };
for (const run of [both, one, none]) store.addRun(run);
const folder = join(where.runs, both.run_id, 'profiles');
mkdirSync(folder, { recursive: true });
const files = profileFiles(folder, 'shop', {
  candidate: [{ 'main a.js:1;slow a.js:9': 300, 'main a.js:1;fast a.js:5': 700 }],
  baseline: [{ 'main a.js:1;slow a.js:9': 100, 'main a.js:1;fast a.js:5': 900 }],
});
writeFileSync(join(folder, 'profile-candidate-shop-2.cpuprofile'), 'not a profile');
const broken = { ...files[0]!, file: 'profile-candidate-shop-2.cpuprofile' };
store.saveProfiles(both.run_id, await readProfiles([...files, { ...broken, path: join(folder, broken.file) }]));
store.saveProfiles(one.run_id, await readProfiles(files.slice(0, 1)));

t.test('the functions that grew and shrank, with what that rests on', (t) => {
  t.same(profile(both.run_id), {
    status: 0,
    stdout: `shop         baseline  candidate  points   95 % interval
slow a.js:9    10.0 %     30.0 %   +20.0  +16.6 to +23.4  sure
fast a.js:5    90.0 %     70.0 %   -20.0  -23.4 to -16.6  sure
shares of 1000 samples of the baseline and 1000 of the candidate at which the CPU was at work; what a function calls in Node.js and V8 is its own
sure: more than chance makes of so many samples, though 2 functions are looked at
`,
    stderr: `a profile of the candidate is kept as it is, and not shown: profile-candidate-shop-2.cpuprofile is no JSON: Unexpected token 'o', "not a profile" is not valid JSON
`,
  });
  t.end();
});

t.test('of one side: what took most', (t) => {
  t.same(
    profile('01AAA', '--functions=1').stdout,
    `shop            CPU  samples
fast a.js:5  70.0 %      700
shares of 1000 samples at which the CPU was at work; what a function calls in Node.js and V8 is its own
`,
  );
  t.end();
});

t.test('the files themselves, as the profiler wrote them', (t) => {
  const out = join(data, 'out', 'deep');
  const { status, stderr } = profile(both.run_id, `--out=${out}`);
  t.equal(status, 0);
  t.match(stderr, `wrote 3 files to ${out}\n`);
  t.same(readdirSync(out).sort(), readdirSync(folder).sort());
  t.match(JSON.parse(readFileSync(join(out, files[0]!.file), 'utf8')).nodes[0].callFrame, { functionName: '(root)' });
  t.same(profile('01AAA', `--out=${out}`), {
    status: 2,
    stdout: profile('01AAA').stdout,
    stderr:
      'mayfly: the profiles of run 01AAA are not on this host\nnpm run archive -- verify --run=01AAA looks for them.\n',
  });
  t.end();
});

t.test('what is not there is said', (t) => {
  t.same(profile('01BBB'), {
    status: 2,
    stdout: '',
    stderr:
      'mayfly: run 01BBB has no profile\nnpm run bench -- --profile takes one, of a benchmark with telemetry (docs/telemetry.md).\n',
  });
  t.match(profile('01AAA', '--functions=0'), {
    status: 2,
    stderr: /--functions must be a whole number from 1 to 1000/,
  });
  t.end();
});
