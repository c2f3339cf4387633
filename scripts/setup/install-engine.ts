/** Installs and starts the Docker engine where the set-up may, and says how where it may not. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { InfrastructureError } from '../core/errors.ts';
import { run, TAIL_LINES, which } from '../core/exec.ts';
import type { Progress } from '../core/progress.ts';
import { inStep } from '../core/step.ts';
import type { EngineError } from '../engine/connection.ts';
import { connectEngine } from '../engine/engine.ts';
import type { EngineFacts } from '../engine/engine-images.ts';
import { engineSocket } from '../engine/socket.ts';
import { aptInstall, type System, thisSystem } from '../images/debian.ts';

export interface EngineFault {
  /** Code of the failed connection: ENOENT, ECONNREFUSED, EACCES. */
  code: string;
  message: string;
}

export interface EngineOptions {
  socket: string;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/** A Docker daemon of its own, as it is started where no service manager runs. */
export interface Daemon {
  args: string[];
  socket: string;
  /** Files in which a daemon writes its process id; one of a dead process would stop the next. */
  pidFiles: string[];
  log: string;
  deadlineMs: number;
}

const DEFAULT_DAEMON: Omit<Daemon, 'socket'> = {
  args: [],
  pidFiles: ['/var/run/docker.pid', '/var/run/docker/containerd/containerd.pid'],
  log: '/var/log/mayfly-dockerd.log',
  deadlineMs: 60_000,
};

/** What the engine says of itself, or why it says nothing. */
export async function inspectEngine(socket: string): Promise<EngineFacts | EngineFault> {
  const api = connectEngine(socket);
  try {
    return await api.facts();
  } catch (error) {
    const { code, reason, message } = error as EngineError;
    return { code: code ?? 'unknown', message: reason ?? message };
  } finally {
    await api.close();
  }
}

export function isFault(engine: EngineFacts | EngineFault): engine is EngineFault {
  return 'code' in engine;
}

/** Programs of Docker that are there: the daemon and the client. */
export function dockerPrograms(env: NodeJS.ProcessEnv): { daemon: boolean; client: boolean } {
  return { daemon: which('dockerd', env) !== undefined, client: which('docker', env) !== undefined };
}

/**
 * Makes an engine answer at the socket, with a client beside it. Throws InfrastructureError with the commands to run
 * where it may not.
 */
export async function repairEngine(fault: EngineFault | undefined, options: EngineOptions): Promise<void> {
  const system = thisSystem();
  const programs = dockerPrograms(options.env);
  const advice = engineAdvice({
    fault,
    system,
    programs,
    socket: options.socket,
    ownSocket: Boolean(options.env.DOCKER_HOST) || options.socket !== engineSocket({}),
    ofContext: !options.env.DOCKER_HOST,
  });
  if (advice) throw new InfrastructureError(advice.message, { hint: advice.hint });
  if (!programs.client || (fault && !programs.daemon)) await install(programs, options);
  if (fault && isFault(await inspectEngine(options.socket))) await start(system, options);
}

/** What the user has to do, or undefined where the set-up can do it: pure. */
export function engineAdvice(situation: {
  fault: EngineFault | undefined;
  system: System;
  programs: { daemon: boolean; client: boolean };
  socket: string;
  /** It is not the usual one. */
  ownSocket: boolean;
  /** A Docker context names it, not DOCKER_HOST. */
  ofContext?: boolean;
}): { message: string; hint: string } | undefined {
  const { fault, system, programs, socket } = situation;
  if (fault?.code === 'EACCES') {
    return {
      message: `the Docker engine at ${socket} does not let this user in`,
      hint: 'Run: sudo usermod -aG docker "$USER"\nThen log in again and run the command again.',
    };
  }
  if (fault && situation.ownSocket) {
    const [who, other] = situation.ofContext
      ? ['the Docker context in use', 'take the usual one: docker context use default']
      : ['DOCKER_HOST', 'unset DOCKER_HOST'];
    return {
      message: `no Docker engine answers at ${socket}, which ${who} names (${fault.message})`,
      hint: `Start that engine, or ${other}.`,
    };
  }
  const missing = !programs.client || (fault && !programs.daemon);
  if (missing && !(system.root && system.debian)) {
    return {
      message: programs.client
        ? 'there is no Docker engine on this machine'
        : 'Docker is not installed on this machine',
      hint: system.debian
        ? installCommands(system)
        : 'Install Docker Engine 20.10 or newer with its client (https://docs.docker.com/engine/install/), start it and run the command again.',
    };
  }
  if (fault && !system.root) {
    return {
      message: `the Docker engine is installed but does not answer at ${socket} (${fault.message})`,
      hint: `Run: ${startCommand(system)}\nThen run the command again.`,
    };
  }
  return undefined;
}

function installCommands(system: System): string {
  return [
    'Run:',
    '  sudo apt-get update',
    '  sudo apt-get install --no-install-recommends docker.io iptables',
    `  ${startCommand(system)}`,
    '  sudo usermod -aG docker "$USER"',
    'Then log in again and run the command again.',
  ].join('\n');
}

function startCommand(system: System): string {
  return system.systemd
    ? 'sudo systemctl enable --now docker'
    : "sudo sh -c 'setsid dockerd >/var/log/dockerd.log 2>&1 &'";
}

async function install(programs: { daemon: boolean; client: boolean }, options: EngineOptions): Promise<void> {
  const packages = programs.daemon ? ['docker-cli'] : ['docker.io', 'iptables'];
  await inStep(options.progress, `installing the Debian packages ${packages.join(' and ')}`, async (step) => {
    await aptInstall(packages, { ...options, step });
    // From Debian 13 on the client is a package of its own.
    if (!dockerPrograms(options.env).client) await aptInstall(['docker-cli'], { ...options, step });
  });
}

async function start(system: System, options: EngineOptions): Promise<void> {
  await inStep(options.progress, 'starting the Docker engine', async () => {
    if (system.systemd)
      await run('systemctl', ['start', 'docker'], {
        what: 'starting the Docker engine',
        env: options.env,
        signal: options.signal,
        hint: 'See `journalctl -u docker`, then run the command again.',
      });
    else await startDaemon({ ...DEFAULT_DAEMON, socket: options.socket }, options);
  });
}

/** Starts a daemon in a process group of its own, so that it outlives this command, and waits until it answers. */
export async function startDaemon(
  daemon: Daemon,
  options: { env: NodeJS.ProcessEnv; signal?: AbortSignal | undefined },
): Promise<number> {
  for (const file of daemon.pidFiles) removeStalePidFile(file);
  const log = openSync(daemon.log, 'w');
  const child = spawn(which('dockerd', options.env) ?? 'dockerd', daemon.args, {
    detached: true,
    stdio: ['ignore', log, log],
    env: options.env,
    cwd: '/',
  });
  closeSync(log);
  child.unref();
  let ended: string | undefined;
  child.on('exit', (code, by) => {
    ended = `it ended with ${by ?? `code ${code}`}`;
  });
  child.on('error', (error) => {
    ended = error.message;
  });
  const deadline = Date.now() + daemon.deadlineMs;
  while (isFault(await inspectEngine(daemon.socket))) {
    options.signal?.throwIfAborted();
    if (ended === undefined && Date.now() > deadline)
      ended = `it did not answer at ${daemon.socket} within ${daemon.deadlineMs / 1000} s`;
    if (ended !== undefined)
      throw new InfrastructureError(
        [`the Docker engine did not start: ${ended}; the end of ${daemon.log}:`, ...tailOf(daemon.log)].join('\n'),
        { hint: 'Fix what the log names and run the command again.' },
      );
    await sleep(100);
  }
  return child.pid!;
}

/** A process id is used again after a restart: the file counts only while a process of Docker has it. */
function removeStalePidFile(file: string): void {
  const pid = readOr(file, '').trim();
  if (pid === '') return;
  const name = readOr(`/proc/${pid}/comm`, '').trim();
  if (!['dockerd', 'containerd', 'docker-containe'].includes(name)) rmSync(file, { force: true });
}

function tailOf(file: string): string[] {
  return readOr(file, '')
    .trimEnd()
    .split('\n')
    .slice(-TAIL_LINES)
    .map((line) => `  ${line}`);
}

function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}
