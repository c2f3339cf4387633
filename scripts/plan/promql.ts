/**
 * The PromQL of a benchmark, checked before anything is built: Prometheus' own parser reads every query as a round will
 * ask it.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Context } from '../app/context.ts';
import type { Config } from '../config/types.ts';
import { type Fault, readYamlFile, throwFaults, type YamlFile, type YamlPath } from '../config/yaml-file.ts';
import { InfrastructureError } from '../core/errors.ts';
import { fillPromql } from '../engine/names.ts';
import { runTool } from '../engine/tool.ts';

/** A query as the user wrote it, and where. */
export interface Query {
  path: YamlPath;
  /** The metric, or the field of `load`, that it gives. */
  name: string;
  promql: string;
}

/**
 * Throws a UsageError that names every query that is no PromQL, with file, line and column. What has passed once is not
 * read again; what has not costs one container of under half a second.
 */
export async function checkPromql(config: Config, ctx: Context): Promise<void> {
  const file = readYamlFile(config.file, relative(process.cwd(), config.file) || config.file);
  const queries = queriesOf(file.value, config);
  if (queries.length === 0) return;
  const rules = rulesFile(queries, config.load.durationS);
  const image = ctx.machine.images.prometheus!;
  const folder = join(ctx.paths.cache, 'promql');
  const passed = join(
    folder,
    `${createHash('sha256').update(`${image.id}\n${rules}`).digest('hex').slice(0, 32)}.json`,
  );
  if (existsSync(passed)) return;
  await mkdir(folder, { recursive: true });
  const owner = ctx.newRunId();
  const asked = join(folder, `${owner}.asked`);
  await writeFile(asked, rules);
  try {
    const { exitCode, stdout, all, error } = await runTool(
      {
        owner,
        purpose: 'promql',
        image: 'prometheus',
        entrypoint: ['promtool'],
        cmd: ['check', 'rules', '--lint=none', '/rules.json'],
        binds: [`${asked}:/rules.json:ro`],
        network: 'none',
      },
      ctx,
    );
    throwFaults(
      faultsIn(all, queries, file, config.load.durationS),
      `${image.ref} says so, with $selector and $window filled in; nothing was built. docs/benchmark.md explains promql.`,
    );
    if (exitCode !== 0)
      throw new InfrastructureError(`the PromQL of ${file.name} cannot be checked: ${error}`, {
        hint: stdout.trim() || 'Run it again.',
      });
    await rename(asked, passed);
  } finally {
    await rm(asked, { force: true });
  }
}

/** Every query of a benchmark that a run asks. */
function queriesOf(file: unknown, { metrics, load: { generator } }: Config): Query[] {
  const written = (file as { metrics?: { name: string }[] } | undefined)?.metrics ?? [];
  const own = metrics.flatMap(({ name, promql }) =>
    promql === undefined
      ? []
      : [{ path: ['metrics', written.findIndex((one) => one.name === name), 'promql'], name, promql }],
  );
  if (generator.kind !== 'image') return own;
  const ofLoad = (['requests', 'failed', 'dropped'] as const).flatMap((name) =>
    generator[name] === undefined ? [] : [{ path: ['load', name], name, promql: generator[name] }],
  );
  return [...own, ...ofLoad];
}

/** As the first round will ask it. */
const filled = (promql: string, windowS: number) => fillPromql(promql, 'candidate', 1, windowS);

/**
 * A file of recording rules, in which promtool reads PromQL: each query twice, the second time in a sum, which only
 * takes what has one value at a moment.
 */
export function rulesFile(queries: readonly Query[], windowS: number): string {
  const rules = queries.flatMap(({ promql }) => {
    const expr = filled(promql, windowS);
    return [expr, `(${expr}\n) + 0`].map((text) => ({ record: 'mayfly', expr: text }));
  });
  return JSON.stringify({ groups: [{ name: 'mayfly', rules }] });
}

/** What promtool says about the rules, as faults of the file that the user wrote. */
export function faultsIn(output: string, queries: readonly Query[], file: YamlFile, windowS: number): Fault[] {
  const said = new Map(
    output.split('\n').flatMap((line) => {
      const [, rule, text] = /group "mayfly", rule (\d+), "mayfly": (.*)$/.exec(line) ?? [];
      return rule === undefined ? [] : [[Number(rule), text!] as const];
    }),
  );
  return queries.flatMap(({ path, name, promql }, index) => {
    const alone = said.get(2 * index + 1);
    if (alone !== undefined) {
      const [, line, column, text] = /^could not parse expression: (\d+):(\d+): parse error: (.*)$/.exec(alone) ?? [];
      const at =
        line === undefined ? 0 : indexIn(promql, filled(promql, windowS), Number(line), Number(column), windowS);
      return [file.faultIn(path, at, `of ${name} is no PromQL: ${text ?? alone}`)];
    }
    if (!said.has(2 * index + 2)) return [];
    return [
      file.faultIn(
        path,
        0,
        `of ${name} gives no number at a moment but a range of them: put rate(), max_over_time() or the like around it`,
      ),
    ];
  });
}

/** From a place in the query as it was asked (columns count bytes) to the place in the one that was written. */
function indexIn(promql: string, asked: string, line: number, column: number, windowS: number): number {
  const lines = asked.split('\n');
  const before = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const here = Buffer.from(lines[line - 1] ?? '')
    .subarray(0, column - 1)
    .toString().length;
  let left = before + here;
  let index = 0;
  for (const part of promql.split(/(\$selector|\$window)/)) {
    const length = filled(part, windowS).length;
    if (left < length || (left === length && part.length === length))
      return part.length === length ? index + left : index;
    left -= length;
    index += part.length;
  }
  return promql.length;
}
