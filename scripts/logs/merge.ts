/** Several streams of lines as one, by time. Pure. */

/**
 * Merges streams each of which is in order of time, with one line of each in memory. Of the same time, and where a stream
 * is not in order, the lines of an earlier stream come first, and those of one stream in its order.
 */
export async function* mergeByTime<T extends { time: string }>(
  streams: readonly AsyncIterable<T>[],
): AsyncGenerator<T, void> {
  const sources = streams.map((stream) => stream[Symbol.asyncIterator]());
  /** The next line of each, by time, then by the place of its stream. */
  const heads: { line: T; from: number }[] = [];
  const take = async (from: number) => {
    const { done, value } = await sources[from]!.next();
    if (done) return;
    const at = heads.findIndex(
      ({ line, from: other }) => line.time > value.time || (line.time === value.time && other > from),
    );
    heads.splice(at === -1 ? heads.length : at, 0, { line: value, from });
  };
  try {
    for (const from of sources.keys()) await take(from);
    for (let head = heads.shift(); head; head = heads.shift()) {
      yield head.line;
      await take(head.from);
    }
  } finally {
    await Promise.all(sources.map((source) => source.return?.()));
  }
}
