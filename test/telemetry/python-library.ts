/** The Python library as a service has it: installed from its package, on the real interpreter. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { pythonWith, TELEMETRY_PACKAGES } from '../../scripts/dev/python.ts';
import { type Ended, ROOT, type Running, run } from '../e2e/helpers.ts';

export const SOURCE = join(ROOT, 'telemetry', 'python');

interface Python {
  program: string;
  /** Where the library is installed. */
  library: string;
}

/** The interpreter, and the library built and installed into a folder of this test file. */
export async function installLibrary(): Promise<Python> {
  const program = await pythonWith(TELEMETRY_PACKAGES);
  const place = mkdtempSync(join(tmpdir(), 'mayfly-python-'));
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  const copy = join(place, 'source'); // a build writes into it
  cpSync(SOURCE, copy, { recursive: true, filter: (path) => !/__pycache__|\.mypy_cache|egg-info/.test(path) });
  const library = join(place, 'library');
  const { code, stderr } = await run(
    program,
    [
      ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-build-isolation', '--no-deps'],
      ...['--root-user-action=ignore', '--target', library, copy],
    ],
    { cwd: place },
  ).done;
  if (code !== 0) throw new Error(stderr);
  return { program, library };
}

/** Runs Python with the library; arguments as of `python`. */
export function startPython(
  { program, library }: Python,
  args: string[],
  { env = {}, cwd = tmpdir() }: { env?: Record<string, string>; cwd?: string } = {},
): Running {
  return run(program, args, { cwd, env: { PYTHONPATH: library, MAYFLY_TELEMETRY: '', ...env } });
}

/** Runs `code` as a service to its end, with the library as `telemetry`. */
export function runService(python: Python, code: string, env: Record<string, string> = {}): Promise<Ended> {
  return startPython(python, ['-c', `import os, sys, time\nimport mayfly_telemetry as telemetry\n${code}`], { env })
    .done;
}
