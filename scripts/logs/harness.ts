/** What the harness says of a run, kept: one line for each event, with its time and level. */
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Progress, ProgressStep } from '../core/progress.ts';
import { Tail } from './bound.ts';
import { type LogFormat, lineText, type Pairs, timeText } from './format.ts';
import { HARNESS_LOG, LIMITS, LOGS_FOLDER, MOST_LINE } from './kept.ts';
import type { Level } from './parse.ts';

/** Between two lines of how far a step is. */
const UPDATE_MS = 10_000;

export interface HarnessLog {
  /** What is shown as before, and kept. */
  progress: Progress;
  write(level: Level, msg: string, fields?: Pairs): void;
  /** From here on the lines, and those so far, are in the run's folder. */
  open(runDir: string): void;
}

/** Keeps what goes to `shown`. `nowMs`: milliseconds since the epoch, with a fraction. */
export function harnessLog(
  shown: Progress,
  {
    format,
    nowMs = () => performance.timeOrigin + performance.now(),
    most = LIMITS.container,
  }: {
    format: LogFormat;
    nowMs?: () => number;
    most?: number;
  },
): HarnessLog {
  const before = new Tail<string>(most);
  let file: string | null = null;
  let bytes = 0;
  let isOver = false;

  const put = (line: string) => {
    if (isOver) return;
    if (file === null) return before.push(line, Buffer.byteLength(line));
    try {
      appendFileSync(file, line);
      bytes += Buffer.byteLength(line);
      if (bytes > most) bytes = shorten(file, most / 2, (msg) => textOf('warn', msg));
    } catch (error) {
      isOver = true; // a full disk is told by whatever needs the room
      shown.warn(`what the harness says is not kept from here on: ${(error as Error).message}`);
    }
  };
  const textOf = (level: Level, msg: string, fields: Pairs = []) => {
    const said = msg.length > MOST_LINE / 4 ? `${msg.slice(0, MOST_LINE / 4)} ...` : msg;
    const pairs: Pairs = [
      ['ts', timeText(nowMs())],
      ['level', level],
      ['service', 'harness'],
      ['msg', said],
      ...fields,
    ];
    return `${lineText(pairs, format)}\n`;
  };
  const write: HarnessLog['write'] = (level, msg, fields) => put(textOf(level, msg, fields));

  const step = (title: string): ProgressStep => {
    const inner = shown.step(title);
    const began = nowMs();
    let toldMs = began;
    let open = true;
    write('info', `begin ${title}`);
    const end = (level: Level, word: string, text: string | undefined) => {
      if (!open) return;
      open = false;
      write(level, `${word} ${title}${text ? `: ${text}` : ''}`, [
        ['seconds', Number(((nowMs() - began) / 1e3).toFixed(3))],
      ]);
    };
    return {
      update: (text, fraction) => {
        inner.update(text, fraction);
        if (!open || nowMs() - toldMs < UPDATE_MS) return;
        toldMs = nowMs();
        write('debug', `${title}: ${text}`, fraction === undefined ? [] : [['done', Number(fraction.toFixed(3))]]);
      },
      isDue: () => open && (inner.isDue?.() !== false || nowMs() - toldMs >= UPDATE_MS),
      done: (text) => {
        end('info', 'done', text);
        inner.done(text);
      },
      fail: (text) => {
        end('error', 'FAILED', text);
        inner.fail(text);
      },
    };
  };
  return {
    progress: {
      step,
      info: (line) => {
        write('info', line);
        shown.info(line);
      },
      warn: (line) => {
        write('warn', line);
        shown.warn(line);
      },
      close: () => shown.close(),
    },
    write,
    open: (runDir) => {
      const folder = join(runDir, LOGS_FOLDER);
      try {
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, HARNESS_LOG), before.items.join(''), { flag: 'a' });
        file = join(folder, HARNESS_LOG);
        bytes = statSync(file).size;
      } catch (error) {
        isOver = true;
        shown.warn(`what the harness says is not kept: ${(error as Error).message}`);
      }
    },
  };
}

/** Cuts the front of the file, with a line that says so; gives what is left of it in bytes. */
function shorten(file: string, most: number, note: (msg: string) => string): number {
  const tail = new Tail<string>(most);
  for (const line of readFileSync(file, 'utf8').split(/(?<=\n)/)) tail.push(line, Buffer.byteLength(line));
  const said = note(`${tail.cut.lines.toLocaleString('en')} lines before this one are not kept`);
  const text = said + tail.items.join('');
  writeFileSync(file, text);
  return Buffer.byteLength(text);
}
