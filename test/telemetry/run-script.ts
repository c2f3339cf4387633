import { LIBRARY, type Outcome, runService } from './service.ts';

/**
 * Runs `script` as a service of its own; in it are `dir`, the telemetry folder, the names of the library, `wait(ms)`, and
 * `burn(ms)`, which computes until it had so much of the CPU.
 */
export function runScript(dir: string, script: string, flags: string[] = [], through: string[] = []): Promise<Outcome> {
  const before = `
    import { addSampler, fastifyTelemetry } from ${JSON.stringify(LIBRARY)};
    import { setTimeout as wait } from 'node:timers/promises';
    const dir = ${JSON.stringify(dir)};
    const usedMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
    function burn(ms) {
      let sum = 0;
      for (const end = usedMs() + ms; usedMs() < end; ) for (let i = 0; i < 10_000; i++) sum += Math.sqrt(sum + i);
      return sum;
    }`;
  return runService(before + script, { flags, through });
}
