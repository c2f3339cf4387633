/** Rows of numbers in one piece of memory: a million of them costs what they hold. What was never set is NaN. */
export class Rows {
  count = 0;
  #cells: Float64Array;
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
    this.#cells = new Float64Array(width * 1024).fill(Number.NaN);
  }

  /** The number of a new row. */
  add(): number {
    const needed = (this.count + 1) * this.#width;
    if (needed > this.#cells.length) {
      const more = new Float64Array(this.#cells.length * 2);
      more.set(this.#cells);
      more.fill(Number.NaN, this.#cells.length);
      this.#cells = more;
    }
    return this.count++;
  }

  get(row: number, column: number): number {
    return this.#cells[row * this.#width + column]!;
  }

  set(row: number, column: number, value: number): void {
    this.#cells[row * this.#width + column] = value;
  }

  /** Keeps the least of all that it is told. */
  least(row: number, column: number, value: number): void {
    if (!(this.get(row, column) <= value)) this.set(row, column, value);
  }

  /** Keeps the greatest. */
  greatest(row: number, column: number, value: number): void {
    if (!(this.get(row, column) >= value)) this.set(row, column, value);
  }

  /** Adds to what is there; what was never set is 0. */
  increment(row: number, column: number, by: number): void {
    this.set(row, column, (this.get(row, column) || 0) + by);
  }
}
