/** Progress on stderr. The only file that knows log-update. */
import { createLogUpdate } from 'log-update';
import type { Progress, ProgressStep } from '../core/progress.ts';
import { plainLines, plainText } from '../core/text.ts';
import { formatElapsed } from './units.ts';

/** Seconds between two updates of one step where the stream is not a terminal. */
const PLAIN_INTERVAL_S = 10;
/** Milliseconds between two redraws of the live block; the elapsed times move on their own. */
const REDRAW_MS = 200;
const BAR_WIDTH = 20;

interface Step {
  title: string;
  text: string;
  fraction?: number;
  startedAt: number;
}

/** How steps reach the stream; the two below differ in nothing else. */
interface Display {
  began(step: Step): void;
  updated(step: Step): void;
  isDue(step: Step): boolean;
  ended(step: Step, line: string, ok: boolean): void;
  line(text: string): void;
  close(): void;
}

/**
 * Steps and lines for a person who waits.
 *
 * On a terminal the running steps stand in a live block below the finished ones; elsewhere each step gives a line
 * at its begin and end and at most one every 10 s between. With `quiet` only warnings and failures are shown.
 * Any text may come from others (a build's output): what could act on the terminal is taken out of it.
 * `now` gives milliseconds.
 */
export function createProgress(options: { stream: NodeJS.WriteStream; quiet: boolean; now?: () => number }): Progress {
  const { stream, quiet } = options;
  const now = options.now ?? (() => performance.now());
  const display = quiet ? quietDisplay(stream) : stream.isTTY ? liveDisplay(stream, now) : plainDisplay(stream, now);
  return {
    step: (title) => startStep(plainText(title), display, now),
    info: (line) => {
      if (!quiet) display.line(plainLines(line));
    },
    warn: (line) => display.line(`warning: ${plainLines(line)}`),
    close: () => display.close(),
  };
}

function startStep(title: string, display: Display, now: () => number): ProgressStep {
  const step: Step = { title, text: '', startedAt: now() };
  let open = true;
  const end = (ok: boolean, text: string | undefined): void => {
    if (!open) return;
    open = false;
    const mark = ok ? 'done  ' : 'FAILED';
    display.ended(step, `${mark} ${title}${text ? `: ${plainText(text)}` : ''} (${elapsed(step, now)})`, ok);
  };
  display.began(step);
  return {
    update: (text, fraction) => {
      if (!open) return;
      step.text = plainText(text);
      step.fraction = fraction;
      display.updated(step);
    },
    isDue: () => open && display.isDue(step),
    done: (text) => end(true, text),
    fail: (text) => end(false, text),
  };
}

/** Steps that run now, with a bar where the fraction is known. Nothing is drawn where nothing runs. */
function liveDisplay(stream: NodeJS.WriteStream, now: () => number): Display {
  // The cursor stays: a process that is killed could not bring it back.
  const draw = createLogUpdate(stream, { showCursor: true });
  const running = new Set<Step>();
  let timer: NodeJS.Timeout | undefined;

  const redraw = (): void => {
    if (running.size === 0) return draw.clear();
    draw([...running].map((step) => liveLine(step, now, stream.columns || 80)).join('\n'));
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const line = (text: string): void => {
    draw.clear();
    stream.write(`${text}\n`);
    redraw();
  };
  return {
    began: (step) => {
      running.add(step);
      timer ??= setInterval(redraw, REDRAW_MS).unref();
      redraw();
    },
    updated: () => {},
    isDue: () => true,
    ended: (step, text) => {
      running.delete(step);
      if (running.size === 0) stop();
      line(text);
    },
    line,
    close: () => {
      stop();
      running.clear();
      draw.clear();
      draw.done();
    },
  };
}

function plainDisplay(stream: NodeJS.WriteStream, now: () => number): Display {
  const shownAt = new Map<Step, number>();
  const line = (text: string): void => {
    stream.write(`${text}\n`);
  };
  const isDue = (step: Step) => now() - (shownAt.get(step) ?? 0) >= PLAIN_INTERVAL_S * 1000;
  return {
    began: (step) => {
      shownAt.set(step, now());
      line(`begin  ${step.title}`);
    },
    updated: (step) => {
      if (!isDue(step)) return;
      shownAt.set(step, now());
      line(`       ${step.title}: ${progressText(step)} (${elapsed(step, now)})`);
    },
    isDue,
    ended: (step, text) => {
      shownAt.delete(step);
      line(text);
    },
    line,
    close: () => shownAt.clear(),
  };
}

function quietDisplay(stream: NodeJS.WriteStream): Display {
  return {
    began: () => {},
    updated: () => {},
    isDue: () => false,
    ended: (_step, text, ok) => {
      if (!ok) stream.write(`${text}\n`);
    },
    line: (text) => {
      stream.write(`${text}\n`);
    },
    close: () => {},
  };
}

function liveLine(step: Step, now: () => number, columns: number): string {
  const parts = [`${step.title} (${elapsed(step, now)})`, bar(step.fraction), step.text];
  const line = parts.filter(Boolean).join('  ');
  return line.length < columns ? line : `${line.slice(0, columns - 4)}...`;
}

function bar(fraction: number | undefined): string {
  if (fraction === undefined) return '';
  const share = Math.min(1, Math.max(0, fraction));
  const full = Math.round(share * BAR_WIDTH);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}] ${String(Math.floor(share * 100)).padStart(3)} %`;
}

function progressText(step: Step): string {
  const percent = step.fraction === undefined ? '' : `${Math.floor(step.fraction * 100)} %`;
  return [percent, step.text].filter(Boolean).join(', ');
}

function elapsed(step: Step, now: () => number): string {
  return formatElapsed((now() - step.startedAt) / 1000);
}
