/** Plan -> Built: every image that the run starts is on the engine. A build is made once and found again by its tag. */
import type { Context } from '../app/context.ts';
import { imageVariable } from '../config/compose-check.ts';
import { EXIT, InfrastructureError, MayflyError, UsageError } from '../core/errors.ts';
import { type ExecOptions, execute } from '../core/exec.ts';
import type { BuiltImage, SideName } from '../documents/run.ts';
import { ComposeError, composeConfig } from '../engine/compose.ts';
import { dockerEnv } from '../engine/docker-env.ts';
import { shortCommit, sideProject } from '../engine/names.ts';
import { withoutRepository } from '../plan/git.ts';
import type { BuildPlan, Plan, SidePlan } from '../plan/plan.ts';
import { archiveCommand, checkDockerfile, guardBuild } from './build-guard.ts';
import type { ComposeDocument } from './compose-file.ts';

export interface Built {
  plan: Plan;
  /**
   * Images of each side: those built at its commit, and the fixed ones of its Compose file by the names of their
   * services.
   */
  images: Partial<Record<SideName, BuiltImage[]>>;
  /** The services of each side as Compose reads them. */
  services: Map<SideName, ComposeDocument>;
}

/** A build of code that nobody has reviewed may use no more memory than this. */
const BUILD_MEMORY = '4g';

export async function build(plan: Plan, ctx: Context): Promise<Built> {
  const services = await resolveServices(plan, ctx); // refused before anything is built
  const images: Built['images'] = {};
  for (const side of plan.sides) {
    const built: BuiltImage[] = [];
    for (const wanted of side.builds) built.push(await buildOne(plan, side, wanted, ctx));
    for (const [name, service] of Object.entries(services.get(side.name)!.services)) {
      if (!side.builds.some(({ tag }) => tag === service.image)) built.push(await obtain(name, service.image, ctx));
    }
    images[side.name] = built;
  }
  return { plan, images, services };
}

/** The benchmark's Compose file with the images of each side, as Compose itself reads it. */
async function resolveServices(plan: Plan, ctx: Context): Promise<Map<SideName, ComposeDocument>> {
  const resolved = plan.sides.map(async (side): Promise<[SideName, ComposeDocument]> => {
    const variables = Object.fromEntries(side.builds.map(({ name, tag }) => [imageVariable(name), tag]));
    try {
      return [
        side.name,
        (await composeConfig(
          { name: sideProject(plan.runId, side.name), file: plan.config.services },
          { ...dockerEnv(ctx.env), ...variables },
        )) as ComposeDocument,
      ];
    } catch (error) {
      ctx.signal.throwIfAborted();
      throw error instanceof ComposeError
        ? new UsageError(`docker compose refuses ${plan.config.services}: ${error.output.trim()}`, {
            hint: 'Fix the Compose file of the benchmark.',
          })
        : error;
    }
  });
  return new Map(await Promise.all(resolved));
}

/** An image that is not built at a commit: there, else pulled. */
export async function obtain(name: string, ref: string, ctx: Context): Promise<BuiltImage> {
  const present = await ctx.engine.image(ref);
  if (present) return { name, tag: ref, id: present.id, source: 'cached' };
  const step = ctx.progress.step(`pull ${ref}`);
  try {
    await pull(ref, (line) => step.update(line), ctx);
    step.done();
    return { name, tag: ref, id: (await ctx.engine.image(ref))!.id, source: 'pulled' };
  } catch (error) {
    step.fail();
    ctx.signal.throwIfAborted();
    throw new InfrastructureError(
      `the image ${ref} is not on this engine and could not be pulled: ${(error as Error).message}`,
      { hint: 'Build or load it under this tag, or name another image in the benchmark.' },
    );
  }
}

