/** Where a benchmark is from, as the store knows it: by that two of one name are told apart. */
export interface KnownBenchmark {
  /** Which repository it measures; null: it is of the checkout, or was measured before that was kept. */
  repository: string | null;
  /** Of its folder, in the repository that it lies in; null where the benchmark has a name of its own. */
  path: string | null;
  /** Where it was measured from last, on this host. */
  folder: string | null;
  /** The commit of its newest run. */
  newest: string | null;
}
