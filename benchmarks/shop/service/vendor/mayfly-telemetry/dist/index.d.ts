import './profiler.ts';
export { expressTelemetry } from './express.ts';
export { fastifyTelemetry } from './fastify.ts';
export { type HttpOptions, instrumentHttp } from './http.ts';
export { sample, startDuration, stopDuration, time, timed } from './measure.ts';
export type { ProfilerOptions } from './profiler.ts';
export { addSampler, type RuntimeOptions, type Sampler } from './samplers.ts';
export { type Options, start, stop } from './session.ts';
