/** The contracts, as server and client of them take them. */
import { join } from 'node:path';
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const files = ['greeter.proto', 'health.proto'].map((name) => join(import.meta.dirname, name));
const protos = loadPackageDefinition(loadSync(files, { enums: String, defaults: true }));

/** A service by its full name. */
function serviceOf(name: string): ServiceClientConstructor {
  let found: unknown = protos;
  for (const part of name.split('.')) found = (found as GrpcObject)[part];
  return found as ServiceClientConstructor;
}

export const Greeter = serviceOf('greeter.Greeter');
export const Health = serviceOf('grpc.health.v1.Health');
