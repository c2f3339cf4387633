import { join } from 'node:path';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A service as its proto describes it. Fields keep their names, enumerations are texts. */
function contract(proto: string, service: string): ServiceDefinition {
  const file = join(import.meta.dirname, 'protos', proto);
  const found = loadSync(file, { keepCase: true, enums: String, defaults: true })[service];
  if (!found || 'format' in found) throw new TypeError(`${proto} has no service ${service}`);
  return found;
}

export const ORDERS = contract('orders.proto', 'shop.Orders');
export const HEALTH = contract('health.proto', 'grpc.health.v1.Health');
