/** Visitors of the shop: half of them leaf through the catalogue, few of them buy. One request in an iteration. */
import { defineLoad, type Iteration } from 'mayfly/load';

const PRODUCTS = 2000;
// Most visitors do not get far: page and product numbers are drawn so that low ones come more often.
const PAGES = 84;
const SEARCHES = [
  'lamp',
  'red lamp',
  'oak table',
  'kettle',
  'blue',
  'sturdy chair',
  'wool blanket',
  'note',
  'white shelf garden',
];

export default defineLoad((visitor) =>
  visitor.choose([
    [50, () => catalogue(visitor)],
    [25, () => product(visitor)],
    [15, () => search(visitor)],
    [10, () => order(visitor)],
  ]),
);

const catalogue = ({ http, random }: Iteration) =>
  http.get(`/catalogue?page=${lowFrom(1, PAGES, random)}`, { name: 'catalogue' });

const product = ({ http, random }: Iteration) =>
  http.get(`/products/${lowFrom(1, PRODUCTS, random)}`, { name: 'product' });

const search = ({ http, random }: Iteration) =>
  http.get(`/search?q=${encodeURIComponent(SEARCHES[Math.floor(random() * SEARCHES.length)]!)}`, { name: 'search' });

function order({ http, random }: Iteration) {
  const first = lowFrom(1, PRODUCTS - 3, random);
  const count = 1 + Math.floor(random() * 3);
  const lines = Array.from({ length: count }, (_, i) => ({
    product: first + i,
    quantity: 1 + Math.floor(random() * 3),
  }));
  return http.post('/orders', { name: 'order', json: { lines }, expect: { status: 201 } });
}

const lowFrom = (least: number, most: number, random: () => number) =>
  least + Math.floor(random() ** 2 * (most - least + 1));
