/** Files of the data folder, which replicas share: each is there whole or not at all, whoever dies meanwhile. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A part that nobody has written to for so long is that of a replica that has died. */
const DEAD_MS = 10 * 60_000;

export class Disk {
  readonly #folder: string;
  readonly #replica: string;

  /** Makes the folders, and removes what this replica, or one that has died, has begun and not ended. */
  constructor(folder: string, replica: string) {
    this.#folder = folder;
    this.#replica = replica;
    for (const kind of ['tmp', 'sessions', 'projects', 'files']) mkdirSync(join(folder, kind), { recursive: true });
    const parts = join(folder, 'tmp');
    for (const name of readdirSync(parts)) {
      const path = join(parts, name);
      const touchedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
      if (name.startsWith(`${replica}.`) || touchedMs < Date.now() - DEAD_MS) rmSync(path, { force: true });
    }
  }

  /** Where to write what is not whole yet. */
  part(): string {
    return join(this.#folder, 'tmp', `${this.#replica}.${randomUUID()}`);
  }

  /** What was written to a part gets its name, in place of what had it. */
  async keep(part: string, kind: string, name: string): Promise<void> {
    await rename(part, join(this.#folder, kind, name));
  }

  async write(kind: string, name: string, value: unknown): Promise<void> {
    const part = this.part();
    await writeFile(part, JSON.stringify(value));
    await this.keep(part, kind, `${name}.json`);
  }

  async read<T>(kind: string, name: string): Promise<T | undefined> {
    try {
      return JSON.parse(await readFile(join(this.#folder, kind, `${name}.json`), 'utf8')) as T;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async remove(kind: string, name: string): Promise<void> {
    await rm(join(this.#folder, kind, `${name}.json`), { force: true });
  }
}
