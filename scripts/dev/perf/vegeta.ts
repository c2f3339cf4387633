/**
 * vegeta beside our own generator: the same target, rate, window, cores and priority, its single requests counted as
 * ours are.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../../app/context.ts';
import type { Sides } from '../../stack/run-stack.ts';
import { runBeside } from './beside.ts';
import { cpuBetween, type Measured, measuredOf, readVegeta } from './figures.ts';
import type { ProbeLoad } from './probe.ts';

/** It goes on after the window, so that its CPU time at the window's end was read while it ran. */
const AFTER_S = 0.2;

export async function driveVegeta(
  sides: Sides,
  { rate, durationS, warmupS, maxInFlight }: ProbeLoad,
  ctx: Context,
): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-vegeta-'));
  const vegeta = (name: string, cmd: string[]) =>
    runBeside(
      sides,
      { name: `vegeta-${name}`, image: ctx.machine.images.vegeta!.ref, cmd, binds: [`${folder}:/work`] },
      ctx,
    );
  try {
    await writeFile(join(folder, 'targets'), 'GET http://probe.candidate:8080/\n');
    const { cpu } = await vegeta('attack', [
      'attack',
      '-targets=/work/targets',
      `-rate=${rate}`,
      `-duration=${((warmupS + durationS + AFTER_S) * 1000).toFixed(0)}ms`,
      '-output=/work/results.bin',
      '-max-body=0',
      `-max-workers=${maxInFlight}`,
      `-connections=${maxInFlight}`,
    ]);
    await vegeta('encode', ['encode', '--to=csv', '--output=/work/results.csv', '/work/results.bin']);
    const { sent, failed } = readVegeta(await readFile(join(folder, 'results.csv'), 'utf8'));
    const fromS = sent.reduce((first, { atS }) => Math.min(first, atS), Infinity) + warmupS;
    const toS = fromS + durationS;
    return measuredOf(sent, { fromS, toS, failed, cpuSeconds: cpuBetween(cpu, fromS * 1000, toS * 1000) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
