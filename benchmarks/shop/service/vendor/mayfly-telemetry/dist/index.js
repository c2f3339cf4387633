import "./profiler.js";
export { expressTelemetry } from "./express.js";
export { fastifyTelemetry } from "./fastify.js";
export { instrumentHttp } from "./http.js";
export { sample, startDuration, stopDuration, time, timed } from "./measure.js";
export { addSampler } from "./samplers.js";
export { start, stop } from "./session.js";
