/**
 * The result of our generator, held against its schema: it runs code of the benchmark's author, who may print one of
 * his own.
 */
import schema from '../../../docs/schemas/mayfly.load.v1.json' with { type: 'json' };
import type { LoadResultDocument } from '../../../loadgen/result.ts';
import { compile } from '../../config/schema.ts';
import type { SideName } from '../../documents/run.ts';

let validate: ReturnType<typeof compile> | undefined;

/** What is wrong with it, or null. `sides`: those that it must be about, in this order. */
export function resultFault(result: LoadResultDocument, sides: readonly SideName[]): string | null {
  validate ??= compile(schema);
  if (!validate(result))
    return `its result does not fit docs/schemas/mayfly.load.v1.json: ${validate.errors![0]!.instancePath || '/'} ${validate.errors![0]!.message}`;
  const found = result.sides.map(({ side }) => side);
  return found.join() === sides.join()
    ? null
    : `its result is about ${found.join(' and ')}, not ${sides.join(' and ')}`;
}
