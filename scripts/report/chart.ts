/** A series drawn with characters, compact. Pure. */

export interface ChartOptions {
  /** Characters of a line, with the axis. */
  width: number;
  /** Lines of the drawing. */
  height?: number;
  /** The scale covers at least so much, as a share of the values: noise must not fill the chart. */
  least: number;
  /** The label of a value on the axis; `all`: those that get one. */
  format(value: number, all: readonly number[]): string;
  /** Letters under the points that they belong to. */
  marks: readonly { index: number; letter: string }[];
}

export interface Chart {
  lines: string[];
  /** Where the drawing begins and how many columns it has. */
  left: number;
  columns: number;
}

/**
 * Values above 0, oldest first, one column each; where there are more than fit, a column is the median of its share.
 * The scale is of ratios. What lies far outside the others (a spike) is drawn as ^ or v at the edge.
 */
export function chart(values: readonly number[], { width, height = 7, least, format, marks }: ChartOptions): Chart {
  const logs = values.map(Math.log);
  const [low, high] = scaleOf(logs, least);
  const places = [high, (low + high) / 2, low].map(Math.exp);
  const labels = places.map((value) => format(value, places));
  const left = Math.max(...labels.map((label) => label.length)) + 2;
  const columns = Math.max(1, Math.min(values.length, width - left));
  const columnOf = (index: number) => Math.min(columns - 1, Math.floor((index * columns) / values.length));
  const grid = Array.from({ length: height }, () => new Array<string>(columns).fill(' '));
  const shares = Map.groupBy(logs.keys(), columnOf);
  for (const [column, indices] of shares) {
    const value = middleOf([...indices].map((index) => logs[index]!));
    const row = Math.round(((high - value) / (high - low)) * (height - 1));
    grid[Math.max(0, Math.min(height - 1, row))]![column] = row < 0 ? '^' : row >= height ? 'v' : '•';
  }
  const labelled = new Map([
    [0, labels[0]!],
    [(height - 1) / 2, labels[1]!],
    [height - 1, labels[2]!],
  ]);
  const lines = grid.map((row, i) =>
    `${(labelled.get(i) ?? '').padStart(left - 2)} ${labelled.has(i) ? '┤' : '│'}${row.join('')}`.trimEnd(),
  );
  const under = new Array<string>(columns).fill('─');
  for (const { index, letter } of marks) under[columnOf(index)] = letter;
  return { lines: [...lines, `${' '.repeat(left - 1)}└${under.join('')}`], left, columns };
}

/** From the 2nd to the 98th percentile with some room, and at least as wide as asked for. */
function scaleOf(logs: readonly number[], least: number): [low: number, high: number] {
  const sorted = logs.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  const [low, high] = [at(0.02), at(0.98)];
  const half = Math.max(high - low, Math.log1p(least)) * 0.55;
  const middle = (low + high) / 2;
  return [middle - half, middle + half];
}

/** The lower middle value: a point that is there, not one between two levels. */
const middleOf = (values: number[]) => values.toSorted((a, b) => a - b)[(values.length - 1) >> 1]!;
