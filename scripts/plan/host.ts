import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import type { Host } from '../documents/run.ts';

/** What the engine says about the host it runs on. */
export interface EngineFacts {
  version: string;
  cores: number;
  memoryBytes: number;
  kernel: string;
  os: string;
}

/** The host's fingerprint; runs with different ids are not compared. */
export function fingerprint(engine: EngineFacts, cpuModel: string = cpus()[0]?.model.trim() ?? 'unknown'): Host {
  const facts = {
    cpu_model: cpuModel,
    cores: engine.cores,
    // The kernel keeps some memory for itself, not always the same: a fingerprint needs gigabytes only.
    memory_bytes: engine.memoryBytes,
    kernel: engine.kernel,
    os: engine.os,
    engine: engine.version,
  };
  const grouped = { ...facts, memory_bytes: Math.round(facts.memory_bytes / 2 ** 30) };
  return { id: createHash('sha256').update(JSON.stringify(grouped)).digest('hex').slice(0, 12), ...facts };
}
