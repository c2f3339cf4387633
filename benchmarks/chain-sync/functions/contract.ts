import { join } from 'node:path';
import { credentials, makeClientConstructor, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A service as its proto describes it. Fields keep their names, enumerations are texts. */
export function contract(proto: string, service: string): ServiceDefinition {
  const file = join(import.meta.dirname, 'protos', proto);
  const found = loadSync(file, { keepCase: true, enums: String, defaults: true })[service];
  if (!found || 'format' in found) throw new TypeError(`${proto} has no service ${service}`);
  return found;
}

/** A client of a service at `host:port`, over h2c. It connects with the first call, and shares nothing with others. */
export function clientOf(definition: ServiceDefinition, address: string) {
  const Service = makeClientConstructor(definition, '');
  return new Service(address, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    // It would ask for a TXT record too. A network without a way out answers after 30 s, and so long no process ends.
    'grpc.service_config_disable_resolution': 1,
  });
}
