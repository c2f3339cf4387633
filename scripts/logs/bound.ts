/** The last of something, within so many bytes: what is too much goes at the front, and is counted. Pure. */

export interface Cut {
  lines: number;
  bytes: number;
}

export class Tail<T> {
  readonly #most: number;
  #items: { item: T; bytes: number }[] = [];
  /** Items before it are cut already. */
  #first = 0;
  #bytes = 0;
  readonly cut: Cut = { lines: 0, bytes: 0 };

  constructor(most: number) {
    this.#most = most;
  }

  push(item: T, bytes: number): void {
    this.#items.push({ item, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#most && this.#first < this.#items.length - 1) {
      const { bytes: gone } = this.#items[this.#first++]!;
      this.#bytes -= gone;
      this.cut.lines++;
      this.cut.bytes += gone;
    }
    if (this.#first < 1024 || this.#first < this.#items.length / 2) return;
    this.#items = this.#items.slice(this.#first);
    this.#first = 0;
  }

  /** What is left, the oldest first. */
  get items(): T[] {
    return this.#items.slice(this.#first).map(({ item }) => item);
  }
}

/** `1.5 MiB`, `12 KiB`, `7 bytes`. */
export function sizeText(bytes: number): string {
  const [unit, size] = bytes >= 1024 ** 2 ? ['MiB', 1024 ** 2] : bytes >= 1024 ? ['KiB', 1024] : ['bytes', 1];
  return `${Number((bytes / (size as number)).toPrecision(3)).toLocaleString('en')} ${unit}`;
}
