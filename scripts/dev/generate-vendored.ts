/** The libraries for services as npm would pack them, for what is built from a folder of its own and uses them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../app/open.ts';
import { run } from '../core/exec.ts';

/** The folder of a library -> where it is copied to. Everything below such a place is generated. */
const VENDORED: Record<string, string[]> = {
  telemetry: ['benchmarks/shop/service/vendor/mayfly-telemetry'],
  functions: [
    'benchmarks/chain-sync/functions/vendor/mayfly-functions',
    'benchmarks/chain-async/functions/vendor/mayfly-functions',
    'benchmarks/templates/event/service/vendor/mayfly-functions',
    'compose/images/trigger/vendor/mayfly-functions',
  ],
};

/** All places of copies. */
export const COPIES = Object.values(VENDORED).flat();

/** File, from the root of the checkout, -> its content. */
export async function vendoredFiles(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const [library, copies] of Object.entries(VENDORED)) {
    const packed = await packageOf(library);
    for (const copy of copies) {
      for (const [file, content] of Object.entries(packed)) files[`${copy}/${file}`] = content;
    }
  }
  return files;
}

/** File within the package -> its content. */
async function packageOf(library: string): Promise<Record<string, string>> {
  const built = mkdtempSync(join(tmpdir(), `mayfly-${library}-`));
  try {
    const args = ['-p', join(ROOT, library), '--outDir', built];
    await run('tsc', args, { cwd: ROOT, env: process.env, what: `tsc -p ${library}` });
    const { scripts: _, ...description } = JSON.parse(readFileSync(join(ROOT, library, 'package.json'), 'utf8'));
    return {
      'package.json': `${JSON.stringify({ ...description, exports: compiled(description.exports) }, null, 2)}\n`,
      LICENSE: readFileSync(join(ROOT, library, 'LICENSE'), 'utf8'),
      ...Object.fromEntries(
        readdirSync(built)
          .sort()
          .map((name) => [`dist/${name}`, readFileSync(join(built, name), 'utf8')]),
      ),
    };
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}

/** In the checkout a library may be imported as it is written: what it exports there is TypeScript. */
function compiled(exports: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(exports).map(([name, target]) => {
      if (typeof target !== 'string') return [name, target];
      const stem = target.replace(/^\.\/src\//, './dist/').replace(/\.ts$/, '');
      return [name, { types: `${stem}.d.ts`, default: `${stem}.js` }];
    }),
  );
}
