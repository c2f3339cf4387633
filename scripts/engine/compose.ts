/** Docker Compose: the docker-compose package, and the one question that it answers too slowly. */
import { upAll } from 'docker-compose';
import { InfrastructureError } from '../core/errors.ts';
import { execute } from '../core/exec.ts';

export interface Project {
  /** Compose project name. */
  name: string;
  /** Absolute path of the Compose file; or of several, each laid over those before it. */
  file: string | string[];
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

/**
 * Starts the project and waits until every service is up (healthy, where it has a health check), `timeoutS` at most;
 * null: does not wait.
 */
export async function composeUp(project: Project, env: NodeJS.ProcessEnv, timeoutS: number | null): Promise<void> {
  try {
    await upAll({
      config: project.file,
      env, // replaces the whole environment, PATH too
      composeOptions: [
        '--project-name',
        project.name,
        '--progress',
        'quiet',
        ...(project.profiles ?? []).flatMap((profile) => ['--profile', profile]),
      ],
      commandOptions: [
        ...(timeoutS === null ? [] : ['--wait', '--wait-timeout', String(Math.ceil(timeoutS))]),
        '--no-build',
        '--remove-orphans',
      ],
    });
  } catch (failure) {
    // docker-compose rejects with a plain {exitCode, err, out}
    const { err, out, message } = failure as { err?: string; out?: string; message?: string };
    throw new ComposeError('up', project.name, `${out ?? ''}${err ?? ''}` || message || 'no output');
  }
}

/**
 * The file with every variable filled in and every short form spelled out, as an object. Not by the package, which
 * answers half a second after Compose has.
 */
export async function composeConfig(project: Project, env: NodeJS.ProcessEnv): Promise<Record<string, any>> {
  const files = [project.file].flat().flatMap((file) => ['--file', file]);
  const { exitCode, stdout, stderr } = await execute(
    ['docker', 'compose', '--project-name', project.name, ...files, 'config', '--format', 'json'],
    { env },
  );
  if (exitCode !== 0) throw new ComposeError('config', project.name, stderr || stdout);
  return JSON.parse(stdout);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}
