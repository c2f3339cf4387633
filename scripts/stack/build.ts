/** Plan -> Built: every image that the run starts is on the engine. A build is made once and found again by its tag. */
import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import type { Context } from '../app/context.ts';
import { imageVariable } from '../config/compose-check.ts';
import { EXIT, InfrastructureError, MayflyError, UsageError } from '../core/errors.ts';
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
const LINES_SHOWN = 20;
const LINE_LENGTH = 2000;

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
  const output = new LastLines(LINES_SHOWN, (line) => step.update(line));
  try {
    await pull(ref, output, ctx);
    step.done();
    return { name, tag: ref, id: (await ctx.engine.image(ref))!.id, source: 'pulled' };
  } catch (error) {
    step.fail();
    ctx.signal.throwIfAborted();
    throw new InfrastructureError(
      `the image ${ref} is not on this engine and could not be pulled: ${(error as Error).message}\n${output.text()}`,
      { hint: 'Build or load it under this tag, or name another image in the benchmark.' },
    );
  }
}

async function buildOne(plan: Plan, side: SidePlan, wanted: BuildPlan, ctx: Context): Promise<BuiltImage> {
  const present = await ctx.engine.image(wanted.tag);
  if (present) return { name: wanted.name, tag: wanted.tag, id: present.id, source: 'cached' };

  const step = ctx.progress.step(`build ${wanted.name} at ${shortCommit(side.commit)}`);
  const output = new LastLines(LINES_SHOWN, (line) => step.update(line));
  try {
    await runBuild(plan, wanted, output, ctx);
  } catch (error) {
    step.fail();
    if (ctx.signal.aborted) throw ctx.signal.reason;
    if (error instanceof MayflyError) {
      // it was refused, or ended, with a sentence of its own
      if (error.exitCode !== EXIT.infrastructure) error.unbuildable = wanted.source?.commit;
      throw error;
    }
    const message = `the build of ${wanted.name} at ${side.ref} (${shortCommit(side.commit)}) failed: ${(error as Error).message}\n${output.text()}`;
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

async function runBuild(plan: Plan, wanted: BuildPlan, output: LastLines, ctx: Context): Promise<void> {
  const { recipe, tag } = wanted;
  if (recipe.kind === 'image') return pull(tag, output, ctx);
  if (recipe.kind === 'command') {
    const env = { ...withoutSecrets(ctx.env), MAYFLY_COMMIT: commitOf(plan, wanted), MAYFLY_IMAGE: tag };
    return run(recipe.command, { env, cwd: plan.config.dir, output, signal: ctx.signal });
  }
  await checkDockerfile(wanted, ctx, (ref) => obtain(wanted.name, ref, ctx));
  using guard = guardBuild(`the build of ${wanted.name} at ${shortCommit(wanted.source!.commit)}`, ctx);
  output.also(guard.line);
  await run(dockerBuildArgs(wanted, plan), {
    // the classic builder is in every engine; BuildKit needs a plugin
    env: { ...withoutRepository(ctx.env), DOCKER_BUILDKIT: '0' },
    output,
    signal: guard.signal,
    input: archiveCommand(wanted),
  });
}

const pull = (ref: string, output: LastLines, ctx: Context) =>
  run(['docker', 'pull', '--quiet', ref], { env: ctx.env, output, signal: ctx.signal });

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

interface RunOptions {
  env: NodeJS.ProcessEnv;
  cwd?: string;
  output: LastLines;
  signal: AbortSignal;
  /** A command whose output is the standard input of this one. */
  input?: string[];
}

/**
 * Runs a command (and the one that feeds it) in process groups of their own, so that an abort ends their children too.
 */
async function run(command: string[], { env, cwd, output, signal, input }: RunOptions): Promise<void> {
  signal.throwIfAborted(); // an aborted signal tells no listener any more
  const start = (argv: string[], stdin: 'pipe' | 'ignore') =>
    spawn(argv[0]!, argv.slice(1), { env, cwd, detached: true, stdio: [stdin, 'pipe', 'pipe'] });
  const feeder = input ? start(input, 'ignore') : null;
  const main = start(command, feeder ? 'pipe' : 'ignore');
  const end = () => [main, feeder].forEach((child) => child?.pid && killGroup(child.pid));
  signal.addEventListener('abort', end, { once: true });
  try {
    main.stdout!.on('data', (chunk) => output.add(chunk));
    main.stderr!.on('data', (chunk) => output.add(chunk));
    feeder?.stderr?.on('data', (chunk) => output.add(chunk));
    // a broken pipe shows as the exit code of one of the two
    if (feeder) pipeline(feeder.stdout!, main.stdin!).catch(() => {});
    const [code, fed] = await Promise.all([exit(main, command[0]!), feeder ? exit(feeder, input![0]!) : 0]);
    signal.throwIfAborted();
    if (fed !== 0)
      throw new Error(`${input!.slice(0, 1).concat(input!.slice(3)).join(' ')} ended with exit code ${fed}`);
    if (code !== 0) throw new Error(`${command.slice(0, 2).join(' ')} ended with exit code ${code}`);
  } finally {
    signal.removeEventListener('abort', end);
  }
}

function exit(child: ReturnType<typeof spawn>, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(error.code === 'ENOENT' ? `there is no program ${name}` : error.message)),
    );
    child.once('close', (code) => resolve(code ?? 1));
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {
    // it is gone
  }
}

/** Keeps the last lines of an output for the message of a failure. */
export class LastLines {
  #lines: string[] = [];
  #rest = '';
  readonly #limit: number;
  readonly #onLine: ((line: string) => void)[];

  constructor(limit: number, onLine: (line: string) => void) {
    this.#limit = limit;
    this.#onLine = [onLine];
  }

  /** Tells each line to one more. */
  also(onLine: (line: string) => void): void {
    this.#onLine.push(onLine);
  }

  add(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString()).split(/[\r\n]+/);
    this.#rest = (lines.pop() ?? '').slice(-LINE_LENGTH); // a step can print without ever ending a line
    for (const line of lines.map((l) => l.slice(0, LINE_LENGTH)).filter((l) => l.trim())) {
      this.#lines.push(line);
      for (const tell of this.#onLine) tell(line.trim());
    }
    this.#lines = this.#lines.slice(-this.#limit);
  }

  text(): string {
    return [...this.#lines, this.#rest]
      .filter((line) => line.trim())
      .map((line) => `    ${line}`)
      .join('\n');
  }
}
