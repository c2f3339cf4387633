/** Programs that are run: what they print, how they end, what an abort leaves. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { execute, LastLines, run } from '../../scripts/core/exec.ts';
import { isAlive, processStart } from '../../scripts/engine/owner.ts';

const { env } = process;

t.test('a program: its output, its lines and its exit code; arguments are no shell text', async (t) => {
  const lines: string[] = [];
  const ended = await execute(['sh', '-c', 'echo "$1"; echo warn >&2; exit 3', 'sh', '$(id) "a b" ;*'], {
    env,
    onLine: (line) => lines.push(line),
  });
  t.match(ended, { exitCode: 3, stdout: '$(id) "a b" ;*\n', stderr: 'warn\n' });
  t.same(lines.sort(), ['$(id) "a b" ;*', 'warn']);
  t.match(ended.tail, /^ {4}/);
  t.match(await execute(['no-such-program-of-mayfly'], { env }), { exitCode: 127 });
});

t.test('an abort ends a program with its children, and throws the reason', async (t) => {
  const stop = new AbortController();
  let pid = 0;
  const running = execute(['sh', '-c', 'sleep 300 & echo $!; wait'], {
    env,
    signal: stop.signal,
    onLine: (line) => {
      pid = Number(line);
      stop.abort(new Error('asked to end'));
    },
  });
  await t.rejects(running, { message: 'asked to end' });
  const start = processStart(pid) ?? '';
  while (start && isAlive(pid, start)) await sleep(20);
  t.ok(pid > 0, 'its child is gone too');
  await t.rejects(execute(['true'], { env, signal: stop.signal }), { message: 'asked to end' });
});

t.test('one that prints without end fills no memory', async (t) => {
  const before = process.memoryUsage().rss;
  const { exitCode, stdout, tail } = await execute(
    ['sh', '-c', 'head -c 400000000 /dev/zero | tr "\\0" x; echo; echo end'],
    {
      env,
      linesOnly: true,
    },
  );
  t.equal(exitCode, 0);
  t.equal(stdout, '');
  t.match(tail, /end$/);
  t.ok(process.memoryUsage().rss - before < 200e6, `${(process.memoryUsage().rss - before) / 1e6} MB more`);
});

t.test('a failure says what was being done, how it ended and its last lines', async (t) => {
  await t.rejects(run('sh', ['-c', 'echo step 7; exit 2'], { env, what: 'building it' }), {
    message: 'building it failed: sh ended with code 2\n    step 7',
  });
  await t.rejects(run('no-such-program-of-mayfly', [], { env, what: 'building it' }), {
    message: /^building it failed: no-such-program-of-mayfly is not installed/,
  });
});

t.test('of the output the last lines are kept, and of a line without end its last part', async (t) => {
  const seen: string[] = [];
  const output = new LastLines(2, (line) => seen.push(line));
  output.add(Buffer.from('one\ntwo\r\n\nthr'));
  output.add(Buffer.from('ee\n'));
  t.equal(output.text(), '    two\n    three');
  t.same(seen, ['one', 'two', 'three']);
  for (let i = 0; i < 100; i++) output.add(Buffer.alloc(1 << 20, 'x'));
  output.add(Buffer.from('\nend'));
  t.ok(output.text().length < 5000);
  t.match(output.text(), /end$/);
});
