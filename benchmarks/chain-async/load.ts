/** The client of the chain: it places orders, and waits until the broker has their events, no longer. */
import { defineLoad } from 'mayfly/load';

const CUSTOMERS = 1_000;
const PRODUCTS = 50;

export default defineLoad({ grpc: { protos: ['functions/protos/orders.proto'] } }, ({ grpc, random, scheduledMs }) =>
  grpc.unary(
    'shop.Orders/Place',
    {
      customer: `customer-${Math.floor(random() * CUSTOMERS)}`,
      product: `product-${Math.floor(random() * PRODUCTS)}`,
      quantity: 1 + Math.floor(random() * 3),
      channel: random() < 0.5 ? 'web' : 'shop',
      express: random() < 0.1,
    },
    // When the order was due: from there the delivery of its event is timed.
    { name: 'place', metadata: { scheduled: String(scheduledMs) } },
  ),
);
