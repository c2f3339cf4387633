/** npm run doctor [-- --json]: what is there, which version, from where, and what is missing. Changes nothing. */
import { command, jsonFlag } from '../app/command.ts';
import { EXIT } from '../core/errors.ts';
import { execute, which } from '../core/exec.ts';
import { connectEngine } from '../engine/engine.ts';
import { thisSystem } from '../images/debian.ts';
import { IMAGE_NAMES, OPTIONAL_NAMES } from '../images/images.ts';
import { diagnose, diagnosisText, type Finding, isComplete } from '../setup/diagnosis.ts';
import { dockerPrograms, engineAdvice, isFault } from '../setup/install-engine.ts';
import { type Found, inspect } from '../setup/machine.ts';
import { gigabytes, imageBudget, measuredImages } from '../stack/measured-images.ts';

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
    const measured = isFault(found.engine) ? [] : [await measuredFinding(found.socket, env)];
    const findings = diagnose(found, images, {
      node: { version: process.versions.node, path: process.execPath },
      docker: docker ? { path: docker } : undefined,
      advice: advice(found),
      builders: await Promise.all([builder('go', ['env', 'GOVERSION']), builder('mmdebstrap', ['--version'])]),
    }).concat(measured);
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

/** What the images of measured commits take, and what they may. */
async function measuredFinding(socket: string, env: NodeJS.ProcessEnv): Promise<Finding> {
  const engine = connectEngine(socket);
  try {
    const images = await measuredImages(engine);
    const bytes = images.reduce((sum, image) => sum + image.bytes, 0);
    return {
      part: 'images of measured commits',
      state: 'ok',
      version: `${images.length}, ${gigabytes(bytes)} of ${gigabytes(imageBudget(env))}`,
      from: 'MAYFLY_IMAGE_BUDGET; those used longest ago are removed',
    };
  } finally {
    engine.close();
  }
}

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
