/** npm run lint: types, format, what may import what, what nobody uses. Each by its tool; the tests run the same. */
import { spawnSync } from 'node:child_process';
import { ROOT } from '../app/open.ts';
import { main } from '../core/cli.ts';
import { EXIT } from '../core/errors.ts';

/** What it proves -> the command. */
export const CHECKS: Record<string, [string, ...string[]]> = {
  'the types agree': ['tsc', '--noEmit'],
  'format and lint (npx biome check --write fixes what it can)': ['biome', 'check', '--error-on-warnings'],
  'folders import only what they may, and in no circle': [
    'depcruise',
    '--config',
    '.dependency-cruiser.mjs',
    'scripts',
    'loadgen',
    'telemetry/src',
    'functions/src',
  ],
  'nothing is exported, kept or installed that nobody uses': ['knip', '--no-progress'],
  'nothing of the product is used by its tests alone': [
    'knip',
    '--no-progress',
    '--production',
    '--include',
    'exports,types,files,duplicates',
  ],
};

if (import.meta.main) {
  await main(async (io) => {
    let failed = 0;
    for (const [what, [program, ...args]] of Object.entries(CHECKS)) {
      const { status, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8' });
      io.stdout(`${status === 0 ? 'ok    ' : 'FAILED'} ${what}`);
      if (status === 0) continue;
      failed++;
      io.stdout(`${stdout}${stderr}`.trim());
    }
    return failed > 0 ? EXIT.regression : EXIT.pass;
  });
}
