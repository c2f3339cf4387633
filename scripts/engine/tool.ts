/** One program of a stack image (thanos, promtool), run to its end in a container that is gone afterwards. */
import type { Context } from '../app/context.ts';
import { LABEL } from './names.ts';
import { ownerLabels, thisUser } from './owner.ts';

const TIMEOUT_MS = 120_000;

export interface Tool {
  /** Id under which the container is owned and, after a kill, swept: a ULID and a word. */
  owner: string;
  /** What it does, in the container's name: `upload`, `list`. */
  purpose: string;
  /** Of the stack, or by its tag. */
  image: 'thanos' | 'prometheus' | 'node' | { ref: string };
  /** Absent: the image's own. */
  entrypoint?: string[];
  cmd: string[];
  binds: string[];
  /** Its environment. */
  env?: Record<string, string>;
  /** 'host' where an address is meant as this host sees it; else the name of one, or 'none'. */
  network: string;
  /** What a profiler needs, and nothing else does: capabilities, and the processes of another container. */
  privileges?: { capAdd: string[]; pidOf: string };
  /** Milliseconds after which it is ended; two minutes where absent. */
  timeoutMs?: number;
}

export interface ToolRun {
  /** -1: it did not end in time. */
  exitCode: number;
  stdout: string;
  /** That and what it wrote to stderr. */
  all: string;
  /** What it logged as JSON. */
  lines: Record<string, unknown>[];
  /** Why it failed, in one sentence; empty after exit code 0. */
  error: string;
}

let count = 0;

/** Runs the program. A program that fails is an answer; only the engine's failures and an interrupt are thrown. */
export async function runTool(tool: Tool, ctx: Context): Promise<ToolRun> {
  const timeoutMs = tool.timeoutMs ?? TIMEOUT_MS;
  const id = await ctx.engine.create({
    name: `mayfly-${tool.owner.toLowerCase()}-${tool.purpose}-${process.pid}-${++count}`,
    image: typeof tool.image === 'string' ? ctx.machine.images[tool.image]!.ref : tool.image.ref,
    ...(tool.entrypoint ? { entrypoint: tool.entrypoint } : {}),
    cmd: tool.cmd,
    env: tool.env ?? {},
    user: tool.privileges ? '0:0' : thisUser(),
    labels: { ...ownerLabels(tool.owner), [LABEL.service]: tool.purpose },
    binds: tool.binds,
    networks: [tool.network],
    ...tool.privileges,
  });
  try {
    await ctx.engine.start(id);
    const exitCode = await ctx.engine
      .wait(id, AbortSignal.any([ctx.signal, AbortSignal.timeout(timeoutMs)]))
      .catch((error) => {
        ctx.signal.throwIfAborted();
        if ((error as Error).name === 'TimeoutError') return -1;
        throw error;
      });
    const { stdout, all } = await ctx.engine.logs(id, 0);
    const lines = all.split('\n').flatMap(parseLine);
    return { exitCode, stdout, all, lines, error: exitCode === 0 ? '' : whyItFailed(exitCode, lines, all, timeoutMs) };
  } finally {
    await ctx.engine.remove(id);
  }
}

function whyItFailed(exitCode: number, lines: Record<string, unknown>[], output: string, timeoutMs: number): string {
  if (exitCode === -1) return `no end after ${timeoutMs / 1000} s`;
  const said = lines.findLast((line) => line.err ?? line.level === 'error');
  if (said?.err) return thanosError(String(said.err));
  return (
    output
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('{'))
      .at(-1)
      ?.trim() || `it ended with exit code ${exitCode}`
  );
}

/**
 * Thanos logs an error as its causes, the first one first, with a stack trace (two lines a frame) after each: one
 * sentence of the causes.
 */
export function thanosError(text: string): string {
  const lines = text.split('\n');
  const causes = lines.filter((line, index) => line && !line.startsWith('\t') && !lines[index + 1]?.startsWith('\t'));
  return causes.reverse().join(': ');
}

function parseLine(line: string): Record<string, unknown>[] {
  try {
    const value = JSON.parse(line);
    return value && typeof value === 'object' ? [value] : [];
  } catch {
    return [];
  }
}
