/** A checkout with one benchmark, made of texts, for the tests of the configuration. */
import type { Test } from 'tap';
import { loadConfig, parseBenchArgs } from '../../scripts/config/config.ts';
import type { Config } from '../../scripts/config/types.ts';

export const BENCHMARK = `description: A shop
build:
  shop:
    git:
      context: service
services: compose.yaml
load:
  script: load.ts
  target: http://shop:8080
  rate: 200
  duration: 20s
scrape:
  - service: shop
    port: 8080
`;

export const COMPOSE = `services:
  shop:
    image: \${MAYFLY_IMAGE_SHOP}
    healthcheck:
      test: [CMD, healthy]
`;

/** What else lies in the benchmark's folder. */
export type Files = Exclude<NonNullable<Parameters<Test['testdir']>[0]>, string>;

/** Writes the benchmark and loads it, called from the checkout's root. */
export async function load(
  t: Test,
  benchmark: string,
  compose: string,
  args: string[] = [],
  files: Files = {},
): Promise<Config> {
  const root = t.testdir({
    benchmarks: {
      shop: { 'benchmark.yaml': benchmark, 'compose.yaml': compose, 'load.ts': '', data: { 'a.json': '' }, ...files },
    },
    'store.yaml': 'type: FILESYSTEM',
  });
  return loadConfig(parseBenchArgs(args), { root, cwd: root });
}

/** The lines of the message with which the benchmark is refused. */
export async function faults(
  t: Test,
  benchmark: string,
  compose = COMPOSE,
  args: string[] = [],
  files: Files = {},
): Promise<string[]> {
  try {
    await load(t, benchmark, compose, args, files);
  } catch (error) {
    if ((error as Error).name !== 'UsageError') throw error;
    return (error as Error).message.split('\n');
  }
  return [];
}

/** The file with one text replaced; a text that is not there is a fault of the test. */
export function swap(file: string, from: string, to: string): string {
  if (!file.includes(from)) throw new Error(`${JSON.stringify(from)} is not in the file`);
  return file.replace(from, () => to);
}
