/** Python with packages of PyPI, for what is proved or drawn with the real ones. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../app/open.ts';
import { InfrastructureError } from '../core/errors.ts';
import { execute, run } from '../core/exec.ts';
import { hostLock } from '../core/lock.ts';

/** What reads telemetry files and draws them, and what proves the Python library. */
export const TELEMETRY_PACKAGES = [
  'gunicorn==27.0.1',
  'matplotlib==3.10.7',
  'mypy==1.18.2',
  'pandas==2.3.3',
  'setuptools==80.9.0',
];

/** The interpreter of a virtual environment with these packages, made once: kept as long as node_modules is. */
export async function pythonWith(packages: readonly string[]): Promise<string> {
  const env = process.env;
  const version = await execute(['python3', '-c', 'import sys; print(sys.version)'], { env }).catch(() => null);
  if (version?.exitCode !== 0)
    throw new InfrastructureError('python3 is not installed, or does not start', {
      hint: 'Install Python 3.10 or newer with venv and pip (Debian: python3 python3-venv).',
    });
  const key = createHash('sha256').update(version.stdout + packages.join());
  const place = join(ROOT, 'node_modules', '.cache', `python-${key.digest('hex').slice(0, 12)}`);
  const stamp = join(place, '.complete');
  const python = join(place, 'bin', 'python');
  if (existsSync(stamp)) return python;
  mkdirSync(join(place, '..'), { recursive: true });
  using _ = await hostLock({ file: `${place}.lock`, onWait: () => {} });
  if (existsSync(stamp)) return python; // the one before has made it
  rmSync(place, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', place], { env, what: 'making a virtual environment of Python' });
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:'];
  await run(python, [...install, ...packages], { env, what: 'installing packages of PyPI' });
  writeFileSync(stamp, '');
  return python;
}

/** The fenced blocks of a page of docs/ in this language, as they are written. */
export function snippetsOf(page: string, language: string): string[] {
  const text = readFileSync(join(ROOT, 'docs', page), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code!);
}
