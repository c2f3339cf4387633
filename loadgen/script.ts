/**
 * Loads the script of a benchmark: TypeScript as it is, `mayfly/load` and this project's packages wherever the folder
 * lies.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { pathInBenchmark, ScriptFault } from './faults.ts';
import { dataFiles, type Iterate, type LoadScript, pathOf, type Scenarios } from './load.ts';
import { requestOf } from './rows.ts';

const LIBRARY = new URL('./load.ts', import.meta.url).href;
/** Modules of the benchmark's folder that were loaded: path -> SHA-256. */
const modules = new Map<string, string>();
let hooked = false;

function hook(): void {
  if (hooked) return;
  hooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'mayfly/load') return { url: LIBRARY, shortCircuit: true };
      const { parentURL } = context; // the next step changes it
      try {
        return typed(next(specifier, context));
      } catch (error) {
        if (!/MODULE_NOT_FOUND$/.test((error as { code?: string }).code ?? '')) throw error;
        // A package that the benchmark's folder does not hold may be one of this project's: the version that the run
        // uses.
        try {
          if (!isFile(specifier)) return next(specifier, { ...context, parentURL: LIBRARY });
        } catch {
          // nor is it one of these
        }
        throw notFound(specifier, parentURL, error);
      }
    },
    load(url, context, next) {
      const loaded = next(url, context);
      const path = pathInBenchmark(url);
      if (path !== null && loaded.source != null)
        modules.set(
          path,
          createHash('sha256')
            .update(loaded.source as string | Uint8Array)
            .digest('hex'),
        );
      return loaded;
    },
  });
}

const isFile = (specifier: string) => /^[./]|^file:/.test(specifier);

/**
 * The same with the line of the import, which Node.js does not say. Its code stays: a package may try what need not be
 * there.
 */
function notFound(specifier: string, parentURL: string | undefined, error: unknown): unknown {
  const path = parentURL === undefined ? null : pathInBenchmark(parentURL);
  if (path === null || path.includes('node_modules/')) return error;
  const line = readFileSync(fileURLToPath(parentURL!), 'utf8')
    .split('\n')
    .findIndex((text) => text.includes(`'${specifier}'`) || text.includes(`"${specifier}"`));
  const hint = isFile(specifier)
    ? 'Files are named from the file that imports them, with .ts at the end.'
    : 'A package must lie in a folder node_modules of the benchmark, or be one that Mayfly itself uses.';
  return Object.assign(
    new ScriptFault(`${path}:${line + 1} there is no ${isFile(specifier) ? 'file' : 'package'} ${specifier}`, hint),
    { code: (error as { code: string }).code },
  );
}

/** A .ts or .js file of the benchmark is a module whatever package.json lies about it. */
function typed<R extends { url: string; format?: string | null | undefined }>(resolved: R): R {
  const path = pathInBenchmark(resolved.url);
  if (path === null || path.includes('node_modules/')) return resolved;
  const format =
    resolved.url.endsWith('.ts') || resolved.url.endsWith('.mts')
      ? 'module-typescript'
      : /\.m?js$/.test(resolved.url)
        ? 'module'
        : resolved.format;
  return { ...resolved, format };
}

/**
 * The script's default export. ScriptFault where there is none that defineLoad made, or none for these scenarios.
 * `script`: path from the benchmark's folder; null: requests of the file of requests.
 */
export async function loadScript(script: string | null, scenarios: readonly string[] = []): Promise<LoadScript> {
  if (script === null) return { kind: 'mayfly.load-script/v1', options: {}, iterate: requestOf };
  hook();
  const { default: found } = await import(pathToFileURL(pathOf(script)).href);
  if (found === undefined)
    throw new ScriptFault(
      `${script}:1 has no default export`,
      "Write export default defineLoad(({ http }) => http.get('/')).",
    );
  if (found?.kind !== 'mayfly.load-script/v1')
    throw new ScriptFault(
      `${script}:1 its default export is not made by defineLoad of mayfly/load`,
      "Write import { defineLoad } from 'mayfly/load'; export default defineLoad(({ http }) => http.get('/')).",
    );
  mustFit(found, script, scenarios);
  return found;
}

/** The function of a scenario; of a load without scenarios the script's. It is there: loadScript has seen to that. */
export const iterateOf = ({ iterate }: LoadScript, scenario: string | null): Iterate<any> =>
  scenario === null ? (iterate as Iterate) : (iterate as Scenarios)[scenario]!;

/** One function where the load has no scenarios, else one for each. */
function mustFit({ iterate, place }: LoadScript, script: string, scenarios: readonly string[]): void {
  const at = place ?? `${script}:1`;
  const wanted = scenarios.join(', ');
  if (typeof iterate === 'function') {
    if (scenarios.length === 0) return;
    throw new ScriptFault(
      `${at} there is one function, and the load has the scenarios ${wanted}`,
      `Write one for each: defineLoad({ ${scenarios.map((name) => `${name}: ({ http }) => ...`).join(', ')} }).`,
    );
  }
  const names = Object.keys(iterate);
  if (scenarios.length === 0)
    throw new ScriptFault(
      `${at} there are functions for the scenarios ${names.join(', ')}, and the load has none`,
      'Name them under load/scenarios in benchmark.yaml, or write one function: defineLoad(({ http }) => ...).',
    );
  const missing = scenarios.find((name) => !Object.hasOwn(iterate, name));
  if (missing !== undefined)
    throw new ScriptFault(
      `${at} there is no function for the scenario ${missing}`,
      `The script has ${names.join(', ')}; load/scenarios in benchmark.yaml has ${wanted}.`,
    );
  const unknown = names.find((name) => !scenarios.includes(name));
  if (unknown !== undefined)
    throw new ScriptFault(
      `${lineOf(unknown, at)} the function ${unknown} is for no scenario`,
      `load/scenarios in benchmark.yaml has ${wanted}.`,
    );
}

/** Where a function of the script stands, from the call of defineLoad on; that call where it is not found. */
function lineOf(name: string, at: string): string {
  const [, file, line] = /^(.*):(\d+)$/.exec(at)!;
  const after = readFileSync(pathOf(file!), 'utf8')
    .split('\n')
    .slice(Number(line) - 1);
  const found = after.findIndex((text) => new RegExp(`(^|[\\s{,'"])${name}['"]?\\s*[:(,}]`).test(text));
  return found < 0 ? at : `${file}:${Number(line) + found}`;
}

/** What the script was made of so far: modules of the benchmark's folder and data files, path -> SHA-256. */
export const filesOfScript = (): Record<string, string> =>
  Object.fromEntries([...modules, ...dataFiles].sort(([a], [b]) => (a < b ? -1 : 1)));
