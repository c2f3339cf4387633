/** Plan -> Built: every image that the run starts is on the engine. A build is made once and found again by its tag. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Context } from '../app/context.ts';
import { imageVariable } from '../config/compose-check.ts';
import { EXIT, InfrastructureError, MayflyError, NothingToCompare, UsageError } from '../core/errors.ts';
import { type ExecOptions, execute } from '../core/exec.ts';
import type { BuiltImage, SideName } from '../documents/run.ts';
import { ComposeError, composeConfig } from '../engine/compose.ts';
import { dockerEnv } from '../engine/docker-env.ts';
import type { ImageInfo } from '../engine/engine-images.ts';
import { LABEL, shortCommit, sideProject } from '../engine/names.ts';
import { temporaryPrefix } from '../engine/owner.ts';
import { writeContext } from '../plan/build-context.ts';
import { withoutRepository } from '../plan/git.ts';
import { type BuildPlan, isDeployedAlike, type Plan, type SidePlan } from '../plan/plan.ts';
import { checkDockerfile, guardBuild, NeedsBuildKit } from './build-guard.ts';
import { withBroker } from './chains.ts';
import type { ComposeDocument } from './compose-file.ts';
import { type Base, basesOf } from './measured-images.ts';
import { mustFit } from './memory.ts';

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
  mustFit(plan, services, parse(await readFile(join(ctx.paths.root, 'compose', 'run.yaml'), 'utf8')));
  await using contexts = new Contexts(ctx);
  const bases = await checkBuilds(plan, contexts, ctx);
  const images: Built['images'] = {};
  const made = new Map<BuildPlan, BuiltImage>(); // both sides may be of one commit
  for (const side of plan.sides) {
    const built: BuiltImage[] = [];
    for (const wanted of side.builds) {
      const image = made.get(wanted) ?? (await buildOne(plan, side, wanted, bases.get(wanted), contexts, ctx));
      made.set(wanted, image);
      built.push(image);
    }
    for (const [name, service] of Object.entries(services.get(side.name)?.services ?? {})) {
      if (!side.builds.some(({ tag }) => tag === service.image)) built.push(await obtain(name, service.image, ctx));
    }
    images[side.name] = built;
  }
  mustDiffer(plan, images);
  return { plan, images, services };
}

/**
 * What each git build starts from, where it has to be made: its image is not there, or was made from another base than
 * there is today, so that the other side would stand on another one. Everything that is refused is refused here.
 */
async function checkBuilds(plan: Plan, contexts: Contexts, ctx: Context): Promise<Map<BuildPlan, Base[]>> {
  const open = new Map<BuildPlan, Base[]>();
  for (const wanted of new Set(plan.sides.flatMap(({ builds }) => builds))) {
    if (wanted.recipe.kind !== 'git') continue;
    const present = await ctx.engine.image(wanted.tag);
    if (present && !(await isOutdated(present, ctx))) continue;
    const folder = await contexts.write(wanted);
    const bases = await checkDockerfile(wanted, folder, ctx, (ref) => obtain(wanted.name, ref, ctx)).catch((error) => {
      if (error instanceof UsageError && !(error instanceof NeedsBuildKit)) error.unbuildable = wanted.source!.commit;
      throw error;
    });
    open.set(wanted, bases);
  }
  return open;
}

async function isOutdated(image: ImageInfo, ctx: Context): Promise<boolean> {
  for (const { ref, id } of basesOf(image)) {
    const now = await ctx.engine.image(ref);
    if (now && now.id !== id) return true;
  }
  return false;
}

/** Two commits whose images are one. Of images that nobody here has built it is a mistake until it is explained. */
function mustDiffer({ sides }: Plan, images: Built['images']): void {
  const [candidate, baseline] = sides;
  if (!baseline || candidate!.commit === baseline.commit || !isDeployedAlike(candidate!, baseline)) return;
  const ids = (side: SideName) =>
    sides
      .find(({ name }) => name === side)!
      .builds.map(({ name }) => images[side]!.find((one) => one.name === name)!.id);
  const [mine, other] = [ids('candidate'), ids('baseline')];
  if (mine.length === 0 || mine.some((id, i) => id !== other[i])) return;
  const what = `both sides are the same image (${mine[0]!.replace('sha256:', '').slice(0, 12)}): nothing to compare`;
  const foreign = candidate!.builds.find(({ recipe }) => recipe.kind !== 'git');
  if (!foreign) throw new NothingToCompare(what);
  throw new UsageError(what, {
    hint:
      foreign.recipe.kind === 'image'
        ? `${foreign.tag} and the other side's tag name one image: is there one for each commit?`
        : `Does build/${foreign.name}/command build the commit in MAYFLY_COMMIT?`,
  });
}

