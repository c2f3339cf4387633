/** gRPC calls of one side. No other file of the load generator uses @grpc/grpc-js and @grpc/proto-loader. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  status as codes,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { type Failure, failure } from './failures.ts';
import { BENCHMARK_FOLDER, ScriptFault } from './faults.ts';
import type { Iterating } from './iterating.ts';
import { LatePromise } from './late-promise.ts';
import { type CallOptions, checkKeys, type Grpc, type LoadOptions, type Pending, pathOf, type Reply } from './load.ts';

const CALL_OPTIONS = ['name', 'metadata', 'timeoutMs', 'expect'];

/** As proto-loader makes it. */
type Method = MethodDefinition<object, object> & { requestType?: { type: { field?: { name: string }[] } } };

/** The methods of the benchmark's protos, and a connection of one side and thread. */
export interface ServiceClients {
  methods: ReadonlyMap<string, Method>;
  client: Client;
  /** It is closed: a script that goes on all the same waits for ever, and takes no time. */
  over: boolean;
  /** `grpc` of one iteration. */
  of(iterating: Iterating): Grpc;
  close(): void;
}

/** `shop.Cart/Add` -> its definition. Faults name the proto. */
export function loadMethods(options: LoadOptions): Map<string, Method> {
  const methods = new Map<string, Method>();
  for (const proto of options.grpc?.protos ?? []) {
    const path = pathOf(proto);
    let found: ReturnType<typeof loadSync>;
    try {
      found = loadSync(path, {
        keepCase: true,
        longs: String,
        enums: String,
        defaults: true,
        oneofs: true,
        includeDirs: [BENCHMARK_FOLDER, dirname(path)],
      });
    } catch (error) {
      throw protoFault(proto, (error as Error).message);
    }
    importsOf(path).forEach(pathOf); // they are part of the workload
    for (const [service, definition] of Object.entries(found)) {
      if ('format' in definition) continue; // a message or an enumeration
      for (const [name, method] of Object.entries(definition)) methods.set(`${service}/${name}`, method as Method);
    }
  }
  return methods;
}

/** `illegal token 'x' (/benchmark/shop.proto, line 3)` -> `shop.proto:3 ...`. */
function protoFault(proto: string, message: string): ScriptFault {
  const said = message.replaceAll(`${BENCHMARK_FOLDER}/`, '');
  const [, what, file, line] = /^(.*) \((.*), line (\d+)\)/s.exec(said) ?? [];
  return new ScriptFault(what ? `${file || proto}:${line} ${what}` : `${proto} is no proto that can be read: ${said}`);
}

/**
 * The protos in the benchmark's folder that a proto imports, and those that these import. Others come with protobuf
 * itself.
 */
function importsOf(path: string, known = new Set<string>()): string[] {
  for (const [, file] of readFileSync(path, 'utf8').matchAll(
    /(?:^|[;}])\s*import\s+(?:public\s+|weak\s+)?["']([^"']+)["']\s*;/gm,
  )) {
    const found = [BENCHMARK_FOLDER, dirname(path)].map((folder) => join(folder, file!)).find(existsSync);
    if (!found || known.has(found)) continue;
    known.add(found);
    importsOf(found, known);
  }
  return [...known];
}

export function openGrpc(
  methods: ReadonlyMap<string, Method>,
  options: LoadOptions,
  { url, target, via }: { url: string; target: string; via?: string | undefined },
): ServiceClients {
  const origin = new URL(url);
  const { tls = {} } = options;
  const secure = origin.protocol === 'https:';
  const channel: ChannelOptions = {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
    'grpc.default_authority': new URL(target).host,
    ...(secure ? { 'grpc.ssl_target_name_override': new URL(target).hostname } : {}),
  };
  const with_ = secure
    ? credentials.createSsl(tls.ca === undefined ? null : readFileSync(pathOf(tls.ca)), null, null, {
        rejectUnauthorized: tls.verify ?? true,
      })
    : credentials.createInsecure();
  const client = new Client(via === undefined ? origin.host : `unix:${via}`, with_, channel);
  const clients: ServiceClients = {
    methods,
    client,
    over: false,
    of: (iterating) => new IterationGrpc(iterating, clients),
    close: () => {
      clients.over = true;
      client.close();
    },
  };
  return clients;
}

/** `grpc` of one iteration. */
class IterationGrpc implements Grpc {
  readonly #iterating: Iterating;
  readonly #clients: ServiceClients;
  constructor(iterating: Iterating, clients: ServiceClients) {
    this.#iterating = iterating;
    this.#clients = clients;
  }

