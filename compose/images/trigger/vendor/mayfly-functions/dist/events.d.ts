/** Events of a function: a sink that it sends them to, and a server that takes them. */
export { type Delivery, type EventServer, type Handler, type ServeOptions, serveEvents } from './serve.ts';
export { eventSink, type NewEvent, type Sent, type Sink, SinkError, type SinkOptions, type Times } from './sink.ts';
