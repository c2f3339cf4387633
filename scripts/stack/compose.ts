/** The only file that knows the docker-compose package. */
import { downAll, execCompose, upAll, type IDockerComposeOptions, type IDockerComposeResult } from 'docker-compose';
import { InfrastructureError } from '../errors.ts';

export interface Project {
  /** Compose project name. */
  name: string;
  /** Absolute path of the Compose file. */
  file: string;
  profiles?: string[];
}

/** What Compose said when it failed. */
export class ComposeError extends InfrastructureError {
  readonly output: string;
  constructor(command: string, project: string, output: string) {
    super(`docker compose ${command} of ${project} failed: ${lastLine(output)}`);
    this.output = output;
  }
}

function options(project: Project, env: NodeJS.ProcessEnv, commandOptions: string[]): IDockerComposeOptions {
  return {
    config: project.file,
    env, // replaces the whole environment, PATH too
    composeOptions: ['--project-name', project.name, '--progress', 'quiet', ...(project.profiles ?? []).flatMap((profile) => ['--profile', profile])],
    commandOptions,
  };
}

/** docker-compose rejects with a plain {exitCode, err, out}. */
async function run(command: string, project: Project, work: Promise<IDockerComposeResult>): Promise<string> {
  try {
    return (await work).out;
  } catch (failure) {
    const { err, out, message } = failure as { err?: string; out?: string; message?: string };
    throw new ComposeError(command, project.name, `${out ?? ''}${err ?? ''}` || message || 'no output');
  }
}

/** Starts the project and waits until every service is healthy, `timeoutS` at most. */
export function composeUp(project: Project, env: NodeJS.ProcessEnv, timeoutS: number): Promise<string> {
  return run('up', project, upAll(options(project, env, ['--wait', '--wait-timeout', String(Math.ceil(timeoutS)), '--no-build', '--remove-orphans'])));
}

/** Stops and removes the project's containers, networks and volumes. */
export function composeDown(project: Project, env: NodeJS.ProcessEnv): Promise<string> {
  return run('down', project, downAll(options(project, env, ['--volumes', '--remove-orphans'])));
}

/** The file with every variable filled in and every short form spelled out, as an object. */
export async function composeConfig(project: Project, env: NodeJS.ProcessEnv): Promise<Record<string, any>> {
  return JSON.parse(await run('config', project, execCompose('config', ['--format', 'json'], options(project, env, []))));
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}
