/** npm run doctor [-- --json]: what is there, which version, from where, and what is missing. Changes nothing. */
import { command, jsonFlag } from '../app/command.ts';
import { EXIT } from '../core/errors.ts';
import { execute, which } from '../core/exec.ts';
import { thisSystem } from '../images/debian.ts';
import { IMAGE_NAMES, OPTIONAL_NAMES } from '../images/images.ts';
import { diagnose, diagnosisText, type Finding, isComplete } from '../setup/diagnosis.ts';
import { dockerPrograms, engineAdvice, isFault } from '../setup/install-engine.ts';
import { type Found, inspect } from '../setup/machine.ts';

await command(
  {
    name: 'doctor',
    about: 'Says what Mayfly needs on this machine, what is there and what is missing. Changes nothing.',
    flags: [jsonFlag('mayfly.doctor/v1')],
  },
  async (io, { has }) => {
    const env = process.env;
    const images = [...IMAGE_NAMES, ...OPTIONAL_NAMES];
    const found = await inspect(images, env);
    const docker = which('docker', env);
    const findings = diagnose(found, images, {
      node: { version: process.versions.node, path: process.execPath },
      docker: docker ? { path: docker } : undefined,
      advice: advice(found),
      builders: await Promise.all([builder('go', ['env', 'GOVERSION']), builder('mmdebstrap', ['--version'])]),
    });
    io.stdout(
      has('json')
        ? JSON.stringify(
            { schema: 'mayfly.doctor/v1', complete: isComplete(findings), findings: findings.map(documentOf) },
            null,
            2,
          )
        : diagnosisText(findings),
    );
    return isComplete(findings) ? EXIT.pass : EXIT.infrastructure;
  },
);

/** The document keeps the earlier name of the field. */
function documentOf({ fix, ...finding }: Finding): object {
  return { ...finding, mend: fix };
}

function advice(found: Found): { message: string; hint: string } | undefined {
  const fault = isFault(found.engine) ? found.engine : undefined;
  return engineAdvice({
    fault,
    system: thisSystem(),
    programs: dockerPrograms(process.env),
    socket: found.socket,
    ownSocket: Boolean(process.env.DOCKER_HOST),
  });
}

async function builder(name: string, args: string[]): Promise<{ name: string; version?: string; path?: string }> {
  const path = which(name, process.env);
  if (!path) return { name };
  const { stdout } = await execute([path, ...args], { env: process.env });
  return { name, path, version: stdout.trim() };
}