  unary(method: string, message: unknown, options: CallOptions = {}): Pending<Reply> {
    const definition = this.#method(method, options);
    if (this.#iterating.trying && isObject(message))
      checkKeys(`the message of ${method}`, message, fieldsOf(definition));
    if (definition.requestStream || definition.responseStream)
      throw new ScriptFault(`${method} is a stream`, 'Call it by grpc.stream.');
    return new Call(this.#iterating, this.#clients, method, definition, [message], options).start();
  }

  stream(method: string, messages: unknown, options: CallOptions = {}): Pending<Reply> {
    const several = isObject(messages) && (Symbol.iterator in messages || Symbol.asyncIterator in messages);
    return new Call(
      this.#iterating,
      this.#clients,
      method,
      this.#method(method, options),
      several ? (messages as Messages) : [messages],
      options,
    ).start();
  }

  #method(method: string, options: CallOptions): Method {
    if (this.#iterating.trying) checkKeys('a call', options, CALL_OPTIONS);
    const found = this.#clients.methods.get(method);
    if (found) return found;
    const known = [...this.#clients.methods.keys()];
    throw new ScriptFault(
      `there is no gRPC method ${method}`,
      known.length > 0
        ? `The protos have ${known.join(', ')}.`
        : "Name the protos: defineLoad({ grpc: { protos: ['shop.proto'] } }, ...).",
    );
  }
}

/** A call under way; its own promise, made only when somebody awaits it. */
class Call extends LatePromise<Reply> implements Reply {
  code = -1;
  failure: string | null = null;
  message: any = null;
  count = 0;
  sentMs = 0;
  deadlineMs = 0;
  readonly #iterating: Iterating;
  readonly #clients: ServiceClients;
  readonly #path: string;
  readonly #method: Method;
  readonly #messages: Messages;
  readonly #options: CallOptions;
  #cancel: (() => void) | null = null;

  constructor(
    iterating: Iterating,
    clients: ServiceClients,
    path: string,
    method: Method,
    messages: Messages,
    options: CallOptions,
  ) {
    super();
    this.#iterating = iterating;
    this.#clients = clients;
    this.#path = path;
    this.#method = method;
    this.#messages = messages;
    this.#options = options;
  }

  start(): this {
    if (this.#clients.over) return this;
    this.sentMs = this.#iterating.opened(this);
    const timeoutMs = this.#options.timeoutMs ?? this.#iterating.timeoutMs;
    this.deadlineMs = this.sentMs + timeoutMs;
    const { path, requestStream, responseStream, requestSerialize, responseDeserialize } = this.#method;
    const metadata = new Metadata();
    const options: { host?: string } = {};
    // HTTP/2 has no such header: it is the authority of the call
    for (const [key, value] of Object.entries(this.#options.metadata ?? {}))
      if (key.toLowerCase() === 'host') options.host = value;
      else metadata.set(key, value);
    const { client } = this.#clients;
    const done = (error: ServiceError | null, message?: object) => {
      if (message !== undefined) {
        this.message = message;
        this.count = 1;
      }
      this.#end(error);
    };
    try {
      if (!requestStream && !responseStream) {
        const call = client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          this.#only(),
          metadata,
          options,
          done,
        );
        this.#cancel = () => call.cancel();
      } else if (!responseStream) {
        const call = client.makeClientStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          metadata,
          options,
          done,
        );
        this.#cancel = () => call.cancel();
        void this.#send(call as unknown as Sending);
      } else {
        const call = requestStream
          ? client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, options)
          : client.makeServerStreamRequest(
              path,
              requestSerialize,
              responseDeserialize,
              this.#only(),
              metadata,
              options,
            );
        this.#cancel = () => call.cancel();
        call
          .on('data', () => this.count++)
          .on('error', (error: ServiceError) => this.#end(error))
          .on('end', () => this.#end(null));
        if (requestStream) void this.#send(call as ClientDuplexStream<object, object>);
      }
    } catch (error) {
      this.#cutOff(codes.INTERNAL, (error as Error).message); // a message that does not fit the proto
    }
    return this;
  }

  /** The message of a call that has one. */
  #only(): object {
    for (const message of this.#messages as Iterable<object>) return message;
    return {};
  }

  /** One message after the other, as fast as the other side takes them. */
  async #send(call: Sending): Promise<void> {
    try {
      for await (const message of this.#messages) {
        if (this.ended) return;
        if (!call.write(message as object)) await new Promise<void>((resolve) => call.once('drain', resolve));
      }
      call.end();
    } catch (error) {
      this.#cutOff(codes.INTERNAL, (error as Error).message); // the script's messages
    }
  }

  expire(): void {
    this.#cutOff(codes.DEADLINE_EXCEEDED, `no whole answer after ${Math.round(this.deadlineMs - this.sentMs)} ms`);
  }

  #cutOff(code: codes, details: string): void {
    this.#end(Object.assign(new Error(details), { code, details, metadata: new Metadata() }));
    this.#cancel?.();
  }

  #end(error: ServiceError | null): void {
    if (this.ended) return;
    this.ended = true;
    this.code = error?.code ?? codes.OK;
    const wanted = this.#options.expect?.code ?? codes.OK;
    const good = typeof wanted === 'number' ? this.code === wanted : wanted.includes(this.code);
    const why: Failure | null = good
      ? null
      : failure(
          kindOf(this.code, error?.details ?? ''),
          codes[this.code] ?? String(this.code),
          error?.details ||
            `status ${codes[this.code]}, expected ${[wanted]
              .flat()
              .map((code) => codes[code] ?? code)
              .join(' or ')}`,
        );
    this.failure = why?.kind ?? null;
    this.#iterating.closed(this, this.#options.name ?? this.#path, this.code, 0, '', why);
    this.tell();
  }

  protected answer(): Reply {
    return { code: this.code, failure: this.failure, message: this.message, count: this.count };
  }
}

/** What is no answer of the service is told as with HTTP. grpc-js says why there is no connection in a text only. */
function kindOf(code: number, details: string): string {
  if (code === codes.DEADLINE_EXCEEDED) return 'timeout';
  if (code !== codes.UNAVAILABLE || !details.startsWith('No connection established')) return 'grpc';
  return /ECONNREFUSED/.test(details)
    ? 'refused'
    : /certificate|altnames|SSL|TLS/.test(details)
      ? 'tls'
      : 'unreachable';
}

type Sending = Pick<ClientDuplexStream<object, object>, 'write' | 'end' | 'once'>;
type Messages = Iterable<unknown> | AsyncIterable<unknown>;

/** Of the messages that a method takes. One that is not known would be left out without a word. */
const fieldsOf = ({ requestType }: Method): string[] => (requestType?.type.field ?? []).map(({ name }) => name);

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
