/** The telemetry library as npm would pack it, for the shop: what it is built from must lie in its own folder. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../app/open.ts';
import { run } from '../core/exec.ts';

/** Everything below it is generated. */
export const VENDORED = 'benchmarks/shop/service/vendor/mayfly-telemetry';

/** File, from the root of the checkout, -> its content. */
export async function vendoredTelemetry(): Promise<Record<string, string>> {
  const built = mkdtempSync(join(tmpdir(), 'mayfly-telemetry-'));
  try {
    const args = ['-p', join(ROOT, 'telemetry'), '--outDir', built];
    await run('tsc', args, { cwd: ROOT, env: process.env, what: 'tsc -p telemetry' });
    const { scripts: _, ...description } = JSON.parse(readFileSync(join(ROOT, 'telemetry/package.json'), 'utf8'));
    return {
      [`${VENDORED}/package.json`]: `${JSON.stringify(description, null, 2)}\n`,
      [`${VENDORED}/LICENSE`]: readFileSync(join(ROOT, 'telemetry/LICENSE'), 'utf8'),
      ...Object.fromEntries(
        readdirSync(built)
          .sort()
          .map((name) => [`${VENDORED}/dist/${name}`, readFileSync(join(built, name), 'utf8')]),
      ),
    };
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}
