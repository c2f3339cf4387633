/** What the event of an order says: the producer writes it, the consumers read it. */
export const PLACED = 'dev.mayfly.order.placed';

export interface Order {
  order: string;
  customer: string;
  product: string;
  quantity: number;
  express: boolean;
}
