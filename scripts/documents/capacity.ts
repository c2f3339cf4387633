/**
 * A capacity: schema mayfly.capacity/v1, the highest rate at which a commit still meets its objectives. Its one
 * description is docs/schemas/mayfly.capacity.v1.json.
 */
export type { CapacityDocument } from './capacity.types.ts';
