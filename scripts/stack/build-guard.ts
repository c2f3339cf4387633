/**
 * Guards a build of code that nobody has reviewed. The network and the memory of its steps are limited on the command
 * line (dockerBuildArgs); here is what docker build has no flag for.
 */
import { readFile, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Context } from '../app/context.ts';
import { shown } from '../config/schema.ts';
import { UsageError } from '../core/errors.ts';
import type { Written } from '../engine/engine.ts';
import { shortCommit } from '../engine/names.ts';
import type { BuildPlan } from '../plan/plan.ts';
import { watchDisk, wroteTooMuch } from './disk.ts';
import { addsFiles, baseImages, beyondTheBuild, fetchingAdd, needsBuildKit } from './dockerfile.ts';
import type { Base } from './measured-images.ts';

/** Processes that a step of a build may have. */
const BUILD_PIDS = 4096;
/** What a step of a build may write, beside what those before it wrote. */
const BUILD_DISK = 8 * 2 ** 30;
const DOCKERFILE_BYTES = 2 ** 20;
const MOST_STEPS = 1000;
/** As docker build says that it starts a step. */
const STEP = /^---> Running in ([0-9a-f]{12,64})$/;

/** A matter of the benchmark, which names the builder: the commit builds elsewhere. */
export class NeedsBuildKit extends UsageError {}

/**
 * Gives the images that a Dockerfile starts from, and refuses, with a UsageError, one that the builder does not know, or
 * that makes the engine do what the build itself may not: it fetches from the host's own network, whatever network the
 * build has. `folder` holds the context: a checkout may write another text than the commit has (its attributes name an
 * encoding, Git LFS keeps it). `obtain` gets the images, since they may hold triggers.
 */
export async function checkDockerfile(
  wanted: BuildPlan,
  folder: string,
  ctx: Context,
  obtain: (ref: string) => Promise<{ id: string }>,
): Promise<Base[]> {
  const { recipe, source, args } = wanted;
  if (recipe.kind !== 'git') throw new TypeError('only a git recipe has a Dockerfile');
  const where = `${recipe.dockerfile} of ${wanted.name} at ${shortCommit(source!.commit)}`;
  const text = await readDockerfile(join(folder, recipe.dockerfile), folder, where);
  const unknown = recipe.builder === 'classic' ? needsBuildKit(text) : null;
  if (unknown !== null)
    throw new NeedsBuildKit(`${where}: ${shown(unknown)} needs BuildKit, and this build uses the classic builder`, {
      hint: `Set build/${wanted.name}/git/builder to buildkit in the benchmark (docs/security.md says which limits such a build does not have), or build it yourself by build/${wanted.name}/command.`,
    });
  if (recipe.network !== 'host') {
    const fetching = fetchingAdd(text);
    if (fetching !== null)
      throw new UsageError(
        `${where}: ${shown(fetching)} is not allowed: the engine would fetch it from the network of the host`,
        {
          hint: 'COPY takes files of the commit; write those of an ADD without variables, quotes or colons. What the build needs from elsewhere belongs into its base image, or is fetched by RUN where build/NAME/git/network allows it.',
        },
      );
  }
  const beyond = recipe.builder === 'buildkit' ? beyondTheBuild(text, recipe.network) : null;
  if (beyond !== null)
    throw new UsageError(`${where}: ${shown(beyond)} is not allowed: it would do more than this build may`, {
      hint: 'A frontend other than docker/dockerfile, RUN --security and RUN --network other than none are refused; build/NAME/git/network opens a network for the whole build.',
    });
  const { images, unclear } = baseImages(text, args ?? recipe.args);
  if (unclear.length > 0 && recipe.network !== 'host')
    throw new UsageError(`${where}: it cannot be told which image ${shown(unclear[0])} means`, {
      hint: 'Give its ARG a default above the first FROM, or a value in build/NAME/git/args.',
    });
  const bases: Base[] = [];
  for (const ref of images) {
    bases.push({ ref, id: (await obtain(ref)).id });
    if (recipe.network === 'host') continue;
    const trigger = (await ctx.engine.image(ref))?.triggers.find(
      (one) => /^\s*ADD\s/i.test(one) && !addsFiles(one.trim().slice(3)),
    );
    if (trigger !== undefined)
      throw new UsageError(
        `${where}: its base image ${ref} has the trigger ${shown(trigger)}, with which the engine would fetch something from the network of the host`,
        { hint: 'Start from another image.' },
      );
  }
  return bases;
}

/** The Dockerfile of a build, which is a plain file of its context. */
async function readDockerfile(file: string, folder: string, where: string): Promise<string> {
  const real = await realpath(file).catch(() => null);
  const found = real === null ? null : await stat(real);
  if (real !== join(await realpath(folder), relative(folder, file)) || !found?.isFile())
    throw new UsageError(`${where} is no file of the build context`, {
      hint: 'build/NAME/git/dockerfile names it, from the context; it must be a file itself, not a link to one.',
    });
  if (found.size > DOCKERFILE_BYTES) throw new UsageError(`${where} is larger than 1 MiB`);
  return readFile(real, 'utf8');
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
