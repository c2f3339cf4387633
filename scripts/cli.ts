/** The edge of every command: the one place that prints an error and decides the exit code. */
import { EXIT, MayflyError } from './errors.ts';

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
    io.stderr(text);
    code = exitCode;
  }
  process.exitCode = code;
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(code);
}

/** What the user reads about an error, and the exit code. A stack trace only for a fault of Mayfly itself, on request. */
export function explain(error: unknown, env: NodeJS.ProcessEnv): { text: string; exitCode: number } {
  if (error instanceof MayflyError) {
    return { text: [`mayfly: ${error.message}`, error.hint].filter(Boolean).join('\n'), exitCode: error.exitCode };
  }
  const detail = error instanceof Error ? error.message : String(error);
  const trace = error instanceof Error && env.MAYFLY_DEBUG === '1' ? error.stack : undefined;
  const hint = trace ?? 'Run it again with MAYFLY_DEBUG=1 and report what it prints.';
  return { text: `mayfly: a fault of Mayfly itself: ${detail}\n${hint}`, exitCode: EXIT.infrastructure };
}

function print(stream: NodeJS.WriteStream, text: string): void {
  stream.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** A reader that has seen enough (`| head`) closes the pipe: that is no error. */
function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** A pipe takes long output in pieces; what is not written when the process ends is lost. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) return resolve();
    stream.once('close', resolve);
    stream.write('', () => resolve());
  });
}
