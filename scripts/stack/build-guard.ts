/**
 * Guards a build of code that nobody has reviewed. The network and the memory of its steps are limited on the command
 * line (dockerBuildArgs); here is what docker build has no flag for.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Context } from '../app/context.ts';
import { shown } from '../config/schema.ts';
import { InfrastructureError, UsageError } from '../core/errors.ts';
import type { Written } from '../engine/engine.ts';
import { shortCommit } from '../engine/names.ts';
import { withoutRepository } from '../plan/git.ts';
import type { BuildPlan } from '../plan/plan.ts';
import { watchDisk, wroteTooMuch } from './disk.ts';
import { addsFiles, baseImages, fetchingAdd } from './dockerfile.ts';

/** Processes that a step of a build may have. */
const BUILD_PIDS = 4096;
/** What a step of a build may write, beside what those before it wrote. */
const BUILD_DISK = 8 * 2 ** 30;
const DOCKERFILE_BYTES = 2 ** 20;
const MOST_STEPS = 1000;
/** As docker build says that it starts a step. */
const STEP = /^---> Running in ([0-9a-f]{12,64})$/;

/**
 * What git makes of a commit for the build: git archive of its context, as a tar on stdout; of one file, where `paths`
 * names it.
 */
export function archiveCommand({ recipe, source }: BuildPlan, ...paths: string[]): string[] {
  if (recipe.kind !== 'git') throw new TypeError('only a git recipe has a build context');
  const context =
    recipe.context === '.'
      ? source!.treeish
      : `${source!.treeish}:${recipe.context.replace(/^\.\//, '').replace(/\/$/, '')}`;
  return ['git', '-C', source!.repository, 'archive', '--format=tar', '--end-of-options', context, ...paths];
}

/**
 * Refuses a Dockerfile that makes the engine fetch something, with a UsageError: the engine does it from the host's own
 * network, whatever network the build has. `obtain` gets the images that it starts from, since these may hold triggers.
 */
export async function checkDockerfile(
  wanted: BuildPlan,
  ctx: Context,
  obtain: (ref: string) => Promise<unknown>,
): Promise<void> {
  if (wanted.recipe.kind !== 'git' || wanted.recipe.network === 'host') return;
  const { dockerfile, args } = wanted.recipe;
  const where = `${dockerfile} of ${wanted.name} at ${shortCommit(wanted.source!.commit)}`;
  const text = await readDockerfile(wanted, where, ctx);
  const fetching = fetchingAdd(text);
  if (fetching !== null) {
    throw new UsageError(
      `${where}: ${shown(fetching)} is not allowed: the engine would fetch it from the network of the host`,
      {
        hint: 'COPY takes files of the commit; write those of an ADD without variables, quotes or colons. What the build needs from elsewhere belongs into its base image, or is fetched by RUN where build/NAME/git/network allows it.',
      },
    );
  }
  const { images, unclear } = baseImages(text, args);
  if (unclear.length > 0)
    throw new UsageError(`${where}: it cannot be told which image ${shown(unclear[0])} means`, {
      hint: 'Give its ARG a default above the first FROM, or a value in build/NAME/git/args.',
    });
  for (const ref of images) {
    await obtain(ref);
    const trigger = (await ctx.engine.image(ref))?.triggers.find(
      (one) => /^\s*ADD\s/i.test(one) && !addsFiles(one.trim().slice(3)),
    );
    if (trigger !== undefined)
      throw new UsageError(
        `${where}: its base image ${ref} has the trigger ${shown(trigger)}, with which the engine would fetch something from the network of the host`,
        { hint: 'Start from another image.' },
      );
  }
}

/**
 * The Dockerfile as the build gets it: what git archive makes of a file can be another text than the one in the commit
 * (gitattributes(5), export-subst).
 */
async function readDockerfile(wanted: BuildPlan, where: string, ctx: Context): Promise<string> {
  if (wanted.recipe.kind !== 'git') throw new TypeError('only a git recipe has a Dockerfile');
  const [command, ...args] = archiveCommand(wanted, wanted.recipe.dockerfile.replace(/^\.\//, ''));
  const missing = new UsageError(`${where} is no file of the build context`, {
    hint: 'build/NAME/git/dockerfile names it, from the context; it must be a file itself, not a link to one.',
  });
  const tar = await promisify(execFile)(command!, args, {
    env: { ...withoutRepository(ctx.env), GIT_LITERAL_PATHSPECS: '1' },
    encoding: 'buffer',
    maxBuffer: 2 * DOCKERFILE_BYTES,
    signal: ctx.signal,
  }).catch((error) => {
    ctx.signal.throwIfAborted();
    if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') throw new UsageError(`${where} is larger than 1 MiB`);
    if (error.code === 'ENOENT')
      throw new InfrastructureError('git is not installed on this host', {
        hint: 'Install git and run the command again.',
      });
    throw missing;
  });
  const text = fileIn(tar.stdout);
  if (text === null) throw missing;
  return text;
}

/**
 * The first plain file of a tar, null where something else comes first, such as a link. Source of the format: POSIX.1,
 * pax, ustar interchange format.
 */
export function fileIn(tar: Buffer): string | null {
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8) || 0;
    const type = String.fromCharCode(tar[at + 156]!);
    if (type === '0') return tar.toString('utf8', at + 512, at + 512 + size);
    if (!['g', 'x', '5'].includes(type)) return null;
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return null;
}

export interface BuildGuard extends Disposable {
  /** Aborts when the build has to end, with the reason. */
  signal: AbortSignal;
  /** Is told each line that docker build prints. */
  line(text: string): void;
}

/**
 * Watches a build while it goes on: each of its steps gets a limit on processes as it starts, and one on what it
 * writes.
 */
export function guardBuild(what: string, ctx: Context): BuildGuard {
  const full = new AbortController();
  const ended = new AbortController();
  // a step can print such a line too: what it names is limited and looked at, never removed
  const steps = new Set<string>();
  const written = (): Promise<Written[]> =>
    Promise.all(
      [...steps].map(async (id) => ({ id, labels: {}, bytes: (await ctx.engine.writtenIn(id)) ?? 0, volumes: [] })),
    );
  const blame = (most: Written) =>
    wroteTooMuch(`a step of ${what}`, most, BUILD_DISK, 'Let it write less, or spread it over several steps.');
  void ctx.engine
    .dataRoot()
    .then((root) =>
      watchDisk(
        { folders: [root], limitBytes: BUILD_DISK, written, blame },
        (error) => full.abort(error),
        ended.signal,
      ),
    )
    .catch(() => {});
  return {
    signal: AbortSignal.any([ctx.signal, full.signal]),
    line: (text) => {
      const id = STEP.exec(text.trim())?.[1];
      if (id === undefined || steps.size === MOST_STEPS) return;
      steps.add(id);
      void ctx.engine.limitPids(id, BUILD_PIDS).catch(() => {});
    },
    [Symbol.dispose]: () => ended.abort(),
  };
}
