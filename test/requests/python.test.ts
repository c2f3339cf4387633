/**
 * docs/requests.md as it is written, on the real pandas, pyarrow and DuckDB: they read our files, and give our figures.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { pythonWith, snippetsOf } from '../../scripts/dev/python.ts';
import { requestsReader } from '../../scripts/requests/view.ts';
import { engine, run } from '../e2e/helpers.ts';
import { folder, makeRequests, RUN, writeRound } from './made.ts';

t.teardown(() => engine.close());

const PACKAGES = ['pandas==2.3.3', 'pyarrow==22.0.0', 'duckdb==1.4.2'];

t.test('what the page tells to ask', { timeout: 600_000 }, async (t) => {
  const dir = folder(t);
  const parts = [1, 2].map((round) => ({ file: join(dir, `round-${round}.parquet`), runId: RUN, round }));
  for (const { file, round } of parts)
    await writeRound(file, round, makeRequests(30_000, { seed: round }), { more: { of: '30000', cap: '1000000' } });
  await using reader = requestsReader();
  await reader.join(parts, join(dir, 'requests.parquet'));
  const shares = [0.5, 0.99, 0.999];
  const { lines } = await reader.summary(parts, shares);
  const [sql, ...moreSql] = snippetsOf('requests.md', 'sql');
  const [first, second] = snippetsOf('requests.md', 'python');
  t.same(moreSql, []);
  const script = join(dir, 'ask.py');
  writeFileSync(
    script,
    [
      'import duckdb, json, pyarrow.parquet as pq',
      first,
      second,
      `rows = duckdb.sql("""${sql}""").fetchall()`,
      "one = pq.ParquetFile('round-1.parquet')",
      'codecs = {one.metadata.row_group(g).column(c).compression for g in range(one.num_row_groups) for c in range(one.metadata.num_columns)}',
      'print(json.dumps(dict(rows=rows, percentiles={side: list(row) for side, row in percentiles.iterrows()}, slowdown=[float(v) for v in slowdown], rounds=requests["round"].value_counts().to_dict(),',
      '  types={name: str(kind) for name, kind in requests.dtypes.items()}, first=json.loads(requests.head(1).to_json(orient="records")), codecs=list(codecs),',
      "  metadata={k.decode(): v.decode() for k, v in one.metadata.metadata.items() if k != b'ARROW:schema'}, failures=requests.failure.value_counts().to_dict())))",
    ].join('\n'),
  );
  const { code, stdout, stderr } = await run(await pythonWith(PACKAGES), [script], { cwd: dir }).done;
  t.equal(code, 0, stderr);
  const said = JSON.parse(stdout);

  const near = (a: number, b: number, what: string) => t.ok(Math.abs(a / b - 1) < 1e-6, `${what}: ${a} and ${b}`);
  for (const line of lines.filter(({ name }) => name === null))
    shares.forEach((share, i) =>
      near(said.percentiles[line.side][i], line.quantiles[i]!.seconds, `pandas, ${line.side}, ${share}`),
    );
  const named = lines
    .filter(({ name }) => name !== null)
    .sort((a, b) => (`${a.side} ${a.name}` < `${b.side} ${b.name}` ? -1 : 1));
  t.same(
    said.rows.map((row: unknown[]) => row.slice(0, 4)),
    named.map(({ side, name, requests, failed }) => [side, name, requests, failed]),
  );
  said.rows.forEach((row: number[], i: number) =>
    [row[4]!, row[5]!].forEach((value, j) =>
      near(value, named[i]!.quantiles[j === 0 ? 0 : 2]!.seconds, `DuckDB, ${named[i]!.side} ${named[i]!.name}`),
    ),
  );
  t.equal(said.slowdown.length, Math.ceil(30_000 / 800));
  const mean = said.slowdown.reduce((sum: number, value: number) => sum + value, 0) / said.slowdown.length;
  t.ok(mean > 0.04 && mean < 0.06, `the candidate is 5 % slower: ${mean}`);

  t.same(said.rounds, { 1: 30_000, 2: 30_000 });
  t.same(said.codecs, ['ZSTD']);
  t.match(said.types, {
    due: 'float64',
    start_lag: 'float32',
    latency: 'float32',
    pair: 'int32',
    status: 'int32',
    round: 'int32',
  });
  t.match(said.first, [{ due: 0, side: 'candidate', pair: 0, status: 200, failure: null, round: 1 }]);
  t.same(said.failures, { timeout: 30, status: 30 });
  t.same(said.metadata, {
    'mayfly.schema': 'mayfly.requests/v1',
    run_id: RUN,
    benchmark: 'shop',
    round: '1',
    window_start_ms: '1790000030000',
    of: '30000',
    cap: '1000000',
  });
});
