/** What disturbances need of the host, found out before anything is built. */
import type { Context } from '../app/context.ts';
import type { Config, Disturbance } from '../config/types.ts';
import { UsageError } from '../core/errors.ts';
import { execute } from '../core/exec.ts';

const NETWORK = new Set<Disturbance['kind']>(['network-delay', 'network-loss']);
/** In a network namespace of its own, which is gone with it. */
const PROBE = ['unshare', '--net', 'tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms'];
const NO_PROGRAM = 127;

/** Throws UsageError. */
export async function mustBeAbleToDisturb(config: Config, ctx: Pick<Context, 'env' | 'signal'>): Promise<void> {
  const { disturbances, file } = config;
  const network = disturbances.find(({ kind }) => NETWORK.has(kind));
  if (!network) return;
  const why = netemFault(await execute(PROBE, { env: ctx.env, signal: ctx.signal }));
  if (why !== null)
    throw new UsageError(`${file}: ${network.kind} of ${network.service} cannot be done on this host: ${why}`, {
      hint: 'It needs root, tc (of the package iproute2) and the kernel module sch_netem (`modprobe sch_netem`). Or take the disturbance out of the benchmark: all other kinds do without.',
    });
}

/** Why packets cannot be delayed or lost here; null where they can. Pure. */
export function netemFault({ exitCode, stderr }: { exitCode: number; stderr: string }): string | null {
  if (exitCode === 0) return null;
  const said = stderr.trim().replace(/\s+/g, ' ').slice(0, 200);
  if (exitCode === NO_PROGRAM || /failed to execute/.test(said))
    return `tc or unshare is not there${said && ` (${said})`}`;
  if (/not permitted|permission/i.test(said)) return `only root may change the network of a container (${said})`;
  if (/qdisc kind is unknown|no such file/i.test(said)) return `its kernel has no netem (tc: ${said})`;
  return `tc ended with exit code ${exitCode}${said && ` (${said})`}`;
}
