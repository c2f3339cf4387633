/** Starts Compose projects so that an abort ends them, and says what ails their containers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../app/context.ts';
import { composeUp, type Project } from './compose.ts';
import { dockerEnv } from './docker-env.ts';
import type { ContainerState } from './engine.ts';
import { LABEL } from './names.ts';
import { removeAll } from './remove.ts';

const LOG_LINES = 50;

/** How often the engine is asked whether all is well. */
const LOOK_MS = 100;

/**
 * Starts a project, whose containers carry the label, and waits as composeUp does. Where it is told how many containers
 * to expect, the engine is asked beside it: the package answers half a second after Compose has ended. Compose cannot
 * be told to stop: on an abort everything with the label is removed under it until it gives up, and the signal's reason
 * is thrown. `beforeRemoval` comes before that, and where Compose itself has failed.
 */
export async function up(
  project: Project,
  label: string,
  signal: AbortSignal,
  timeoutS: number | null,
  ctx: Context,
  {
    variables = {},
    expected = null,
    beforeRemoval = async () => {},
  }: { variables?: Record<string, string>; expected?: number | null; beforeRemoval?: () => Promise<void> } = {},
): Promise<void> {
  let settled = false;
  const work = composeUp(project, { ...dockerEnv(ctx.env), ...variables }, timeoutS).finally(() => (settled = true));
  work.catch(() => {});
  const seen = new AbortController();
  const well =
    expected === null
      ? new Promise<void>(() => {})
      : becameWell(project, expected, AbortSignal.any([signal, seen.signal]), ctx);
  await Promise.race([work, well, aborted(signal)])
    .finally(() => seen.abort())
    .catch(async (error) => {
      await beforeRemoval();
      while (!settled) {
        await removeAll(ctx.engine, [label], 0).catch(() => {});
        await Promise.race([sleep(300), work.catch(() => {})]);
      }
      throw signal.aborted ? signal.reason : error;
    });
}

/** Who waits until this service has ended with 0; empty where it is not one-shot. */
export const waitsFor = ({ labels }: Pick<ContainerState, 'labels'>): string => labels[LABEL.oneShot] ?? '';

/** As it is in a project that is up: it runs, healthy where it says; a one-shot service has ended with 0. Pure. */
export const isWell = (
  state: Pick<ContainerState, 'labels' | 'status' | 'running' | 'exitCode' | 'health'>,
): boolean =>
  waitsFor(state)
    ? state.status === 'exited' && state.exitCode === 0
    : state.running && (state.health === null || state.health === 'healthy');

/** Resolves when so many containers of the project are well; never where they do not become it. */
async function becameWell(project: Project, expected: number, signal: AbortSignal, ctx: Context): Promise<void> {
  for (; !signal.aborted; await sleep(LOOK_MS, undefined, { signal }).catch(() => {})) {
    const found = await ctx.engine.containers(`com.docker.compose.project=${project.name}`).catch(() => []);
    const mayBeWell = found.every((one) => one.state === (waitsFor(one) ? 'exited' : 'running'));
    if (found.length < expected || !mayBeWell) continue;
    const states = await Promise.all(found.map(({ id }) => ctx.engine.inspect(id))).catch(() => null);
    if (states?.every(isWell)) return;
  }
  return new Promise(() => {});
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** A container of a service that is not well, and the last lines of its log. */
export interface Unwell {
  state: ContainerState;
  log: string;
}

/** The containers with the label that are not well. */
export async function findUnwell(label: string, ctx: Pick<Context, 'engine'>): Promise<Unwell[]> {
  const states = await Promise.all((await ctx.engine.containers(label)).map(({ id }) => ctx.engine.inspect(id)));
  return withLogs(
    states.filter((state) => !isWell(state) || state.restartCount > 0),
    ctx,
  );
}

/** Each with the last lines of its log. */
export function withLogs(states: readonly ContainerState[], ctx: Pick<Context, 'engine'>): Promise<Unwell[]> {
  return Promise.all(states.map(async (state) => ({ state, log: (await ctx.engine.logs(state.id, LOG_LINES)).all })));
}

/** The same in words: state, health check and log of each; empty where all are well. */
export async function describeUnwell(label: string, ctx: Pick<Context, 'engine'>): Promise<string> {
  return unwellText(await findUnwell(label, ctx));
}

/** As people know it: the service, where it is one. */
export const serviceOf = ({ labels, name }: Pick<ContainerState, 'labels' | 'name'>): string =>
  labels['com.docker.compose.service'] ?? name;

/** How it is: `ended with exit code 3`, `unhealthy`, `running`. Pure. */
export function ailmentOf(state: Ailing): string {
  const { status, running, exitCode, oomKilled, health, startError, restartCount } = state;
  if (status === 'created') return `was not started${startError ? `: ${startError}` : ''}`;
  if (!running) return `ended with exit code ${exitCode}${oomKilled ? ', out of memory' : ''}`;
  if (restartCount > 0) return `restarted ${restartCount} times`;
  if (waitsFor(state)) return 'has not ended';
  return health === 'starting' ? 'its health check has not succeeded' : (health ?? 'running');
}

type Ailing = Pick<
  ContainerState,
  'labels' | 'status' | 'running' | 'exitCode' | 'oomKilled' | 'health' | 'startError' | 'restartCount'
>;

/** What is wrong with each, what its own health check said last, and the last lines of its log. Pure. */
export function unwellText(unwell: readonly Unwell[]): string {
  return unwell
    .flatMap(({ state, log }) => [
      `  ${serviceOf(state)}: ${ailmentOf(state)}`,
      ...probeLines(state),
      ...block('the last lines of its log', log, 'its log is empty'),
    ])
    .join('\n');
}

/** A container without a health check has none to say anything; of one that has ended it says nothing. */
function probeLines({ running, health, probe }: ContainerState): string[] {
  if (!running || health === null || (health === 'healthy' && !probe?.output.trim())) return [];
  if (!probe) return ['    its health check has not ended once'];
  const code = `exit code ${probe.exitCode}`;
  return block(`its health check says (${code})`, probe.output, `its health check says nothing (${code})`);
}

function block(title: string, text: string, empty: string): string[] {
  const lines = text.trimEnd().split('\n').slice(-LOG_LINES);
  return lines.every((line) => line.trim() === '')
    ? [`    ${empty}`]
    : [`    ${title}:`, ...lines.map((line) => `      ${line}`)];
}
