/**
 * The engine's answer to a request for a container's log with times -> lines. Without a terminal each frame is a line, or
 * 16 KiB of a longer one, with the time before it; with a terminal there are no frames. Pure.
 */
import { readFrames } from './engine.ts';

export interface EngineLogLine {
  /** RFC 3339 in UTC with nine digits. */
  time: string;
  stream: 'stdout' | 'stderr';
  text: string;
}

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) /;
const TIME_BYTES = 31;
/** Bytes of a line without an end that are held before they are taken as a piece. */
const MOST_OPEN = 64 * 1024;

const withoutReturn = (text: string): string => (text.endsWith('\r') ? text.slice(0, -1) : text);

interface Begun {
  time: string;
  pieces: Buffer[];
  /** Bytes of it, those that are not kept too. */
  bytes: number;
}

/** Takes the answer in pieces, and calls back for each line. A line is cut behind `most` bytes, and says so. */
export function logLineReader(onLine: (line: EngineLogLine) => void, most: number) {
  let rest: Buffer = Buffer.alloc(0);
  let isFramed: boolean | null = null;
  let lastTime = new Date(0).toISOString().replace('Z', '000000Z');
  const begun: Record<EngineLogLine['stream'], Begun | null> = { stdout: null, stderr: null };

  const finish = (stream: EngineLogLine['stream']) => {
    const line = begun[stream];
    begun[stream] = null;
    if (!line) return;
    const text = withoutReturn(Buffer.concat(line.pieces).toString('utf8'));
    const lost = line.bytes - most;
    onLine({ time: line.time, stream, text: lost > 0 ? `${text} ... (${lost} bytes more)` : text });
  };
  /** `data`: with its time, and with its line break where it ends a line. */
  const take = (stream: EngineLogLine['stream'], data: Buffer) => {
    const [, time] = TIME.exec(data.toString('latin1', 0, TIME_BYTES)) ?? [];
    const from = time === undefined ? 0 : TIME_BYTES;
    const isEnd = data.length > from && data[data.length - 1] === 10;
    const to = isEnd ? data.length - 1 : data.length;
    if (time !== undefined && isEnd && !begun[stream] && to - from <= most) {
      lastTime = time; // nearly every line there is: at once
      return onLine({ time, stream, text: withoutReturn(data.toString('utf8', from, to)) });
    }
    const text = data.subarray(from, to);
    lastTime = time ?? lastTime;
    const line = (begun[stream] ??= { time: lastTime, pieces: [], bytes: 0 });
    line.pieces.push(text.subarray(0, Math.max(0, most - line.bytes)));
    line.bytes += text.length;
    if (isEnd) finish(stream);
  };
  return {
    feed(chunk: Buffer): void {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      if (rest.length < 4) return;
      isFramed ??= rest[0]! <= 2 && rest[1] === 0 && rest[2] === 0 && rest[3] === 0;
      if (isFramed) {
        const { frames, tail } = readFrames(rest);
        rest = tail;
        for (const { stream, data } of frames) take(stream === 2 ? 'stderr' : 'stdout', data);
        return;
      }
      let from = 0;
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10, from)) {
        take('stdout', rest.subarray(from, end + 1));
        from = end + 1;
      }
      rest = rest.subarray(from);
      if (rest.length <= MOST_OPEN) return;
      take('stdout', rest); // the rest of the line is a piece of it like those of frames
      rest = Buffer.alloc(0);
    },
    /** A line that was being written when the container ended. */
    end(): void {
      if (rest.length > 0 && isFramed === false) take('stdout', rest);
      for (const stream of ['stdout', 'stderr'] as const) finish(stream);
    },
  };
}
