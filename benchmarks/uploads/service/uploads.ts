/**
 * Uploads go to the disk as they come, and are never in memory: the disk holds the client back where it is slower. What
 * was not uploaded whole is not kept.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { Refusal } from './answers.ts';
import type { Disk } from './disk.ts';
import { uploads as counted } from './metrics.ts';

export interface Upload {
  name: string;
  bytes: number;
  sha256: string;
}

export class Uploads {
  readonly #disk: Disk;
  readonly #mostBytes: number;

  constructor(disk: Disk, mostBytes: number) {
    this.#disk = disk;
    this.#mostBytes = mostBytes;
  }

  /** Throws a Refusal where it is too long, or the disk is full. */
  async take(name: string, request: IncomingMessage): Promise<Upload> {
    if (Number(request.headers['content-length'] ?? 0) > this.#mostBytes) throw this.#tooLong();
    const part = this.#disk.part();
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      const counting = async function* (this: Uploads, chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          if (bytes > this.#mostBytes) continue; // leaving the loop would close the connection before the answer
          hash.update(chunk);
          counted.bytes.inc(chunk.length);
          yield chunk;
        }
        if (bytes > this.#mostBytes) throw this.#tooLong();
      };
      const body = request.iterator({ destroyOnReturn: false });
      await pipeline(body, counting.bind(this), createWriteStream(part, { flags: 'wx' }));
      await this.#disk.keep(part, 'files', name);
    } catch (error) {
      counted.cut.inc();
      await rm(part, { force: true });
      throw (error as NodeJS.ErrnoException).code === 'ENOSPC'
        ? new Refusal(507, 'disk-full', `the disk is full: nothing of ${name} was kept`)
        : error;
    }
    const upload = { name, bytes, sha256: hash.digest('hex') };
    await this.#disk.write('files', name, upload);
    counted.done.inc();
    return upload;
  }

  of(name: string): Promise<Upload | undefined> {
    return this.#disk.read('files', name);
  }

  #tooLong(): Refusal {
    return new Refusal(413, 'too-long', `an upload must not be longer than ${this.#mostBytes} bytes`);
  }
}
