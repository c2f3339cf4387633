/** Memory that is taken within the container of a service, and so within its own limit. */
import type { Disturbance } from '../../config/types.ts';
import { formatValue } from '../../report/units.ts';
import { type Act, nameOf, oldest } from './act.ts';

/** tail keeps a line until it has its end: so many zeros without one are in its memory until the sleep is over. */
const program = (bytes: number, forS: number) =>
  `{ head -c ${Math.round(bytes)} /dev/zero && sleep ${forS}; } | tail > /dev/null`;
const KILLED = 137;
/** A shell, or the engine, does not find the program. */
const MISSING = [126, 127];

export async function memoryPressure(
  { bytes, forS }: Pick<Extract<Disturbance, { kind: 'memory-pressure' }>, 'bytes' | 'forS'>,
  act: Act,
): Promise<void> {
  const one = oldest(act);
  const name = nameOf(one);
  const what = formatValue(bytes, 'bytes');
  act.did(`${what} are taken in ${name}`);
  const { exitCode, stdout, stderr } = await act.engine.exec(one.id, ['sh', '-c', program(bytes, forS)]);
  const { running, oomKilled } = await act.engine.inspect(one.id);
  if (!running) {
    act.did(`${name} has ended${oomKilled ? ', out of memory' : ''}`);
    act.because(`${name} ended under the pressure${oomKilled ? ', out of memory' : ''}`);
    return;
  }
  if (exitCode === KILLED)
    throw new Error(
      `the kernel ended what took ${what} in ${name}: they do not fit beside the service within its memory limit`,
    );
  if (MISSING.includes(exitCode) || /not found|no such file/i.test(stderr))
    throw new Error(
      `${name} has no program to take memory with: its image needs sh, head, tail and sleep${said(stdout, stderr)}`,
    );
  if (exitCode !== 0)
    throw new Error(`what takes memory in ${name} ended with exit code ${exitCode}${said(stdout, stderr)}`);
  act.did(`the memory in ${name} is free again`);
}

const said = (stdout: string, stderr: string) => {
  const text = `${stderr.trim()} ${stdout.trim()}`.trim();
  return text === '' ? '' : ` (${text.slice(0, 200)})`;
};
