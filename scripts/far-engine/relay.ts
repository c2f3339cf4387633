/**
 * The engine of another host as a socket of this one: each connection is handed on by `docker system dial-stdio`, which
 * knows ssh, TLS and contexts as the docker client does. Who may enter the folder may use that engine: nobody else may.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InfrastructureError } from '../core/errors.ts';
import { temporaryPrefix } from '../engine/owner.ts';

export interface Relay extends AsyncDisposable {
  /** Absolute path of the socket. */
  socket: string;
  /** What the docker client has complained of last; empty where it has not. */
  complaint(): string;
}

/** The path of a unix socket has at most 107 bytes (sun_path, unix(7)), of which six are added to the prefix. */
const LONGEST = 107 - 'XXXXXX/docker.sock'.length;

/** `cache`: whose temporary folders the sweep removes when this process is gone. */
export async function openRelay(env: NodeJS.ProcessEnv, cache: string): Promise<Relay> {
  const own = join(cache, temporaryPrefix('engine'));
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(Buffer.byteLength(own) <= LONGEST ? own : join(tmpdir(), 'mayfly-engine-'));
  const socket = join(folder, 'docker.sock');
  const open = new Set<Socket>();
  let complaint = '';
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    open.add(connection);
    // In a group of its own: a Ctrl-C in the terminal must not cut off the clean-up.
    const dial = spawn('docker', ['system', 'dial-stdio'], { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const end = () => {
      connection.destroy();
      dial.kill('SIGKILL');
    };
    dial.on('error', (error: NodeJS.ErrnoException) => {
      complaint = error.code === 'ENOENT' ? 'the docker client is not installed on this host' : error.message;
      end();
    });
    dial.stderr.on('data', (text: Buffer) => {
      const said = text.toString().trim().split('\n').at(-1)!;
      if (said !== '') complaint = said;
    });
    dial.stdin.on('error', () => {}); // shows as the end of the other direction
    connection.on('error', end);
    connection.on('close', () => {
      open.delete(connection);
      dial.kill('SIGKILL');
    });
    connection.pipe(dial.stdin);
    dial.stdout.pipe(connection);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  }).catch(async (error: Error) => {
    await rm(folder, { recursive: true, force: true });
    throw new InfrastructureError(`no socket can be made in ${folder}: ${error.message}`, {
      hint: 'TMPDIR names the folder for temporary files: a shorter path, or one that may be written to.',
    });
  });
  return {
    socket,
    complaint: () => complaint,
    async [Symbol.asyncDispose]() {
      for (const connection of open) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
