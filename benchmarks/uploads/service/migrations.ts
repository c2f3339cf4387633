/**
 * The migration of a project: its records are made, held in memory, and changed in so many passes, each of which finds
 * every record by its key. It computes in short slices, so that the health check and everybody else is answered between
 * them, and few of them at once, so that memory has a bound.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Refusal } from './answers.ts';
import type { Disk } from './disk.ts';
import { migrations as counted } from './metrics.ts';

export interface Project {
  project: string;
  /** Migrations that it has had. */
  version: number;
  records: number;
  checksum: string;
}

interface Row {
  key: string;
  text: string;
  value: number;
}

export const MOST_RECORDS = 200_000;
export const MOST_PASSES = 100;
const SLICE_MS = 5;
/** Records between two looks at the clock. */
const STEP = 500;

export class Migrations {
  readonly #disk: Disk;
  readonly #atOnce: number;
  readonly #projects = new Set<string>();
  readonly #waiting: (() => void)[] = [];
  #computing = 0;

  constructor(disk: Disk, atOnce: number) {
    this.#disk = disk;
    this.#atOnce = atOnce;
  }

  /** Throws a Refusal where the project has one under way. */
  async run(project: string, records: number, passes: number): Promise<Project & { seconds: number }> {
    if (this.#projects.has(project))
      throw new Refusal(409, 'under-way', `a migration of ${project} is under way: wait until it has ended`);
    this.#projects.add(project);
    try {
      await this.#turn();
      const started = performance.now();
      try {
        const checksum = await migrate(project, records, passes);
        const { version } = (await this.of(project)) ?? { version: 0 };
        const now = { project, version: version + 1, records, checksum };
        await this.#disk.write('projects', project, now);
        counted.done.inc();
        return { ...now, seconds: (performance.now() - started) / 1000 };
      } finally {
        this.#next();
      }
    } finally {
      this.#projects.delete(project);
    }
  }

  of(project: string): Promise<Project | undefined> {
    return this.#disk.read('projects', project);
  }

  async #turn(): Promise<void> {
    if (this.#computing < this.#atOnce) this.#computing++;
    else {
      counted.waiting.inc();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      counted.waiting.dec();
    }
    counted.underWay.set(this.#computing);
  }

  /** Who waits longest takes the place over. */
  #next(): void {
    const first = this.#waiting.shift();
    if (first) return first();
    this.#computing--;
    counted.underWay.set(this.#computing);
  }
}

/** The same records, and the same checksum, for the same arguments. */
async function migrate(project: string, records: number, passes: number): Promise<string> {
  const pause = slices();
  const rows = new Map<string, Row>();
  for (let i = 0; i < records; i++) {
    const key = `${project}/${i}`;
    rows.set(key, { key, text: `record ${i} of ${project}`, value: i });
    if (i % STEP === 0) await pause();
  }
  for (let pass = 1; pass <= passes; pass++)
    for (let i = 0; i < records; i++) {
      const row = rows.get(`${project}/${i}`)!;
      row.value = mixed(row.text, row.value ^ pass);
      if (i % STEP === 0) await pause();
    }
  const hash = createHash('sha256');
  let i = 0;
  for (const { key, value } of rows.values()) {
    hash.update(`${key}=${value}\n`);
    if (i++ % STEP === 0) await pause();
  }
  return hash.digest('hex');
}

/** FNV-1a over a text, from a number on. */
function mixed(text: string, from: number): number {
  let hash = (2_166_136_261 ^ from) >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619) >>> 0;
  return hash;
}

/** Lets others in where a slice is over. */
function slices(): () => Promise<void> | undefined {
  let until = performance.now() + SLICE_MS;
  return () => {
    if (performance.now() < until) return undefined;
    return setImmediate(undefined).then(() => {
      until = performance.now() + SLICE_MS;
    });
  };
}
