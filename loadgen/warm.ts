/**
 * What the generator warms up against: a server of its own on loopback that answers everything, in HTTP/1.1, and in
 * HTTP/2 without TLS for gRPC and h2c.
 */
import type { ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';

const BODY = '{}';
/** A message of gRPC without fields: not compressed, no bytes. */
const EMPTY_MESSAGE = Buffer.alloc(5);

export interface WarmServers {
  one: number;
  two: number;
  close(): void;
}

export async function startWarmServers(): Promise<WarmServers> {
  const { createServer } = process.getBuiltinModule('node:http'); // imported it would load fetch with it
  const { createServer: createServer2 } = process.getBuiltinModule('node:http2');
  const one = createServer((request, response) => {
    request.resume();
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': BODY.length })
      .end(request.method === 'HEAD' ? undefined : BODY);
  });
  const two = createServer2();
  two.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {}).resume();
    if (!String(headers['content-type']).startsWith('application/grpc')) {
      stream.respond({ ':status': 200, 'content-type': 'application/json' });
      return stream.end(BODY);
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    return stream.end(EMPTY_MESSAGE);
  });
  two.on('sessionError', () => {});
  const [portOne, portTwo] = await Promise.all([listening(one), listening(two as unknown as Server)]);
  return { one: portOne, two: portTwo, close: () => (one.close(), one.closeAllConnections(), two.close()) };
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
