/** The files of logs: what is written is what is read; what is too much goes at the front; damage is told. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import type { Progress } from '../../scripts/core/progress.ts';
import { harnessLog } from '../../scripts/logs/harness.ts';
import {
  boundRounds,
  cutText,
  HARNESS_FILE,
  isLogName,
  type KeptLine,
  LogFault,
  logFileFault,
  packHarness,
  readLogFile,
  roundOfLog,
  writeLogFile,
} from '../../scripts/logs/kept.ts';

const at = (second: number) => `2026-11-28T22:00:${String(second).padStart(2, '0')}.000000000Z`;
const line = (second: number, text: string, changes: Partial<KeptLine> = {}): KeptLine => ({
  time: at(second),
  stream: 'o',
  side: 'candidate',
  service: 'shop',
  replica: 1,
  text,
  ...changes,
});
const read = async (file: string) => {
  const all = [];
  for await (const entry of readLogFile(file)) all.push(entry);
  return all;
};

t.test('what is written is read again, by the times that the lines tell', async (t) => {
  const dir = t.testdir();
  await writeLogFile(dir, 'logs-3.gz', [
    line(2, 'plain / text o e n'),
    line(3, `ts=${at(1)} level=error msg="two lines\\nas one"`, { stream: 'e', side: 'baseline', replica: 2 }),
    line(2, 'of no side\u001b[0m', { side: null, service: 'loadgen' }),
  ]);
  t.same(readdirSync(dir), ['logs-3.gz'], 'nothing else is left of the writing');
  t.match(await read(join(dir, 'logs-3.gz')), [
    { time: at(1), level: 'error', msg: 'two lines\nas one', side: 'baseline', replica: 2, stream: 'e', round: 3 },
    { time: at(2), level: null, msg: 'plain / text o e n', side: 'candidate', service: 'shop', round: 3 },
    { time: at(2), msg: 'of no side\u001b[0m', side: null, service: 'loadgen' },
  ]);
  t.same(['logs-3.gz', 'logs-stack.gz', 'logs-harness.gz'].map(isLogName), [true, true, true]);
  t.same(
    ['logs-0.gz', 'logs-x.gz', '../logs-1.gz', 'logs-1.gz.tmp', 'harness.log'].map(isLogName),
    Array(5).fill(false),
  );
  t.same(['logs-12.gz', 'logs-stack.gz'].map(roundOfLog), [12, null]);
});

t.test('a note says what is missing, and comes first', async (t) => {
  const dir = t.testdir();
  const note = line(2, cutText({ lines: 1234, bytes: 5.3 * 1024 ** 2 }, 1024 ** 2), { stream: 'n' });
  await writeLogFile(dir, 'logs-1.gz', [note, line(2, 'first')]);
  const [first] = await read(join(dir, 'logs-1.gz'));
  t.match(first, {
    level: 'warn',
    msg: '1,234 lines before this one (5.3 MiB) are not kept: of each container the last 1 MiB of a round are',
    fields: [['cut_lines', '1234']],
  });
});

t.test('the oldest rounds go where a run has too much, and the first that is left says so', async (t) => {
  const dir = t.testdir();
  for (const round of [1, 2, 10])
    await writeLogFile(dir, `logs-${round}.gz`, [line(round, 'a'), line(round, `b ${round}`)]);
  await writeLogFile(dir, 'logs-stack.gz', [line(1, 's')]);
  const size = (name: string) => statSync(join(dir, name)).size;
  await boundRounds(dir, size('logs-1.gz') + size('logs-2.gz') + size('logs-10.gz'));
  t.equal(readdirSync(dir).length, 4, 'all of them fit');
  await boundRounds(dir, size('logs-2.gz') + size('logs-10.gz'));
  t.same(readdirSync(dir).sort(), ['logs-10.gz', 'logs-2.gz', 'logs-stack.gz']);
  t.match(await read(join(dir, 'logs-2.gz')), [
    { time: at(2), side: null, msg: /^2 lines of the rounds before 2 are not kept: a run keeps \d+ bytes of logs$/ },
    { msg: 'a' },
    { msg: 'b 2' },
  ]);
  await boundRounds(dir, 1);
  t.match(
    (await read(join(dir, 'logs-10.gz'))).map(({ msg }) => msg),
    [/^4 lines of the rounds before 10 are not kept: a run keeps 1 bytes of logs$/, 'a', 'b 10'],
    'what was missing before is counted; the last one stays',
  );
  t.equal(await logFileFault(join(dir, 'logs-10.gz')), null);
});

t.test('damage is told, and what is before it is read', async (t) => {
  const dir = t.testdir();
  const many = Array.from({ length: 3000 }, (_, i) => line(1, `line ${i} ${Math.sin(i)}`));
  await writeLogFile(dir, 'logs-1.gz', many);
  const whole = readFileSync(join(dir, 'logs-1.gz'));
  t.equal(await logFileFault(join(dir, 'logs-1.gz')), null);
  writeFileSync(join(dir, 'logs-2.gz'), whole.subarray(0, whole.length - 20));
  t.match(await logFileFault(join(dir, 'logs-2.gz')), /^is damaged: unexpected end of file$/);
  let seen = 0;
  await t.rejects(
    (async () => {
      for await (const _ of readLogFile(join(dir, 'logs-2.gz'))) seen++;
    })(),
    new LogFault('logs-2.gz', 'is damaged: unexpected end of file'),
  );
  t.ok(seen > 2000, `${seen} lines`);
  const flipped = Buffer.from(whole);
  flipped[whole.length - 6]! ^= 1;
  writeFileSync(join(dir, 'logs-2.gz'), flipped);
  t.match(await logFileFault(join(dir, 'logs-2.gz')), /^is damaged: incorrect data check$/);
  writeFileSync(join(dir, 'logs-2.gz'), gzipSync(`${gunzipSync(whole).toString().split('\n')[0]}\nsomething else\n`));
  t.equal(await logFileFault(join(dir, 'logs-2.gz')), 'line 2 is none of a kept log');
  writeFileSync(join(dir, 'logs-2.gz'), gzipSync('x'.repeat(50e6)));
  t.equal(
    await logFileFault(join(dir, 'logs-2.gz')),
    'line 1 is none of a kept log',
    'a line without an end is bounded',
  );
});

/** Progress that is shown, as text. */
function shown() {
  const said: string[] = [];
  const progress: Progress = {
    step: (title) => {
      said.push(`begin ${title}`);
      return {
        update: (text) => void said.push(`update ${text}`),
        done: (text) => void said.push(`done ${text}`),
        fail: (text) => void said.push(`fail ${text}`),
      };
    },
    info: (text) => void said.push(text),
    warn: (text) => void said.push(`warning: ${text}`),
    close: () => void said.push('closed'),
  };
  return { said, progress };
}

