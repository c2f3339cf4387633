/** grpc.health.v1: what a function says of itself, and how to wait until one serves. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ClientReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { clientOf, contract } from './contract.ts';

interface Asked {
  service: string;
}
interface Health {
  status: 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}

export const HEALTH = contract('health.proto', 'grpc.health.v1.Health');

/** The health of a server with one service. It does not serve until it is told to. */
export function healthOf(service: string) {
  let now: Health = { status: 'NOT_SERVING' };
  const watching = new Set<ServerWritableStream<Asked, Health>>();
  const known = (asked: Asked) => asked.service === '' || asked.service === service;
  const set = (to: Health['status']) => {
    now = { status: to };
    for (const call of watching) call.write(now);
  };
  const methods: UntypedServiceImplementation = {
    Check(call: ServerUnaryCall<Asked, Health>, done: sendUnaryData<Health>) {
      if (known(call.request)) done(null, now);
      else done({ code: status.NOT_FOUND, details: `there is no service ${call.request.service} here` });
    },
    Watch(call: ServerWritableStream<Asked, Health>) {
      if (!known(call.request)) return void call.write({ status: 'SERVICE_UNKNOWN' });
      watching.add(call);
      call.on('cancelled', () => watching.delete(call)).write(now);
    },
  };
  return {
    methods,
    serve: () => set('SERVING'),
    stop() {
      set('NOT_SERVING');
      for (const call of watching) call.end();
    },
  };
}

/**
 * Resolves when the server at `host:port` says that it serves, however long that takes. Each try has a client of its
 * own: one that did not find the host looks it up again after 30 s only.
 */
export async function serving(address: string): Promise<void> {
  while (!(await saidServing(address))) await sleep(50);
}

/** Whether it says so before the stream ends: without a connection at once. */
async function saidServing(address: string): Promise<boolean> {
  const client = clientOf(HEALTH, address);
  const call: ClientReadableStream<Health> = client.Watch!({ service: '' });
  call.on('error', () => {}); // also after the loop has ended
  try {
    for await (const { status } of call) if (status === 'SERVING') return true;
  } catch {
    // there is no connection, or no more
  } finally {
    call.cancel();
    client.close();
  }
  return false;
}
