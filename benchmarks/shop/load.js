/** Visitors of the shop: half of them leaf through the catalogue, few of them buy. One request in an iteration. */
import http from 'k6/http';
import { iteration } from '../../loadgen/mayfly.js';

export { handleSummary, options, setup } from '../../loadgen/mayfly.js';

const PRODUCTS = 2000;
// Most visitors do not get far: page and product numbers are drawn so that low ones come more often.
const PAGES = 84;
const SEARCHES = ['lamp', 'red lamp', 'oak table', 'kettle', 'blue', 'sturdy chair', 'wool blanket', 'note', 'white shelf garden'];

const visits = [
  [50, catalogue],
  [25, product],
  [15, search],
  [10, order],
];

export default iteration((visitor) => visitor.choose(visits)(visitor));

function catalogue({ url, params, random }) {
  return http.get(`${url}/catalogue?page=${lowFrom(1, PAGES, random)}`, params('catalogue'));
}

function product({ url, params, random }) {
  return http.get(`${url}/products/${lowFrom(1, PRODUCTS, random)}`, params('product'));
}

function search({ url, params, random }) {
  const words = SEARCHES[Math.floor(random() * SEARCHES.length)];
  return http.get(`${url}/search?q=${encodeURIComponent(words)}`, params('search'));
}

function order({ url, params, random }) {
  const first = lowFrom(1, PRODUCTS - 3, random);
  const count = 1 + Math.floor(random() * 3);
  const lines = Array.from({ length: count }, (_, i) => ({ product: first + i, quantity: 1 + Math.floor(random() * 3) }));
  return http.post(`${url}/orders`, JSON.stringify({ lines }), params('order', { headers: { 'Content-Type': 'application/json' } }));
}

function lowFrom(least, most, random) {
  return least + Math.floor(random() ** 2 * (most - least + 1));
}
