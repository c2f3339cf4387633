/** A capacity: schema mayfly.capacity/v1. */

/** schema mayfly.capacity/v1: the highest rate at which a commit still meets its objectives. */
export interface CapacityDocument {
  schema: 'mayfly.capacity/v1';
  /** Requests per second; null where not even the lowest rate met them. */
  capacity: number | null;
  /** The lowest rate that was seen to fail; null where the search ended at its cap. */
  fails_at: number | null;
  /**
   * 'objectives': the service's own limit. 'generator': the load generator could not go on. 'cap': --max-rate was
   * reached.
   */
  limited_by: 'objectives' | 'generator' | 'cap';
  objectives: Record<string, number>;
  probes: { rate: number; met: boolean; why?: string; round: number }[];
}
