/** Errors of a load script, and where in the benchmark's folder they are. */
import { fileURLToPath } from 'node:url';

/** The folder of the benchmark, as the generator sees it. */
export const BENCHMARK_FOLDER = process.env.MAYFLY_BENCHMARK_FOLDER ?? '/benchmark';

/** The script asks for what there is not, or is none. `hint`: what is allowed. */
export class ScriptFault extends Error {
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** Why a script cannot be used, in one sentence that begins with file and line, as far as they are known. */
export function faultOf(error: unknown): { message: string; hint?: string } {
  const {
    message,
    hint,
    stack = '',
  } = error instanceof Error ? (error as ScriptFault) : { message: String(error), hint: undefined, stack: '' };
  const where = placeIn(stack);
  const said = shorten(message);
  return { message: where ? `${where} ${said}` : said, ...(hint === undefined ? {} : { hint }) };
}

/** `load.ts:12`: the first place in the benchmark's folder that a stack names; undefined where it names none. */
export function placeIn(stack: string): string | undefined {
  for (const line of stack.split('\n')) {
    const found = /(?:file:\/\/)?(\/[^\s:()]+):(\d+)(?::\d+)?\)?$/.exec(line.trim());
    if (!found) continue;
    const file = decodeURIComponent(found[1]!);
    if (file.startsWith(`${BENCHMARK_FOLDER}/`) && !file.includes('/node_modules/'))
      return `${file.slice(BENCHMARK_FOLDER.length + 1)}:${found[2]}`;
  }
  return undefined;
}

/** A message without what only a program reads: paths as the author knows them, one line. */
function shorten(message: string): string {
  return message
    .replaceAll(`file://${BENCHMARK_FOLDER}/`, '')
    .replaceAll(`${BENCHMARK_FOLDER}/`, '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
    .slice(0, 3)
    .join(' ')
    .slice(0, 500);
}

/** Path of a module's URL in the benchmark's folder; null where it lies elsewhere. */
export function pathInBenchmark(url: string): string | null {
  if (!url.startsWith('file:')) return null;
  const path = fileURLToPath(url);
  return path.startsWith(`${BENCHMARK_FOLDER}/`) ? path.slice(BENCHMARK_FOLDER.length + 1) : null;
}