/** The benchmark's Compose file with the images of each side, as Compose itself reads it. */
async function resolveServices(plan: Plan, ctx: Context): Promise<Map<SideName, ComposeDocument>> {
  if (plan.config.deployed) return new Map();
  const resolved = plan.sides.map(async (side): Promise<[SideName, ComposeDocument]> => {
    const variables = Object.fromEntries(side.builds.map(({ name, tag }) => [imageVariable(name), tag]));
    const { compose } = side.deployment;
    const files = [plan.config.services, ...(compose === null ? [] : [compose])];
    const own = await resolveFile(files, sideProject(plan.runId, side.name), variables, ctx);
    return [side.name, own];
  });
  const { broker } = plan.config;
  const ofBroker = broker ? await resolveFile([broker.file], plan.project, {}, ctx) : null;
  const documents = await Promise.all(resolved);
  return new Map(
    documents.map(([side, document]) => [side, ofBroker ? withBroker(document, ofBroker, plan) : document]),
  );
}

async function resolveFile(
  files: string[],
  name: string,
  variables: Record<string, string>,
  ctx: Context,
): Promise<ComposeDocument> {
  try {
    return (await composeConfig({ name, file: files }, { ...dockerEnv(ctx.env), ...variables })) as ComposeDocument;
  } catch (error) {
    ctx.signal.throwIfAborted();
    throw error instanceof ComposeError
      ? new UsageError(`docker compose refuses ${files.join(' with ')}: ${error.output.trim()}`, {
          hint: 'Fix the Compose file of the benchmark.',
        })
      : error;
  }
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

async function buildOne(
  plan: Plan,
  side: SidePlan,
  wanted: BuildPlan,
  bases: Base[] | undefined,
  contexts: Contexts,
  ctx: Context,
): Promise<BuiltImage> {
  const present = await ctx.engine.image(wanted.tag);
  if (present && !bases) {
    if (wanted.recipe.kind !== 'image') await ctx.engine.touchImage(wanted.tag);
    return imageOf(wanted, present, 'cached');
  }
  const step = ctx.progress.step(`build ${wanted.name} at ${shortCommit(side.commit)}`);
  try {
    await runBuild(plan, wanted, bases ?? [], contexts, (line) => step.update(line), ctx);
  } catch (error) {
    step.fail();
    if (ctx.signal.aborted) throw ctx.signal.reason;
    if (error instanceof MayflyError) {
      // it was refused, or ended, with a sentence of its own
      if (error.exitCode === EXIT.invalid) error.unbuildable = wanted.source?.commit;
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
  if (present && present.id !== built.id) await ctx.engine.removeImage(present.id); // made from an older base
  ctx.store.saveBuild({
    benchmark: plan.config.benchmark,
    image: wanted.name,
    commit: side.commit,
    recipeHash: wanted.recipeHash,
    tag: wanted.tag,
    imageId: built.id,
  });
  return imageOf(wanted, built, wanted.recipe.kind === 'image' ? 'pulled' : 'built');
}

function imageOf({ name, tag }: BuildPlan, image: ImageInfo, source: BuiltImage['source']): BuiltImage {
  const bases = basesOf(image);
  return { name, tag, id: image.id, source, ...(bases.length > 0 ? { bases } : {}) };
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

async function runBuild(
  plan: Plan,
  wanted: BuildPlan,
  bases: Base[],
  contexts: Contexts,
  onLine: OnLine,
  ctx: Context,
): Promise<void> {
  const { recipe, tag } = wanted;
  if (recipe.kind === 'image') return pull(tag, onLine, ctx);
  if (recipe.kind === 'command') {
    const env = { ...withoutSecrets(ctx.env), MAYFLY_COMMIT: commitOf(plan, wanted), MAYFLY_IMAGE: tag };
    return toItsEnd(recipe.command, { env, cwd: plan.config.dir, onLine, signal: ctx.signal });
  }
  const folder = await contexts.write(wanted);
  using guard = guardBuild(`the build of ${wanted.name} at ${shortCommit(wanted.source!.commit)}`, ctx);
  const buildKit = recipe.builder === 'buildkit' ? await buildKitCommand(wanted, plan, bases, folder, ctx) : null;
  await toItsEnd(buildKit ?? dockerBuildArgs(wanted, plan, bases, folder), {
    env: {
      ...withoutRepository(ctx.env),
      ...(buildKit
        ? { DOCKER_BUILDKIT: '1', COMPOSE_BAKE: 'false', BUILDKIT_PROGRESS: 'plain' }
        : { DOCKER_BUILDKIT: '0' }),
    },
    onLine: (line) => {
      onLine(line);
      guard.line(line);
    },
    signal: guard.signal,
  });
}

/** With the plugin buildx where it is there, else by Compose, which carries what it needs of it. */
async function buildKitCommand(
  wanted: BuildPlan,
  plan: Plan,
  bases: Base[],
  folder: string,
  ctx: Context,
): Promise<string[]> {
  const plugin = await execute(['docker', 'buildx', 'version'], { env: ctx.env, signal: ctx.signal });
  const direct = dockerBuildArgs(wanted, plan, bases, folder);
  if (plugin.exitCode === 0) return direct;
  const { recipe, tag } = wanted;
  if (recipe.kind !== 'git') throw new TypeError('only a git recipe is built by BuildKit');
  const file = `${folder}.compose.json`;
  await writeFile(
    file,
    JSON.stringify({
      services: {
        built: {
          image: tag,
          build: {
            context: folder,
            dockerfile: recipe.dockerfile,
            network: recipe.network,
            args: wanted.args ?? {},
            labels: labelsOf(plan, bases),
          },
        },
      },
    }).replaceAll('$', '$$$$'), // Compose would fill in variables
  );
  return ['docker', 'compose', '--file', file, '--progress', 'plain', 'build'];
}

const pull = (ref: string, onLine: OnLine, ctx: Context) =>
  toItsEnd(['docker', 'pull', '--quiet', ref], { env: ctx.env, onLine, signal: ctx.signal });

/** Throws an Error with the last lines of a program that failed; what a build prints is not kept beyond these. */
async function toItsEnd(argv: string[], options: ExecOptions): Promise<void> {
  const { exitCode, tail } = await execute(argv, { ...options, linesOnly: true });
  if (exitCode !== 0)
    throw new Error(`${argv.slice(0, 2).join(' ')} ended with exit code ${exitCode}\n${lastStep(tail)}`.trimEnd());
}

/** Of the output of a failed build the step that failed, without what the engine says of builders. */
export function lastStep(tail: string): string {
  const lines = tail
    .split('\n')
    .filter(
      (line) =>
        !/^\s*(DEPRECATED: The legacy builder|Install the buildx component|https:\/\/docs\.docker\.com\/go\/buildx)/.test(
          line,
        ),
    );
  const begins = lines.findLastIndex((line) => /^\s*(Step \d+\/\d+ : |#\d+ \[)/.test(line));
  return lines.slice(Math.max(0, begins)).join('\n');
}

const labelsOf = (plan: Plan, bases: Base[]): Record<string, string> => ({
  [LABEL.benchmark]: plan.config.benchmark,
  [LABEL.bases]: JSON.stringify(bases),
});

/** The command line of docker build for a git recipe, over a folder with its context. */
export function dockerBuildArgs(wanted: BuildPlan, plan: Plan, bases: Base[], folder: string): string[] {
  if (wanted.recipe.kind !== 'git') throw new TypeError('only a git recipe is built by docker build');
  const { dockerfile, network, builder } = wanted.recipe;
  const limits = ['--force-rm', '--memory', BUILD_MEMORY, '--memory-swap', BUILD_MEMORY]; // BuildKit has none of them
  return [
    'docker',
    'build',
    ...(builder === 'classic' ? limits : []),
    '--file',
    join(folder, dockerfile),
    '--tag',
    wanted.tag,
    '--network',
    network,
    ...Object.entries(labelsOf(plan, bases)).flatMap(([name, value]) => ['--label', `${name}=${value}`]),
    ...Object.entries(wanted.args ?? {}).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    folder,
  ];
}

/** Folders with the files of builds, removed at the end. Those of a killed process are removed by the next command. */
class Contexts implements AsyncDisposable {
  readonly #ctx: Context;
  readonly #folders: string[] = [];
  readonly #written = new Map<BuildPlan, string>();

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  /** Gives the same folder each time: what was checked is what is built. */
  async write(wanted: BuildPlan): Promise<string> {
    const written = this.#written.get(wanted);
    if (written !== undefined) return written;
    await mkdir(this.#ctx.paths.cache, { recursive: true });
    const folder = await mkdtemp(join(this.#ctx.paths.cache, temporaryPrefix('context')));
    this.#folders.push(folder);
    const files = join(folder, 'files');
    await mkdir(files);
    await writeContext(wanted.context!, files, this.#ctx);
    this.#written.set(wanted, files);
    return files;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
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
