/** The server and the worker as containers of one Compose project for each data folder. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../app/context.ts';
import { isFree } from '../archive/archives.ts';
import { endLongRunning, partsOf, startLongRunning } from '../archive/long-running.ts';
import { InfrastructureError } from '../core/errors.ts';
import type { Paths } from '../core/paths.ts';
import { inStep } from '../core/step.ts';
import { engineSocket } from '../engine/socket.ts';
import { IMAGES } from '../images/images.ts';

export const SERVICES = ['serve', 'work'] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface ServiceOptions {
  services: readonly ServiceName[];
  servePort: number;
  workPort: number;
  slots: number;
  /** Absolute path of mayfly.yaml, where it is another than that of the checkout. */
  config: string | undefined;
  /**
   * Absolute paths of folders that the worker needs beside checkout and data: git repositories that benchmarks build
   * from.
   */
  folders: readonly string[];
  /** Environment variables that mayfly.yaml names: they are handed to the server. */
  variables: readonly string[];
}

const TIMEOUT_S = 120;
/** A worker hands its job back and takes its stack down. */
const STOP_S = 60;

/** Starts them, or takes on what has changed, and waits until they are ready; gives their URLs. */
export async function startContainers(
  options: ServiceOptions,
  ctx: Context,
): Promise<Partial<Record<ServiceName, string>>> {
  const { services, servePort, workPort } = options;
  const project = projectOf(ctx.paths);
  const present = await partsOf(project, ctx);
  const ports = { serve: servePort, work: workPort };
  for (const name of services) {
    if (!present.has(name) && !(await isFree(ports[name])))
      throw new InfrastructureError(
        `the port ${ports[name]} of 127.0.0.1 is taken, so ${name} could not listen there`,
        { hint: `Choose another with --${name === 'serve' ? 'port' : 'work-port'}=N.` },
      );
  }
  const dir = join(ctx.paths.data, 'service');
  await mkdir(join(dir, 'home'), { recursive: true });
  const urls = Object.fromEntries(services.map((name) => [name, `http://127.0.0.1:${ports[name]}`]));
  await inStep(ctx.progress, `start ${services.join(' and ')}`, async (step) =>
    startLongRunning(
      {
        project,
        title: 'the service',
        dir,
        files: [join(ctx.paths.root, 'compose', 'service.yaml')],
        profiles: [],
        variables: variablesOf(options, dir, ctx),
        services: Object.fromEntries(
          await Promise.all(services.map(async (name) => [name, await partOf(name, options, ctx)])),
        ),
        ready: Object.fromEntries(services.map((name) => [name, `${urls[name]}/readyz`])),
        hint: 'Fix what the log says and run the command again; `npm run serve` and `npm run work` show the same without containers.',
      },
      TIMEOUT_S,
      step,
      ctx,
    ),
  );
  return urls;
}

/** Stops them: the worker hands its job back. */
export const endContainers = (ctx: Context) => endLongRunning(projectOf(ctx.paths), ctx, STOP_S);

const projectOf = (paths: Paths) =>
  `mayfly-service-${createHash('sha256').update(paths.data).digest('hex').slice(0, 8)}`;

/** Secrets are handed on by name: Compose takes their values from its own environment, and no file holds them. */
function variablesOf(
  { servePort, workPort, slots, config }: ServiceOptions,
  dir: string,
  { paths, env }: Context,
): Record<string, string> {
  const secrets = [
    'GITHUB_API_URL',
    'GITHUB_TOKEN',
    'GITHUB_APP_ID',
    'MAYFLY_WEBHOOK_SECRET',
    'MAYFLY_ACTION_TOKEN',
    'MAYFLY_REGISTRY',
  ];
  const file = env.GITHUB_APP_PRIVATE_KEY_FILE; // no path of the host is a path of the container
  const key = env.GITHUB_APP_PRIVATE_KEY || (file && readFileSync(file, 'utf8'));
  return {
    ...(key ? { GITHUB_APP_PRIVATE_KEY: key } : {}),
    ...Object.fromEntries(secrets.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]))),
    MAYFLY_SERVICE_IMAGE: IMAGES.service.ref,
    MAYFLY_ROOT: paths.root,
    MAYFLY_DATA_FOLDER: paths.data,
    MAYFLY_SERVE_PORT: String(servePort),
    MAYFLY_SERVE_CONFIG: config === undefined ? `--host=127.0.0.1` : `--config=${config}`,
    MAYFLY_WORK_PORT: String(workPort),
    MAYFLY_WORK_SLOTS: String(slots),
    MAYFLY_WORK_HOME: join(dir, 'home'),
  };
}

async function partOf(
  name: ServiceName,
  { folders, config, variables }: ServiceOptions,
  { paths, env, machine }: Context,
): Promise<Record<string, unknown>> {
  const mount = (path: string, readOnly = false) => ({ type: 'bind', source: path, target: path, read_only: readOnly });
  if (name === 'serve') {
    const values = Object.fromEntries(variables.map((variable) => [variable, env[variable] ?? '']));
    return {
      environment: values,
      volumes: [mount(paths.root, true), mount(paths.data), ...(config === undefined ? [] : [mount(config, true)])],
    };
  }
  const socket = engineSocket(env);
  const { gid } = await stat(socket);
  const plugin = {
    type: 'bind',
    source: machine.compose.path,
    target: '/usr/local/lib/docker/cli-plugins/docker-compose',
    read_only: true,
  };
  return {
    environment: { DOCKER_HOST: `unix://${socket}` },
    group_add: [String(gid)],
    // Temporary folders are mounted into containers by their path on the host.
    volumes: [
      mount(paths.root),
      mount(paths.data),
      mount(socket),
      mount(tmpdir()),
      plugin,
      ...folders.map((folder) => mount(folder)),
    ],
  };
}
