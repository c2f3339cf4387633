/**
 * Builds the image of one version of Caddy from its Go module.
 * Environment: MAYFLY_COMMIT, the version (v2.10.0); MAYFLY_IMAGE, the tag to produce. Needs go and docker on the path.
 * Progress goes to stderr. Exit code 2: the version or the environment is wrong; 4: a step failed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MODULE = 'github.com/caddyserver/caddy/v2/cmd/caddy';
const VERSION_VARIABLE = 'github.com/caddyserver/caddy/v2.CustomVersion';
const IMAGE_SOURCES = join(import.meta.dirname, 'image');
const FILES = { '1kB.txt': 1_000, '10kB.txt': 10_000, '100kB.txt': 100_000 };

class BuildError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

try {
  await build(version(process.env.MAYFLY_COMMIT), imageTag(process.env.MAYFLY_IMAGE));
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}

async function build(version: string, tag: string): Promise<void> {
  const context = mkdtempSync(join(tmpdir(), 'mayfly-caddy-'));
  try {
    await compile(version, context);
    cpSync(IMAGE_SOURCES, context, { recursive: true, filter: (path) => !path.endsWith('/health') });
    writeFiles(join(context, 'srv'));
    await step(`image ${tag}`, 'docker', ['build', '--quiet', '--tag', tag, context]);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

/** Puts the two static programs into the folder. */
async function compile(version: string, folder: string): Promise<void> {
  const env = { ...process.env, CGO_ENABLED: '0', GOBIN: folder };
  // Without the variable, Caddy built by `go install` says 'unknown' when asked for its version.
  const caddyFlags = ['-trimpath', '-ldflags', `-s -w -X ${VERSION_VARIABLE}=${version}`];
  await step(`caddy ${version} from ${MODULE}`, 'go', ['install', ...caddyFlags, `${MODULE}@${version}`], env);
  await step('health check', 'go', ['-C', join(IMAGE_SOURCES, 'health'), 'install', '-trimpath', '.'], env);
}

/** The same text of letters in every build; text of one letter would be too kind to any cache. */
function writeFiles(folder: string): void {
  mkdirSync(folder);
  for (const [name, bytes] of Object.entries(FILES)) {
    const text = Array.from({ length: bytes }, (_, i) => String.fromCharCode(97 + ((i * i + (i >> 4)) % 26)));
    writeFileSync(join(folder, name), text.join(''));
  }
}

async function step(what: string, command: string, args: string[], env = process.env): Promise<void> {
  console.error(`building ${what}`);
  const child = spawn(command, args, { env, stdio: ['ignore', 2, 2] });
  // A signal ends the step, and the step's end lets `finally` remove the folder.
  const stop = () => void child.kill('SIGTERM');
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    const [status, signal] = await once(child, 'close');
    if (status !== 0)
      throw new BuildError(
        4,
        `building ${what} failed: ${command} ended with ${signal ?? `exit code ${status}`}, see above`,
      );
  } catch (error) {
    throw isMissing(error)
      ? new BuildError(4, `${command} is not on the path; install it, it is needed to build Caddy from its Go module`)
      : error;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function version(text = ''): string {
  if (/^v2\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(text)) return text;
  throw new BuildError(2, `'${text}' is not a version of Caddy 2: give one such as --commit=v2.10.0`);
}

function imageTag(text = ''): string {
  if (text) return text;
  throw new BuildError(2, 'MAYFLY_IMAGE is not set: it must name the image to build; npm run bench sets it');
}
