import type { NoiseReadings } from '../../../scripts/report/noise-text.ts';

export const quietHost: NoiseReadings = {
  cores: 4,
  steal: 0,
  outside_load: 0.01,
  load_average: { one: 0.1, five: 0.1, fifteen: 0.1 },
  frequency: { min_hz: 3e9, median_hz: 3e9, max_hz: 3.1e9 },
  governor: 'performance',
  boost: false,
  smt: false,
  virtual: [],
  jitter: { median_s: 3e-6, p999_s: 1e-4, max_s: 2e-4, over_100us: 3, over_1ms: 0, over_10ms: 0, lost: 0.001 },
  work: { median_s: 0.0035, spread: 0.005, p99: 0.02, drift: 0.01, pieces: 5000 },
  timer: { median_s: 6e-5, p99_s: 2e-4, max_s: 5e-4 },
  disk: { sync_p50_s: 1e-4, sync_p99_s: 1e-3, bytes_per_s: 5e8 },
  memory: { available: 0.8, swap_used_bytes: 0, swapped_pages: 0 },
  pressure: { memory: 0, io: 0.01 },
};
