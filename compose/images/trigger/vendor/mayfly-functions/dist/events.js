/** Events of a function: a sink that it sends them to, and a server that takes them. */
export { serveEvents } from "./serve.js";
export { eventSink, SinkError } from "./sink.js";
