/**
 * The gate (loadgen/gate.ts) of a round whose service is deployed elsewhere. The load generator, which runs code of the
 * benchmark's author, is in no network that leads anywhere: a folder with the gate's socket is its only way out, and
 * that ends at one host and port. docs/deployments.md says what is not bounded so.
 */
import { lookup } from 'node:dns/promises';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { GATE_VARIABLE, type GateEvent, type GatePlan } from '../../../loadgen/plan.ts';
import type { Context } from '../../app/context.ts';
import { MOST_DEPLOYED } from '../../config/deployed.ts';
import { InfrastructureError } from '../../core/errors.ts';
import type { ContainerSpec } from '../../engine/engine.ts';
import { LABEL } from '../../engine/names.ts';
import { thisUser } from '../../engine/owner.ts';
import type { Plan } from '../../plan/plan.ts';
import { type Counted, findCounters } from '../../stack/counters.ts';

/** Where the gate's folder is in both containers. */
const FOLDER = '/gate';
const SOCKET = `${FOLDER}/target.sock`;
/** Seconds that it has to reach the address and listen. */
const OPEN_S = 30;
/** Seconds that the address has to take a connection before anything is started. */
const REACH_S = 10;
const MEMORY_BYTES = 256 * 1024 ** 2;

export interface Gate extends AsyncDisposable {
  id: string;
  pid: number;
  counted: Counted | null;
}

/** What the load generator's container has of it, and what its plan says. */
export const gateOf = (plan: Plan, round: number): { binds: string[]; via: string } | null =>
  plan.config.deployed ? { binds: [`${folderOf(plan, round)}:${FOLDER}:ro`], via: SOCKET } : null;

const folderOf = ({ dir }: Plan, round: number) => join(dir, 'gate', String(round));

/** Host and port of a URL, as a connection is made to them. */
function addressOf(url: string): { host: string; port: number } {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
}

/** Nothing of the benchmark is in it: the generator's own files, to read, and the folder of its socket. */
export function gateContainer(plan: Plan, round: number, image: string, paths: { root: string }): ContainerSpec {
  const told: GatePlan = {
    ...addressOf(plan.config.deployed!.url),
    socket: SOCKET,
    // undici has closed a connection before the gate hears of it
    connections: 2 * MOST_DEPLOYED.inFlight,
  };
  return {
    name: `${plan.project}-gate-${round}`,
    image,
    entrypoint: ['node'],
    cmd: ['--disable-warning=ExperimentalWarning', '/mayfly/loadgen/gate.ts'],
    env: { [GATE_VARIABLE]: JSON.stringify(told) },
    user: thisUser(), // whose folder it is
    labels: { ...plan.labels, [LABEL.service]: 'gate', [LABEL.round]: String(round) },
    binds: [
      `${join(paths.root, 'loadgen')}:/mayfly/loadgen:ro`,
      `${join(paths.root, 'package.json')}:/mayfly/package.json:ro`,
      `${folderOf(plan, round)}:${FOLDER}`,
    ],
    networks: ['host'], // the address may be on its loopback; and a name means there what it means to the user
    cpuset: plan.cpusets.loadgen,
    memoryBytes: MEMORY_BYTES,
    pidsLimit: 64,
    scratchBytes: 1024 ** 2,
  };
}

/** Starts it, and waits until it has reached the address. */
export async function startGate(plan: Plan, round: number, signal: AbortSignal, ctx: Context): Promise<Gate> {
  const folder = folderOf(plan, round);
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  const id = await ctx.engine.create(gateContainer(plan, round, ctx.machine.images.node!.ref, ctx.paths));
  const dispose = async () => {
    await ctx.engine.remove(id);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ctx.engine.start(id);
    const said = await firstWord(id, AbortSignal.any([signal, AbortSignal.timeout(OPEN_S * 1000)]), ctx);
    signal.throwIfAborted();
    if (said?.event !== 'open') throw unreached(plan.config.deployed!.url, said?.message ?? (await lastWord(id, ctx)));
    const { pid } = await ctx.engine.inspect(id);
    return { id, pid, counted: await findCounters(id, pid), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** What the gate says; null where it ends, or the signal aborts, without a word. */
async function firstWord(id: string, signal: AbortSignal, ctx: Context): Promise<GateEvent | null> {
  const heard = new AbortController();
  let text = '';
  let said: GateEvent | null = null;
  await ctx.engine.follow(
    id,
    'stdout',
    (more) => {
      text += more;
      if (!text.includes('\n')) return;
      said ??= JSON.parse(text.split('\n')[0]!) as GateEvent;
      heard.abort();
    },
    AbortSignal.any([signal, heard.signal]),
  );
  return said;
}

const lastWord = async (id: string, ctx: Context): Promise<string> =>
  (await ctx.engine.logs(id, 5)).stderr.trim() || `its gate did not open in ${OPEN_S} s`;

const unreached = (url: string, why: string) =>
  new InfrastructureError(`nobody answers at ${url}: ${why}`, {
    hint: 'Is it up, and does this host reach it? No request was sent.',
  });

/** Tries the address from here, before anything is started for it. */
export async function mustAnswer(url: string, signal: AbortSignal): Promise<void> {
  const { host, port } = addressOf(url);
  let why = '';
  const found = await lookup(host, { all: true }).catch((error: Error) => (why = error.message));
  for (const { address } of typeof found === 'string' ? [] : found) {
    signal.throwIfAborted();
    why = await new Promise<string>((resolve) => {
      const tried = connect({ host: address, port, timeout: REACH_S * 1000, signal });
      const end = (what: string) => {
        tried.destroy();
        resolve(what);
      };
      tried.once('connect', () => end(''));
      tried.once('timeout', () => end(`no answer from ${address} in ${REACH_S} s`));
      tried.on('error', ({ message }) => end(message));
    });
    if (why === '') return;
  }
  signal.throwIfAborted();
  throw unreached(url, why);
}
