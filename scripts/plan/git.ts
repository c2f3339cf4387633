/** Runs git. */
import type { Context } from '../app/context.ts';
import { InfrastructureError } from '../core/errors.ts';
import { type Ended, execute } from '../core/exec.ts';

export type Surroundings = Pick<Context, 'paths' | 'progress' | 'signal'>;

/**
 * Called from a git hook, the environment names the repository of the hook, and git would take it for the one it is
 * sent to.
 */
export const withoutRepository = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|COMMON_DIR|PREFIX)$/.test(name),
    ),
  );

/**
 * Runs git to its end, whatever its exit code. Throws the interrupt, and InfrastructureError where there is no git.
 */
export async function git(
  cwd: string,
  args: string[],
  ctx: Pick<Context, 'signal'>,
  options: { env?: NodeJS.ProcessEnv; minutes?: number } = {},
): Promise<Ended> {
  const env = { ...withoutRepository(process.env), LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', ...options.env };
  const output = await execute(['git', ...args], { cwd, env, signal: ctx.signal, minutes: options.minutes });
  if (output.exitCode === 127)
    throw new InfrastructureError('git is not installed on this host', {
      hint: 'Install git and run the command again.',
    });
  return output;
}

/** The sentence in which git says what went wrong. */
export const complaint = ({ stderr }: Ended): string =>
  stderr.split('\n').find((line) => /^(fatal|error): /.test(line)) ??
  (stderr.trim().split('\n').at(-1) || 'git says nothing');

/** What git printed; null where it ended with another code than 0. */
export async function gitSays(cwd: string, args: string[], ctx: Pick<Context, 'signal'>): Promise<string | null> {
  const done = await git(cwd, args, ctx);
  return done.exitCode === 0 ? done.stdout.trim() : null;
}

/** A fetch that takes longer does not end any more. */
export const FETCH_MINUTES = 10;

/** Fetches refs of a remote, or objects by their hash, into a repository: only objects and remote branches change. */
export const fetchRefs = (cwd: string, from: string, refs: string[], ctx: Pick<Context, 'signal'>): Promise<Ended> =>
  git(
    cwd,
    [
      '-c',
      'gc.autoDetach=false',
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-write-fetch-head',
      '--end-of-options',
      from,
      ...refs,
    ],
    ctx,
    { minutes: FETCH_MINUTES },
  );
