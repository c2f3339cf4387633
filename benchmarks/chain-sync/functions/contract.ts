import { join } from 'node:path';
import { type ChannelOptions, credentials, makeClientConstructor, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A service as its proto describes it. Fields keep their names, enumerations are texts. */
export function contract(proto: string, service: string): ServiceDefinition {
  const file = join(import.meta.dirname, 'protos', proto);
  const found = loadSync(file, { keepCase: true, enums: String, defaults: true })[service];
  if (!found || 'format' in found) throw new TypeError(`${proto} has no service ${service}`);
  return found;
}

/**
 * Without these a client that comes before its server tries again after 1 s only, and looks an unknown host up again
 * after 30 s only.
 */
const SOON: ChannelOptions = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
  'grpc.dns_min_time_between_resolutions_ms': 100,
};

/** A client of a service at `host:port`, over h2c. It connects with the first call. */
export function clientOf(definition: ServiceDefinition, address: string) {
  return new (makeClientConstructor(definition, ''))(address, credentials.createInsecure(), SOON);
}
