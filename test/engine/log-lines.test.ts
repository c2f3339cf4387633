import t from 'tap';
import { type EngineLogLine, logLineReader } from '../../scripts/engine/log-lines.ts';

const [FIRST, SECOND] = ['2026-11-28T22:00:00.000000001Z', '2026-11-28T22:00:00.000000002Z'];
const frame = (stream: number, text: string) => {
  const data = Buffer.from(text);
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(data.length, 4);
  return Buffer.concat([head, data]);
};
/** The lines of an answer, whatever the pieces are in which it comes. */
const read = (bytes: Buffer, size: number, most = 100): EngineLogLine[] => {
  const lines: EngineLogLine[] = [];
  const reader = logLineReader((line) => lines.push(line), most);
  for (let at = 0; at < bytes.length; at += size) reader.feed(bytes.subarray(at, at + size));
  reader.end();
  return lines;
};

t.test('frames of both streams, in pieces of any size', (t) => {
  const bytes = Buffer.concat([
    frame(1, `${FIRST} one ö\n`),
    frame(2, `${FIRST} bad\r\n`),
    frame(1, `${FIRST} \n`),
    frame(1, `${FIRST} begun, `), // a line of more than 16 KiB comes in several
    frame(2, `${SECOND} between\n`),
    frame(1, `${SECOND} and ended\n`),
    frame(1, `${SECOND} without a break`),
  ]);
  for (const size of [1, 7, 64, bytes.length])
    t.same(
      read(bytes, size).map(({ time, stream, text }) => [time, stream, text]),
      [
        [FIRST, 'stdout', 'one ö'],
        [FIRST, 'stderr', 'bad'],
        [FIRST, 'stdout', ''],
        [SECOND, 'stderr', 'between'],
        [FIRST, 'stdout', 'begun, and ended'],
        [SECOND, 'stdout', 'without a break'],
      ],
      `${size} bytes`,
    );
  t.same(read(Buffer.alloc(0), 1), []);
  t.end();
});

t.test('a container with a terminal has no frames', (t) => {
  const bytes = Buffer.from(`${FIRST} one\r\n${SECOND} two`);
  for (const size of [1, 5, 200])
    t.same(read(bytes, size), [
      { time: FIRST, stream: 'stdout', text: 'one' },
      { time: SECOND, stream: 'stdout', text: 'two' },
    ]);
  t.end();
});

t.test('a line that is too long is cut, and says by how much', (t) => {
  const long = Buffer.concat(Array.from({ length: 5 }, () => frame(1, `${FIRST} ${'x'.repeat(60)}`)));
  t.same(read(Buffer.concat([long, frame(1, `${SECOND} y\n`), frame(1, `${SECOND} next\n`)]), 50), [
    { time: FIRST, stream: 'stdout', text: `${'x'.repeat(100)} ... (201 bytes more)` },
    { time: SECOND, stream: 'stdout', text: 'next' },
  ]);
  const raw = Buffer.from(`${FIRST} ${'z'.repeat(200_000)}\n${SECOND} next\n`);
  t.same(read(raw, 65_536), [
    { time: FIRST, stream: 'stdout', text: `${'z'.repeat(100)} ... (199900 bytes more)` },
    { time: SECOND, stream: 'stdout', text: 'next' },
  ]);
  t.end();
});
