/** The edge of every command: the one place that prints an error and decides the exit code. */
import { cleanUpFailures, EXIT, Interrupted, MayflyError, original } from './errors.ts';
import { plainLines } from './text.ts';

/** Results go to stdout, everything else to stderr. Each call prints one text and a newline. */
export interface Io {
  stdout(text: string): void;
  stderr(text: string): void;
}

/** Runs a command and ends the process with the exit code that it returns, or with that of the error that it throws. */
export async function main(command: (io: Io) => Promise<number>): Promise<void> {
  tolerateClosedPipes();
  const io: Io = { stdout: (text) => print(process.stdout, text), stderr: (text) => print(process.stderr, text) };
  let code: number;
  try {
    code = await command(io);
  } catch (error) {
    const { text, exitCode } = explain(error, process.env);
    io.stderr(plainLines(text)); // the log of a service may be in it
    code = exitCode;
  }
  process.exitCode = code;
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(code);
}

/** Failures of the disk that may come from any call, in words. */
const DISK: Record<string, string> = {
  ENOSPC: 'there is no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the disk is read-only',
  EACCES: 'permission denied',
  EIO: 'the disk reports an error',
};

/** What the user reads about an error and about what could not be cleaned up after it, and the exit code. */
export function explain(error: unknown, env: NodeJS.ProcessEnv): { text: string; exitCode: number } {
  const { message, hint, exitCode } = explainOne(original(error), env);
  const left = cleanUpFailures(error).map((text) =>
    text.includes('could not be removed')
      ? text
      : `something of the run could not be removed: ${text}; the next command does it`,
  );
  const end = original(error) instanceof Interrupted && left.length === 0 ? '; everything was taken down' : '';
  return { text: [`mayfly: ${message}${end}`, ...left, hint].filter(Boolean).join('\n'), exitCode };
}

/** A stack trace only for a fault of Mayfly itself, on request. */
function explainOne(
  error: unknown,
  env: NodeJS.ProcessEnv,
): { message: string; hint: string | undefined; exitCode: number } {
  if (error instanceof MayflyError) return error;
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (code && code in DISK) {
    return {
      message: `${DISK[code]}${path ? `: ${path}` : ''}`,
      hint: 'Make room, or put the data elsewhere with MAYFLY_DATA.',
      exitCode: EXIT.infrastructure,
    };
  }
  const detail = error instanceof Error ? error.message : String(error);
  const trace = error instanceof Error && env.MAYFLY_DEBUG === '1' ? error.stack : undefined;
  return {
    message: `a fault of Mayfly itself: ${detail}`,
    hint: trace ?? 'Run it again with MAYFLY_DEBUG=1 and report what it prints.',
    exitCode: EXIT.infrastructure,
  };
}

function print(stream: NodeJS.WriteStream, text: string): void {
  stream.write(text.endsWith('\n') ? text : `${text}\n`);
}

/**
 * A reader that has seen enough (`| head`) closes the pipe, and a terminal may be closed: neither is an error, nor may
 * it cut the clean-up short.
 */
function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

/** A pipe takes long output in pieces; what is not written when the process ends is lost. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) return resolve();
    stream.once('close', resolve);
    stream.write('', () => resolve());
  });
}
