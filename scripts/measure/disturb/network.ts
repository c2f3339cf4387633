/** Delay and loss of what the replicas of a service send, by tc netem in the network namespace of their containers. */
import { readFile } from 'node:fs/promises';
import type { Disturbance } from '../../config/types.ts';
import { execute } from '../../core/exec.ts';
import { formatValue } from '../../report/units.ts';
import { type Act, type NetworkTools, nameOf } from './act.ts';

export const networkTools = (env: NodeJS.ProcessEnv): NetworkTools => ({
  run: (argv) => execute(argv, { env }),
  devices: (pid) => readFile(`/proc/${pid}/net/dev`, 'utf8'),
});

type NetworkDisturbance = Extract<Disturbance, { kind: 'network-delay' | 'network-loss' }>;

export async function disturbNetwork(
  wanted: NetworkDisturbance,
  { side, service, replicas, engine, network, did, wait }: Act,
): Promise<void> {
  const all = replicas.of(side, service);
  if (all.length === 0) throw new Error(`no replica of ${service} takes requests`);
  const set: (() => Promise<void>)[] = [];
  const tc = async (name: string, pid: number, args: string[]) => {
    const { exitCode, stderr } = await network.run(['nsenter', `--target=${pid}`, '--net', 'tc', 'qdisc', ...args]);
    if (exitCode !== 0)
      throw new Error(`tc of ${name} ended with exit code ${exitCode} (${stderr.trim().slice(0, 200)})`);
  };
  const undo = async () => {
    for (const one of set.splice(0)) await one();
  };
  try {
    for (const one of all) {
      const { pid } = await engine.inspect(one.id);
      for (const device of interfacesOf(await network.devices(pid))) {
        await tc(nameOf(one), pid, ['add', 'dev', device, 'root', 'netem', ...netemOf(wanted)]);
        set.push(() => tc(nameOf(one), pid, ['del', 'dev', device, 'root']));
      }
    }
    const names = all.map(nameOf).join(', ');
    did(`what ${names} ${all.length === 1 ? 'sends' : 'send'} ${effectOf(wanted)}`);
    await wait(wanted.forS);
    await undo();
    did(`the network of ${names} is as before`);
  } finally {
    await undo().catch(() => {}); // of one that has failed; what it left goes with its container
  }
}

const effectOf = (wanted: NetworkDisturbance) =>
  wanted.kind === 'network-delay'
    ? `is late by ${formatValue(wanted.delayS, 's')}`
    : `is lost, ${formatValue(wanted.loss, 'ratio')} of the packets`;

const netemOf = (wanted: NetworkDisturbance): string[] =>
  wanted.kind === 'network-delay'
    ? ['delay', `${Math.round(wanted.delayS * 1e6)}us`]
    : ['loss', `${Number((wanted.loss * 100).toFixed(4))}%`];

/** All but the loopback. Pure. */
export const interfacesOf = (devices: string): string[] =>
  [...devices.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1]!).filter((name) => name !== 'lo');
