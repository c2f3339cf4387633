import { PassThrough } from 'node:stream';
import t from 'tap';
import { createProgress } from '../../scripts/report/progress.ts';

/** A stream that keeps what is written to it; a terminal if asked. */
function capture(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  const chunks: string[] = [];
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80, rows: 24 });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => chunks.join('') };
}

t.test('elsewhere than on a terminal: begin, an update at most every 10 s, end with its time', async (t) => {
  const { stream, text } = capture(false);
  let ms = 0;
  const progress = createProgress({ stream, quiet: false, now: () => ms });
  const step = progress.step('round 1 of 3');
  ms = 9_000;
  t.equal(step.isDue!(), false, 'an update would not be shown');
  step.update('warm-up', 0.1);
  ms = 10_000;
  t.equal(step.isDue!(), true);
  step.update('200 /s', 0.5);
  ms = 12_000;
  step.update('199 /s', 0.9);
  ms = 75_000;
  step.done('valid');
  step.done('a second end says nothing');
  progress.info('noted');
  progress.warn('odd');
  progress.close();
  t.equal(
    text(),
    [
      'begin  round 1 of 3',
      '       round 1 of 3: 50 %, 200 /s (10.0s)',
      'done   round 1 of 3: valid (1m 15s)',
      'noted',
      'warning: odd',
      '',
    ].join('\n'),
  );
});

t.test('quiet: warnings and failures only', async (t) => {
  const { stream, text } = capture(false);
  const progress = createProgress({ stream, quiet: true, now: () => 0 });
  progress.info('noted');
  const build = progress.step('build');
  t.equal(build.isDue!(), false, 'nothing is shown of it');
  build.done();
  progress.step('stack').fail('no engine');
  progress.warn('odd');
  progress.close();
  t.equal(text(), 'FAILED stack: no engine (0.0s)\nwarning: odd\n');
});

t.test('on a terminal: steps that overlap stand in a live block with a bar', async (t) => {
  const { stream, text } = capture(true);
  const progress = createProgress({ stream, quiet: false });
  const build = progress.step('build');
  const load = progress.step('load');
  load.update('200 /s', 0.5);
  build.done('cached');
  t.match(text(), /done {3}build: cached \(0\.\ds\)\n/);
  t.match(text(), /load \(0\.\ds\) {2}\[#{10}\.{10}\] {2}50 % {2}200 \/s/);
  progress.close();
  const length = text().length;
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.equal(text().length, length, 'nothing is drawn after close');
});

for (const isTTY of [false, true]) {
  t.test(`what others have written cannot act on ${isTTY ? 'a terminal' : 'a log'}`, async (t) => {
    const { stream, text } = capture(isTTY);
    let ms = 0;
    const progress = createProgress({ stream, quiet: false, now: () => ms });
    const step = progress.step('build a\u0007b');
    ms = 20_000;
    step.update('Step 1\u001b]0;owned\u0007 \u202efo');
    step.done('\u001b]0;owned\u0007done\rBAD');
    progress.step('next').fail('x\u0007y');
    progress.info('one\u0007\ntwo');
    progress.warn('three\u0007');
    progress.close();
    t.notMatch(text(), /\u0007|\u202e|owned|\rBAD/);
    t.match(text(), 'done   build a?b: done?BAD (20.0s)\n');
    t.match(text(), 'one?\ntwo\nwarning: three?\n');
  });
}