for (const format of ['logfmt', 'json'] as const)
  t.test(`the harness' own lines as ${format}: all that is shown, from before there was a folder`, async (t) => {
    const dir = t.testdir();
    const { said, progress } = shown();
    let now = Date.parse('2026-11-28T22:00:00Z');
    const log = harnessLog(progress, { format, nowMs: () => now++ + 0.25 });
    const step = log.progress.step('round 1');
    log.open(dir);
    step.update('warm-up', 0.1);
    now += 10_000;
    step.update('measuring', 0.5);
    log.progress.warn('two\nlines');
    step.done('INVALID');
    step.fail();
    log.progress.step('round 2').fail('no');
    log.progress.info('1/s: meets');
    log.write('error', 'the end', [['code', 4]]);
    log.progress.close();
    t.same(said, [
      'begin round 1',
      'update warm-up',
      'update measuring',
      'warning: two\nlines',
      'done INVALID',
      'fail undefined',
      'begin round 2',
      'fail no',
      '1/s: meets',
      'closed',
    ]);
    t.equal(await packHarness(join(dir, 'logs')), true);
    for (const name of ['harness.log', HARNESS_FILE]) {
      const lines = await read(join(dir, 'logs', name));
      t.match(lines, [
        { level: 'info', msg: 'begin round 1', service: 'harness', side: null, round: null },
        { level: 'debug', msg: 'round 1: measuring' },
        { level: 'warn', msg: 'two\nlines' },
        { level: 'info', msg: 'done round 1: INVALID' },
        { level: 'info', msg: 'begin round 2' },
        { level: 'error', msg: 'FAILED round 2: no' },
        { level: 'info', msg: '1/s: meets' },
        { level: 'error', msg: 'the end', fields: [['code', format === 'json' ? 4 : '4']] },
      ]);
      t.equal(lines.length, 8, name);
      for (const { time } of lines) t.match(time, /^2026-11-28T22:00:\d\d\.\d{3}250000Z$/);
    }
    t.equal(await packHarness(join(dir, 'nowhere')), false);
  });

t.test('they are cut at the front too, and no failure of the disk ends a run', async (t) => {
  const dir = t.testdir();
  const { said, progress } = shown();
  const log = harnessLog(progress, { format: 'logfmt', most: 4000 });
  log.open(dir);
  for (let i = 0; i < 200; i++) log.write('info', `event ${i}`);
  const file = join(dir, 'logs', 'harness.log');
  t.ok(statSync(file).size <= 4000);
  const lines = await read(file);
  t.match(lines[0], { level: 'warn', msg: /^\d+ lines before this one are not kept$/ });
  t.equal(lines.at(-1)?.msg, 'event 199');
  t.same(said, []);
  log.write('info', 'x'.repeat(1e6));
  t.ok(statSync(file).size < 20_000, 'a message without an end is cut');
  const elsewhere = t.testdir({ logs: 'a file' });
  const lost = harnessLog(progress, { format: 'logfmt' });
  lost.open(elsewhere);
  lost.progress.info('goes on');
  t.match(said, [/^warning: what the harness says is not kept: /, 'goes on']);
});
