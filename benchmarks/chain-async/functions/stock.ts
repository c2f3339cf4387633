/** A consumer: books what an order takes out of the stock. Environment: PORT (8080), and that of mayfly-functions. */
import { serveEvents } from 'mayfly-functions/events';
import { log } from 'mayfly-functions/log';
import { tracing } from 'mayfly-functions/tracing';
import { once } from './once.ts';
import type { Order } from './order.ts';

/** Product -> pieces that were taken. */
const taken = new Map<string, number>();

function book({ order, product, quantity }: Order): void {
  taken.set(product, (taken.get(product) ?? 0) + quantity);
  log.info('booked', { order, product, quantity, taken: taken.get(product) });
}

tracing.start();
const { port } = await serveEvents((event, { trigger }) => {
  const order = event.data as Order;
  tracing.set({ 'order.product': order.product });
  if (!once(event, trigger, () => book(order))) log.warn('booked before', { order: order.order });
});
log.info('stock serves', { port });
