/** Lines as they come from real loggers, and such as nobody should write. */
import t from 'tap';
import { normalTime, timeText } from '../../scripts/logs/format.ts';
import { type LogLine, parseLine, timeOfLine } from '../../scripts/logs/parse.ts';

const ENGINE = '2026-11-28T22:00:01.500000000Z';
const parsed = (text: string): Partial<LogLine> => parseLine(text, ENGINE);

t.test('the lines of our own library, logfmt and JSON alike', (t) => {
  const trace = '0af7651916cd43dd8448eb211c80319c';
  const wanted: LogLine = {
    time: '2026-11-28T22:00:00.123456789Z',
    level: 'info',
    trace,
    msg: 'order placed',
    fields: [
      ['service', 'consumer'],
      ['order', '7'],
    ],
  };
  t.same(
    parsed(`ts=2026-11-28T22:00:00.123456789Z level=info service=consumer trace=${trace} msg="order placed" order=7`),
    wanted,
  );
  t.same(
    parsed(
      JSON.stringify({
        ts: '2026-11-28T22:00:00.123456789Z',
        level: 'info',
        service: 'consumer',
        trace,
        msg: 'order placed',
        order: 7,
      }),
    ),
    {
      ...wanted,
      fields: [
        ['service', 'consumer'],
        ['order', 7],
      ],
    },
  );
  t.end();
});

t.test('the lines of others', (t) => {
  for (const [what, line, wanted] of [
    [
      'Prometheus 3',
      'time=2026-11-28T22:00:00.123Z level=WARN source=main.go:1 msg="a \\"quoted\\" word"',
      {
        time: '2026-11-28T22:00:00.123000000Z',
        level: 'warn',
        msg: 'a "quoted" word',
        fields: [['source', 'main.go:1']],
      },
    ],
    [
      'pino',
      '{"level":50,"time":1795903200123,"pid":7,"msg":"no"}',
      { time: '2026-11-28T22:00:00.123000000Z', level: 'error', msg: 'no', fields: [['pid', 7]] },
    ],
    [
      'zap',
      '{"level":"fatal","ts":1795903200.25,"msg":"gone"}',
      { time: '2026-11-28T22:00:00.250000000Z', level: 'error', msg: 'gone', fields: [] },
    ],
    [
      'nanoseconds',
      '{"severity":"NOTICE","timestamp":"1795903200123456789","message":"x","traceId":"0AF7651916CD43DD"}',
      { level: 'info', msg: 'x', trace: '0af7651916cd43dd', fields: [] },
    ],
    [
      'Python',
      '{"time": "2026-11-28 22:00:00,123", "level": "WARNING", "message": "m"}',
      { time: '2026-11-28T22:00:00.123000000Z', level: 'warn', msg: 'm' },
    ],
    ['a zone', 'ts=2026-11-29T00:00:00+02:00 level=info', { time: '2026-11-28T22:00:00.000000000Z', msg: '' }],
    ['NATS', '[1] 2026/11/28 22:00:00.123456 [INF] Server is ready', { time: ENGINE, level: null, fields: [] }],
    ['nothing', '', { time: ENGINE, level: null, msg: '', fields: [] }],
  ] as const)
    t.match(parsed(line), wanted, what);
  t.end();
});

t.test('what only looks like it is its own message', (t) => {
  for (const line of [
    'level=info and then words',
    'a=b c=d',
    'connect failed: url=http://x?a=b level=high',
    'level=info msg="no end',
    '{"level":"info"',
    '["level","info"]',
    '{}}',
    `level=info ${'x=1 '.repeat(250)}`,
    '\u001b[31mlevel\u001b[0m=info msg=x y',
  ])
    t.same(parsed(line), { time: ENGINE, level: null, trace: null, msg: line, fields: [] }, line.slice(0, 40));
  t.end();
});

t.test('a value that is not what its name says stays as it was written', (t) => {
  t.match(parsed('level=loud msg=x trace=none'), {
    level: null,
    trace: null,
    fields: [
      ['level', 'loud'],
      ['trace', 'none'],
    ],
  });
  for (const ts of ['9999-12-31T23:59:59Z', '2026-11-28T21:58:00Z', '1970-01-01T00:00:00Z', 'soon', '1e99'])
    t.match(parsed(`ts=${ts} level=info`), { time: ENGINE, fields: [['ts', ts]] }, `${ts}: not believed`);
  t.match(parsed('{"time":null,"level":{},"msg":7,"__proto__":1}'), {
    time: ENGINE,
    msg: '',
    fields: [
      ['time', null],
      ['level', {}],
      ['msg', 7],
      ['__proto__', 1],
    ],
  });
  t.end();
});

t.test('the time of a line alone is that of the whole line', (t) => {
  for (const line of [
    'ts=2026-11-28T22:00:00.123456789Z level=info msg=x',
    '{"ts":"2026-11-28T22:00:01.123456789Z","level":"info","msg":"x"}',
    'time=2026-11-28T22:00:00.123456789Z level=info',
    'ts=2026-11-28T21:59:59.123456789Z level=info',
    'ts=2026-11-28T21:58:59.123456789Z level=info',
    'level=info ts=2026-11-28T22:00:00.1Z',
    'ts=2026-11-28T22:00:00.123Z level=info',
    '{"level":30,"time":1795903200123}',
    'plain',
  ])
    t.equal(timeOfLine(line, ENGINE), parseLine(line, ENGINE).time, line);
  t.end();
});

t.test('a long hostile line is read in no time', (t) => {
  const began = performance.now();
  for (const line of [
    `level=info msg="${'\\"'.repeat(16_000)}`,
    `a="${'\\'.repeat(32_000)}`,
    'a='.repeat(16_000),
    `level=info${' '.repeat(32_000)}x`,
    `{${'"a":{'.repeat(6000)}}`,
  ])
    parsed(line);
  t.ok(performance.now() - began < 2000);
  t.end();
});

t.test('times have nine digits and one width', (t) => {
  t.equal(timeText(1795903200123.456), '2026-11-28T22:00:00.123456054Z', 'as exact as the number is');
  t.equal(timeText(0), '1970-01-01T00:00:00.000000000Z');
  t.equal(normalTime('2026-11-28T22:00:00.1234567891Z'), '2026-11-28T22:00:00.123456789Z');
  t.equal(normalTime('2026-11-28T22:00:00-0130'), '2026-11-28T23:30:00.000000000Z');
  for (const bad of ['', 'x', '2026-13-01T00:00:00Z', '2026-11-28', '2026-11-28T25:00:00Z', '28.11.2026 22:00:00'])
    t.equal(normalTime(bad), null, bad);
  t.end();
});
