/** The labels of telemetry files: made harmless, and bounded in number, since code under test has written them. */

/** So many characters of a label are kept. */
const MOST_CHARACTERS = 200;
/** So many labels of one prefix are told apart; the rest is one. */
const MOST_LABELS = 1000;
/** A label may be written in several ways (it is cut, and its control characters are not kept): so many are remembered. */
const MOST_SPELLINGS = 4 * MOST_LABELS;
/** Labels that are found again by their bytes, without a string: so many, and none of more bytes. */
const SLOTS = 512;
const SLOT_BYTES = 256;
/** The label of those beyond the bound. */
export const OTHER_LABEL = '(other)';

/** The labels of one prefix, each with what its reader keeps for it. */
export class Labels<T> {
  readonly #make: (label: string) => T;
  readonly #of = new Map<string, T>();
  readonly #spellings = new Map<string, T>();
  #left = MOST_LABELS;
  /** In each slot the label that was seen last of those that fall there: its length, its bytes, and what is kept for it. */
  readonly #lengths = new Int32Array(SLOTS).fill(-1);
  readonly #bytes = Buffer.alloc(SLOTS * SLOT_BYTES);
  readonly #held: T[] = [];

  /** `make`: what is kept for a label that is seen for the first time. */
  constructor(make: (label: string) => T) {
    this.#make = make;
  }

  /** What is kept for a label. `bytes`: its UTF-8 bytes as a latin1 string, as they are cheapest to have. */
  of(bytes: string): T {
    return this.#spellings.get(bytes) ?? this.#read(bytes);
  }

  /**
   * The same for bytes of a buffer, and any hash of them. To make a string of each label would take longer than all else
   * of a row. Labels of one hash only push each other out of a slot.
   */
  at(data: Buffer, from: number, to: number, hash: number): T {
    const length = to - from;
    const slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
    const place = slot * SLOT_BYTES;
    if (this.#lengths[slot] === length) {
      let same = 0;
      while (same < length && this.#bytes[place + same] === data[from + same]) same++;
      if (same === length) return this.#held[slot]!;
    }
    const found = this.of(data.toString('latin1', from, to));
    if (length <= SLOT_BYTES) {
      data.copy(this.#bytes, place, from, to);
      this.#lengths[slot] = length;
      this.#held[slot] = found;
    }
    return found;
  }

  /** Each label once, in the order in which they were seen. */
  all(): IterableIterator<[label: string, T]> {
    return this.#of.entries();
  }

  #read(bytes: string): T {
    const label = harmless(bytes);
    let found = this.#of.get(label);
    if (found === undefined && this.#left > 0 && label !== OTHER_LABEL) {
      this.#left--;
      this.#of.set(label, (found = this.#make(label)));
    }
    if (found === undefined) return this.#rest();
    if (this.#spellings.size < MOST_SPELLINGS) this.#spellings.set(bytes, found);
    return found;
  }

  #rest(): T {
    let rest = this.#of.get(OTHER_LABEL);
    if (rest === undefined) this.#of.set(OTHER_LABEL, (rest = this.#make(OTHER_LABEL)));
    return rest;
  }
}

/** Text of a file, given as its bytes: without what moves a cursor or turns text round, cut, well formed. */
export function harmless(bytes: string, most = MOST_CHARACTERS): string {
  const some = bytes.slice(0, 4 * most); // a character has at most four bytes
  return Buffer.from(some, 'latin1')
    .toString('utf8')
    .slice(0, most)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .toWellFormed();
}
