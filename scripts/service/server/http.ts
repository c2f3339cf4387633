/** The HTTP server of `serve` and `work`. The only file that knows fastify and its plugins. */

import type { AddressInfo } from 'node:net';
import helmet from '@fastify/helmet';
import fastifyStatic from '@fastify/static';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { InfrastructureError, UsageError } from '../../core/errors.ts';

export type Http = FastifyInstance;
export type HttpRequest = FastifyRequest;
export type HttpReply = FastifyReply;

/** An answer that is an error: its status, and a sentence for whoever asked. */
export class HttpError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface HttpOptions {
  /** Renders an error for a browser; absent: all errors are JSON. */
  errorPage?(status: number, message: string): string;
  /** Folders with files that are served below a path. */
  assets?: { root: string; prefix: string; files: string[] }[];
  /** Title and version of the OpenAPI description, made of the schemas of the routes below /api; absent: none. */
  openapi?: { title: string; version: string; description: string };
  log(line: string): void;
}

/** Largest body in bytes where a route says nothing else. */
const BODY_LIMIT = 64 * 1024;

/** An HTTP server with bounds on body and time, safe headers, and errors in words; routes are still to be added. */
export async function createHttp({ errorPage, assets = [], openapi, log }: HttpOptions): Promise<Http> {
  const http = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    trustProxy: 'loopback',
    connectionTimeout: 60_000,
    keepAliveTimeout: 10_000,
    routerOptions: { maxParamLength: 300 },
    exposeHeadRoutes: true,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
  });
  await http.register(helmet, {
    // No script or style but our own files; nobody may frame the site.
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    },
    strictTransportSecurity: false,
    crossOriginResourcePolicy: { policy: 'cross-origin' }, // a badge is shown on other sites
    referrerPolicy: { policy: 'same-origin' },
  });
  for (const [index, { root, prefix, files }] of assets.entries()) {
    await http.register(fastifyStatic, {
      root,
      prefix,
      decorateReply: index === 0,
      index: false,
      maxAge: '1h',
      allowedPath: (path) => files.includes(path.slice(1)),
      dotfiles: 'deny',
    });
  }
  if (openapi) {
    const { title, version, description } = openapi;
    await http.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title, version, description },
        components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      },
      hideUntagged: true,
    });
  }
  const say = (request: HttpRequest, reply: HttpReply, status: number, message: string) => {
    const asPage =
      errorPage && /\btext\/html\b/.test(request.headers.accept ?? '') && !/^\/(api|webhooks)\//.test(request.url);
    return asPage
      ? reply.code(status).type('text/html; charset=utf-8').send(errorPage(status, message))
      : reply.code(status).send({ status, error: message });
  };
  http.setErrorHandler((error, request, reply) => {
    const { status, message } = explain(error);
    if (status >= 500)
      log(
        `${request.method} ${request.url.split('?')[0]}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    return say(request, reply, status, message);
  });
  http.setNotFoundHandler((request, reply) => say(request, reply, 404, 'there is nothing at this address'));
  return http;
}

/** What whoever asked may know of an error. */
function explain(error: unknown): { status: number; message: string } {
  if (error instanceof HttpError) return error;
  if (error instanceof UsageError)
    return { status: /^there is no\b/.test(error.message) ? 404 : 400, message: error.message };
  const { statusCode, message } = error as { statusCode?: number; message?: string };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return { status: statusCode, message: message ?? 'bad request' };
  if (error instanceof InfrastructureError) return { status: 503, message: 'the store does not answer; try again' };
  return { status: 500, message: 'a fault of Mayfly itself; the log of the server says more' };
}

/** Listens, and gives the URL; InfrastructureError where the port is taken. Port 0: any that is free. */
export async function listen(http: Http, host: string, port: number): Promise<string> {
  try {
    await http.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'EADDRINUSE'
        ? 'something listens there already'
        : code === 'EACCES'
          ? 'this user may not'
          : (error as Error).message;
    throw new InfrastructureError(`cannot listen on ${host}:${port}: ${why}`, {
      hint: 'Choose another port with --port=N; --port=0 takes any that is free.',
      cause: error,
    });
  }
  const { address, port: actual, family } = http.server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
}
