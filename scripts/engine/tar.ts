/** Tar streams, as the engine takes and gives them. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { create, Parser, type ReadEntry } from 'tar';

/**
 * Paths of a folder (those of folders with all that is in them) as a tar stream, below `to` in it; links stay links.
 * `wanted`: leaves out what it says no to. The stream fails where a file cannot be read.
 */
export function packFolder(
  from: string,
  paths: readonly string[],
  { to, wanted = () => true }: { to: string; wanted?: (path: string) => boolean },
): Readable {
  const packed = create(
    { cwd: from, prefix: to, portable: true, strict: true, gzip: { level: 1 }, filter: (path) => wanted(path) },
    paths.map((path) => `./${path}`), // one that begins with @ would be taken for an archive
  );
  return Readable.from(packed as unknown as AsyncIterable<Buffer>);
}

/**
 * Writes the only entry of what the engine gives of a container to `to`, whole or not at all: what it is was up to the
 * container. One that is no file, or longer than `limitBytes`, is an error, and is not read to its end.
 */
export async function unpackFile(archive: Readable, to: string, limitBytes: number): Promise<void> {
  const temporary = `${to}.${process.pid}.tmp`;
  const stop = new AbortController();
  let written: Promise<void> | undefined;
  const parser = new Parser({
    strict: true, // a file that is cut off is an error
    onReadEntry(entry: ReadEntry) {
      const refusal = written
        ? 'there is more than one file in the archive'
        : entry.type !== 'File'
          ? `${entry.path} is no file`
          : entry.size > limitBytes
            ? `${entry.path} has ${entry.size} bytes; at most ${limitBytes} are taken`
            : null;
      if (refusal !== null) return stop.abort(new Error(refusal));
      written = pipeline(entry as unknown as AsyncIterable<Uint8Array>, createWriteStream(temporary), {
        signal: stop.signal,
      });
      written.catch((error) => stop.abort(error));
    },
  });
  try {
    await pipeline(archive, parser as unknown as NodeJS.WritableStream, { signal: stop.signal });
    await written;
    stop.signal.throwIfAborted();
    if (!written) throw new Error('there is nothing in the archive');
    await rename(temporary, to);
  } catch (error) {
    stop.abort(error);
    await written?.catch(() => {}); // only then nothing writes to it any more
    await rm(temporary, { force: true });
    throw stop.signal.reason;
  }
}
