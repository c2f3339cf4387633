/** Where the Docker engine of this host listens. */
import { InfrastructureError } from '../core/errors.ts';

/**
 * Path of the engine's socket: DOCKER_HOST=unix://… or the usual place. Throws InfrastructureError for an engine on
 * another host.
 */
export function engineSocket(env: NodeJS.ProcessEnv): string {
  const host = env.DOCKER_HOST;
  if (!host) return '/var/run/docker.sock';
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new InfrastructureError(`DOCKER_HOST is ${host}, but Mayfly needs an engine on this host`, {
    hint: 'Unset DOCKER_HOST or set it to unix:///path/of/docker.sock.',
  });
}
