/**
 * Every template of `npm run bench:new` works as it is, and so do the commands that are printed: from an empty folder to
 * a comparison. What is refused is tested by value (test/config/template.test.ts).
 */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { templates } from '../../scripts/config/template.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { dataFolder, engine, mayfly, nothingLeft, ROOT, run } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

/** Who commits. */
const GIT = Object.fromEntries(
  ['AUTHOR', 'COMMITTER'].flatMap((who) => [
    [`GIT_${who}_NAME`, 't'],
    [`GIT_${who}_EMAIL`, 't@example.invalid'],
  ]),
);
/** A test machine has other work, which must not make a round INVALID here. */
const GENEROUS = 'allow:\n  {start_lag: 2s, outside_load: 1, steal: 1, throttled: 1, saturation: 1}\n';

const RATE = 40;

for (const template of templates(ROOT)) {
  t.test(`${template}: what is printed is what a shell takes, and the benchmark measures`, async (t) => {
    const data = dataFolder(t);
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mayfly-new-')));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const made = await mayfly('bench-new', ['hello', `--template=${template}`, `--folder=${folder}`], data).done;
    t.equal(made.code, 0, made.stderr);
    const file = join(folder, 'hello/benchmark.yaml');
    const text = readFileSync(file, 'utf8').replace(/^allow:.*\n[^]*$/m, GENEROUS);
    writeFileSync(file, text.replace(/^ {2}rate: \d+\b/m, `  max_in_flight: 1000\n  rate: ${RATE}`));

    const ended = await run('sh', ['-ec', made.stdout], { env: { MAYFLY_DATA: data, ...GIT } }).done;
    t.equal(ended.code, 0, ended.stderr + ended.stdout);
    t.match(ended.stdout, /nothing to compare: .* have the same build context/, 'nothing was changed yet');
    const shown = await mayfly('show', ['last', '--json'], data).done;
    const document: RunDocument = JSON.parse(shown.stdout);
    t.match(document, { benchmark: 'hello', status: 'complete' });
    const round = document.rounds.find(({ valid }) => valid)!;
    t.equal(round.samples.failed_requests!.value, 0, 'the load gets what it expects');
    t.equal(round.samples.request_rate!.value, RATE);
    if (template === 'event') {
      const { sent, delivered, lost, duplicated } = round.events!;
      t.strictSame({ sent, delivered, lost, duplicated }, { sent: 200, delivered: 200, lost: 0, duplicated: 0 });
    } else {
      const greetings = round.samples.greetings!.value;
      t.ok(Math.abs(greetings - RATE) < RATE / 4, `${greetings} greetings a second`);
    }
    await nothingLeft(t, data);
  });
}
