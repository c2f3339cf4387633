/** The Compose v2 plugin of the docker client: found, installed from Debian, or built from its Go module. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../core/exec.ts';
import type { Progress, ProgressStep } from '../core/progress.ts';
import { inStep } from '../core/step.ts';
import { aptCandidate, aptInstall, thisSystem } from '../images/debian.ts';
import { type GoMake, IMAGES_FOLDER } from '../images/images.ts';
import { goBuild } from '../images/make.ts';

export interface ComposeFound {
  version: string;
  /** Absolute path of the plugin. */
  path: string;
}

export interface ComposeOptions {
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/** The first with inline `configs.content`, which compose/run.yaml may use. */
export const LEAST_VERSION = '2.23.1';
export const BUILT_VERSION = '2.40.3';

const MAKE: GoMake = {
  kind: 'go',
  programs: { 'docker-compose': 'github.com/docker/compose/v2/cmd' },
  tags: [],
  variables: { 'github.com/docker/compose/v2/internal.Version': `v${BUILT_VERSION}` },
};
const DEBIAN_PACKAGES = ['docker-compose-plugin', 'docker-compose-v2', 'docker-compose'];
const PLUGIN = join('cli-plugins', 'docker-compose');

/** The plugin that the docker client takes, or undefined where there is none or one that is too old. */
export async function inspectCompose(env: NodeJS.ProcessEnv): Promise<ComposeFound | undefined> {
  const path = pluginPaths(env).find((candidate) => existsSync(candidate));
  if (!path) return undefined;
  const version = await versionOf(path, env);
  return isAtLeast(version, LEAST_VERSION) ? { version, path } : undefined;
}

/** Puts a plugin where there is none. */
export async function installCompose(options: ComposeOptions): Promise<ComposeFound> {
  return inStep(options.progress, 'Docker Compose', async (step) => {
    if (!(await fromDebian(options, step))) await fromModule(options, step);
    const found = await inspectCompose(options.env);
    if (!found)
      throw new Error(
        `a Compose plugin older than ${LEAST_VERSION} hides the new one: remove ${pluginPaths(options.env).find(existsSync)}`,
      );
    step.done(`${found.version} at ${found.path}`);
    return found;
  });
}

/** Where the docker client looks, in its order. */
function pluginPaths(env: NodeJS.ProcessEnv): string[] {
  const system = ['/usr/local/lib/docker', '/usr/local/libexec/docker', '/usr/lib/docker', '/usr/libexec/docker'];
  return [dockerConfig(env), ...system].map((folder) => join(folder, PLUGIN));
}

function dockerConfig(env: NodeJS.ProcessEnv): string {
  return env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker');
}

/** Compares versions of numbers and dots; a suffix counts for nothing. */
export function isAtLeast(version: string, least: string): boolean {
  const [a, b] = [version, least].map((text) =>
    text
      .replace(/^v/, '')
      .split(/[.+~-]/)
      .map(Number),
  ) as [number[], number[]];
  const differing = b.findIndex((part, index) => (a[index] ?? 0) !== part);
  return differing < 0 || (a[differing] ?? 0) > b[differing]!;
}

/** Asking the plugin takes 60 ms, so its answer is kept as long as the file does not change. */
async function versionOf(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { mtimeMs, size } = statSync(path);
  const key = `${path} ${mtimeMs} ${size}`;
  const cache = join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'mayfly', 'compose.json');
  const kept = readJson(cache);
  if (kept?.key === key) return kept.version;
  const version = (
    await run(path, ['version', '--short'], {
      what: `asking ${path} for its version`,
      env,
      hint: `Remove ${path} and run the command again.`,
    })
  )
    .trim()
    .replace(/^v/, '');
  try {
    mkdirSync(dirname(cache), { recursive: true });
    writeFileSync(cache, JSON.stringify({ key, version }));
  } catch {
    // A home that cannot be written to costs 60 ms each time.
  }
  return version;
}

function readJson(file: string): { key: string; version: string } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

async function fromDebian(options: ComposeOptions, step: ProgressStep): Promise<boolean> {
  const { root, debian } = thisSystem();
  if (!root || !debian) return false;
  for (const name of DEBIAN_PACKAGES) {
    const version = await aptCandidate(name, options.env);
    if (!version || !isAtLeast(version.replace(/^\d+:/, ''), LEAST_VERSION)) continue;
    step.update(`installing the Debian package ${name}`);
    await aptInstall([name], { ...options, step });
    return true;
  }
  return false;
}

async function fromModule(options: ComposeOptions, step: ProgressStep): Promise<void> {
  const target = join(dockerConfig(options.env), PLUGIN);
  await mkdir(dirname(target), { recursive: true });
  const unfinished = await mkdtemp(join(dirname(target), '.mayfly-'));
  try {
    await goBuild(MAKE, {
      folder: join(IMAGES_FOLDER, 'compose'),
      packageName: MAKE.programs['docker-compose']!,
      target: join(unfinished, 'docker-compose'),
      ...options,
      step,
    });
    await rename(join(unfinished, 'docker-compose'), target);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
