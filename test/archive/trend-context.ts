/** For the tests of the trend stream: what a stage gets, with the real engine and a store and a bucket of its own. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { isBlockName } from '../../scripts/archive/blocks.ts';
import { makeContext, type Context } from '../../scripts/context.ts';
import { paths } from '../../scripts/paths.ts';
import { IMAGES } from '../../scripts/setup/images.ts';
import type { SetupResult } from '../../scripts/setup/setup.ts';
import { openStore } from '../../scripts/store/db.ts';
import { dataFolder, engine, ROOT } from '../e2e/helpers.ts';

export interface TestContext extends Context {
  /** What was warned of. */
  warnings: string[];
}

export function context(t: Test): TestContext {
  const where = paths(ROOT, { MAYFLY_DATA: dataFolder(t) });
  const store = openStore(where.db);
  t.teardown(() => store.close());
  const warnings: string[] = [];
  const step = () => ({ update: () => {}, done: () => {}, fail: () => {} });
  const progress = { step, info: () => {}, warn: (line: string) => void warnings.push(line), close: () => {} };
  const image = (name: 'thanos' | 'prometheus') => ({ ref: IMAGES[name].ref });
  const machine = { images: { thanos: image('thanos'), prometheus: image('prometheus') } } as unknown as SetupResult;
  return { ...makeContext({ paths: where, env: process.env, progress, signal: new AbortController().signal, engine, store, machine }), warnings };
}

/** Every block of a folder bucket that is not marked for deletion. */
export function blocksIn(folder: string): { name: string; labels: Record<string, string>; samples: number; level: number }[] {
  const metas = readdirSync(folder).filter((name) => isBlockName(name) && !existsSync(join(folder, name, 'deletion-mark.json'))).sort().map((name) => JSON.parse(readFileSync(join(folder, name, 'meta.json'), 'utf8')));
  return metas.map((meta) => ({ name: meta.ulid, labels: meta.thanos.labels, samples: meta.stats.numSamples, level: meta.compaction.level }));
}