async function buildOne(plan: Plan, side: SidePlan, wanted: BuildPlan, ctx: Context): Promise<BuiltImage> {
  const present = await ctx.engine.image(wanted.tag);
  if (present) return { name: wanted.name, tag: wanted.tag, id: present.id, source: 'cached' };

  const step = ctx.progress.step(`build ${wanted.name} at ${shortCommit(side.commit)}`);
  try {
    await runBuild(plan, wanted, (line) => step.update(line), ctx);
  } catch (error) {
    step.fail();
    if (ctx.signal.aborted) throw ctx.signal.reason;
    if (error instanceof MayflyError) {
      // it was refused, or ended, with a sentence of its own
      if (error.exitCode !== EXIT.infrastructure) error.unbuildable = wanted.source?.commit;
      throw error;
    }
    const message = `the build of ${wanted.name} at ${side.ref} (${shortCommit(side.commit)}) failed: ${(error as Error).message}`;
    throw new InfrastructureError(message, {
      hint: `Its recipe is build/${wanted.name} in ${plan.config.file}.`,
      ...(mayPass(wanted, message) ? {} : { unbuildable: side.commit }),
    });
  }
  const built = await ctx.engine.image(wanted.tag);
  if (!built) {
    step.fail();
    throw new InfrastructureError(`the build of ${wanted.name} ended well, but there is no image ${wanted.tag}`, {
      hint: 'A build command must produce the image under the tag in MAYFLY_IMAGE.',
    });
  }
  step.done();
  ctx.store.saveBuild({
    benchmark: plan.config.benchmark,
    image: wanted.name,
    commit: side.commit,
    recipeHash: wanted.recipeHash,
    tag: wanted.tag,
    imageId: built.id,
  });
  return {
    name: wanted.name,
    tag: wanted.tag,
    id: built.id,
    source: wanted.recipe.kind === 'image' ? 'pulled' : 'built',
  };
}

/** What no commit can be blamed for, wherever it stands in the output of a build. */
export const OF_THE_MACHINE =
  /no space left|cannot connect to the docker daemon|daemon is not running|does not answer|temporary failure in name resolution|no such host|network is unreachable|connection refused|connection reset|i\/o timeout|TLS handshake|ETIMEDOUT|ECONNRESET|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|toomanyrequests/i;

/** Whether the same build may well succeed later. One without a network says the same of it each time. */
function mayPass({ recipe }: BuildPlan, message: string): boolean {
  if (recipe.kind === 'image') return true;
  return (recipe.kind === 'command' || recipe.network !== 'none') && OF_THE_MACHINE.test(message);
}

type OnLine = (line: string) => void;

async function runBuild(plan: Plan, wanted: BuildPlan, onLine: OnLine, ctx: Context): Promise<void> {
  const { recipe, tag } = wanted;
  if (recipe.kind === 'image') return pull(tag, onLine, ctx);
  if (recipe.kind === 'command') {
    const env = { ...withoutSecrets(ctx.env), MAYFLY_COMMIT: commitOf(plan, wanted), MAYFLY_IMAGE: tag };
    return toItsEnd(recipe.command, { env, cwd: plan.config.dir, onLine, signal: ctx.signal });
  }
  await checkDockerfile(wanted, ctx, (ref) => obtain(wanted.name, ref, ctx));
  using guard = guardBuild(`the build of ${wanted.name} at ${shortCommit(wanted.source!.commit)}`, ctx);
  await toItsEnd(dockerBuildArgs(wanted, plan), {
    // the classic builder is in every engine; BuildKit needs a plugin
    env: { ...withoutRepository(ctx.env), DOCKER_BUILDKIT: '0' },
    onLine: (line) => {
      onLine(line);
      guard.line(line);
    },
    signal: guard.signal,
    input: archiveCommand(wanted),
  });
}

const pull = (ref: string, onLine: OnLine, ctx: Context) =>
  toItsEnd(['docker', 'pull', '--quiet', ref], { env: ctx.env, onLine, signal: ctx.signal });

/** Throws an Error with the last lines of a program that failed; what a build prints is not kept beyond these. */
async function toItsEnd(argv: string[], options: ExecOptions): Promise<void> {
  const { exitCode, tail } = await execute(argv, { ...options, linesOnly: true });
  if (exitCode !== 0)
    throw new Error(`${argv.slice(0, 2).join(' ')} ended with exit code ${exitCode}\n${tail}`.trimEnd());
}

/** The command line of docker build for a git recipe; the build context comes on standard input as a tar. */
export function dockerBuildArgs(wanted: BuildPlan, plan: Plan): string[] {
  if (wanted.recipe.kind !== 'git') throw new TypeError('only a git recipe is built by docker build');
  const { dockerfile, network, args } = wanted.recipe;
  return [
    'docker',
    'build',
    '--force-rm',
    '--file',
    dockerfile,
    '--tag',
    wanted.tag,
    '--network',
    network,
    '--memory',
    BUILD_MEMORY,
    '--memory-swap',
    BUILD_MEMORY,
    '--label',
    `dev.mayfly.benchmark=${plan.config.benchmark}`,
    '--label',
    `dev.mayfly.build=${wanted.source!.commit}`,
    ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    '-',
  ];
}

function commitOf(plan: Plan, wanted: BuildPlan): string {
  return plan.sides.find((side) => side.builds.includes(wanted))!.commit;
}

/** The environment less everything whose name looks like a credential: code under test gets no secrets. */
export function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY/i.test(name),
    ),
  );
}
