/** Where the Docker engine listens: on this host, or on another one. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InfrastructureError } from '../core/errors.ts';

const USUAL = 'unix:///var/run/docker.sock';
/** The context that is none: the engine of DOCKER_HOST, or the usual place. */
const DEFAULT_CONTEXT = 'default';

const LOCAL = 'unix://';

/**
 * Path of the engine's socket, in the order in which the docker client looks: DOCKER_HOST, the context that
 * DOCKER_CONTEXT names, the one that `docker context use` has set, the usual place. Throws InfrastructureError for an
 * engine on another host: only `npm run bench` goes there (farEngine).
 */
export function engineSocket(env: NodeJS.ProcessEnv): string {
  const { host, named } = endpoint(env);
  if (host.startsWith(LOCAL)) return host.slice(LOCAL.length);
  throw new InfrastructureError(`${named}, but this command needs an engine on this host`, {
    hint: 'npm run bench measures on an engine of another host and brings the run home. For the engine of this host: DOCKER_HOST=unix:///path/of/docker.sock.',
  });
}

/** The engine of another host, where one is named, and in words by whom; null where it is one of this host. */
export function farEngine(env: NodeJS.ProcessEnv): { host: string; named: string } | null {
  const found = endpoint(env);
  return found.host.startsWith(LOCAL) ? null : found;
}

/** `named`: who names it, in words. */
function endpoint(env: NodeJS.ProcessEnv): { host: string; named: string } {
  if (env.DOCKER_HOST) return { host: env.DOCKER_HOST, named: `DOCKER_HOST is ${env.DOCKER_HOST}` };
  const folder = env.DOCKER_CONFIG ?? (env.HOME === undefined ? undefined : join(env.HOME, '.docker'));
  const context = env.DOCKER_CONTEXT || (folder === undefined ? undefined : currentContext(folder));
  if (!context || context === DEFAULT_CONTEXT) return { host: USUAL, named: '' };
  const named = `the Docker context ${JSON.stringify(context)}`;
  const of = env.DOCKER_CONTEXT ? 'DOCKER_CONTEXT names it' : '`docker context use` has set it';
  const host = folder === undefined ? null : hostOf(folder, context);
  if (host === null)
    throw new InfrastructureError(`${named} is not there, or names no engine (${of})`, {
      hint: '`docker context ls` lists those that are there; `docker context use default` takes the engine of this host.',
    });
  return { host, named: `${named} is ${host} (${of})` };
}

/** As `docker context use` has set it; undefined where there is no such file, or none that can be read. */
function currentContext(folder: string): string | undefined {
  const { currentContext } = readJson(join(folder, 'config.json')) as { currentContext?: unknown };
  return typeof currentContext === 'string' ? currentContext : undefined;
}

/** Of a context's own file, whose folder is named by the hash of its name. */
function hostOf(folder: string, context: string): string | null {
  const id = createHash('sha256').update(context).digest('hex');
  const meta = readJson(join(folder, 'contexts', 'meta', id, 'meta.json')) as {
    Endpoints?: { docker?: { Host?: unknown } };
  };
  const host = meta.Endpoints?.docker?.Host;
  return typeof host === 'string' && host !== '' ? host : null;
}

function readJson(file: string): object {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
