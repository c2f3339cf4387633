/** A consumer: writes to who has ordered. Environment: PORT (8080), and that of mayfly-functions. */
import { createHash } from 'node:crypto';
import { serveEvents } from 'mayfly-functions/events';
import { log } from 'mayfly-functions/log';
import { tracing } from 'mayfly-functions/tracing';
import { once } from './once.ts';
import type { Order } from './order.ts';

/** The letter of a trigger. */
const LETTERS: Record<string, (order: Order) => string> = {
  mail: ({ order, customer, product, quantity }) =>
    `Dear ${customer},\nthank you for your order ${order}: ${quantity} of ${product}.\n`,
  express: ({ order, customer }) => `Dear ${customer},\nyour order ${order} leaves the house today.\n`,
};

/** There is no post office here: what is written is signed, and that is all. */
function write(letter: string, { order }: Order): void {
  const signature = createHash('sha256').update(letter).digest('hex');
  log.info('written', { order, bytes: letter.length, signature: signature.slice(0, 16) });
}

tracing.start();
const { port } = await serveEvents((event, { trigger }) => {
  const order = event.data as Order;
  const letter = LETTERS[trigger ?? ''];
  if (!letter) throw new Error(`there is no letter for the trigger ${trigger}`);
  const work = () => tracing.span('write', { letter: trigger! }, () => write(letter(order), order));
  if (!once(event, trigger, work)) log.warn('written before', { order: order.order, trigger });
});
log.info('mail serves', { port });
