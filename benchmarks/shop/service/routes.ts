import { registry } from './metrics.ts';
import { type OrderLine, type Shop, UnknownProduct } from './shop.ts';
import { time } from './vendor/mayfly-telemetry/dist/index.js';

export interface Request {
  /** Groups of the route's pattern. */
  path: Record<string, string>;
  query: URLSearchParams;
  /** The whole body as text; empty for GET. */
  body: string;
}

export interface Answer {
  status: number;
  type: string;
  body: string;
}

export interface Route {
  method: 'GET' | 'POST';
  /** As in the metrics, so that their number does not grow with the products. */
  name: string;
  pattern: RegExp;
  answer(request: Request, shop: Shop): Answer | Promise<Answer>;
}

/** A request that cannot be answered as asked; the client gets the status and the message. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export const routes: Route[] = [
  {
    method: 'GET',
    name: '/catalogue',
    pattern: /^\/catalogue$/,
    answer: ({ query }, shop) => json(200, shop.catalogue(wholeNumber('page', query.get('page') ?? '1'))),
  },
  {
    method: 'GET',
    name: '/products/:id',
    pattern: /^\/products\/(?<id>[^/]+)$/,
    answer: ({ path }, shop) => {
      const product = shop.product(wholeNumber('id', path.id ?? ''));
      if (!product) throw new HttpError(404, `there is no product ${path.id}`);
      return json(200, product);
    },
  },
  {
    method: 'GET',
    name: '/search',
    pattern: /^\/search$/,
    answer: ({ query }, shop) => json(200, { products: shop.search(searchWords(query.get('q') ?? '')) }),
  },
  {
    method: 'POST',
    name: '/orders',
    pattern: /^\/orders$/,
    answer: ({ body }, shop) => json(201, placeOrder(shop, orderLines(body))),
  },
  {
    method: 'GET',
    name: '/healthz',
    pattern: /^\/healthz$/,
    answer: () => ({ status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' }),
  },
  {
    method: 'GET',
    name: '/metrics',
    pattern: /^\/metrics$/,
    answer: async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
  },
];

export function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json; charset=utf-8', body: JSON.stringify(value) };
}

const MAX_LINES = 50;
const MAX_QUANTITY = 1_000;
const MAX_NUMBER = 1_000_000;

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > MAX_NUMBER) {
    throw new HttpError(400, `${name} must be a whole number from 1 to ${MAX_NUMBER}`);
  }
  return value;
}

function searchWords(text: string): string[] {
  const words = text
    .slice(0, 100)
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu);
  if (!words) throw new HttpError(400, 'q must contain at least one word to look for');
  return words;
}

function placeOrder(shop: Shop, lines: OrderLine[]) {
  try {
    return time('order transaction', () => shop.order(lines));
  } catch (error) {
    if (error instanceof UnknownProduct) throw new HttpError(400, error.message);
    throw error;
  }
}

function orderLines(body: string): OrderLine[] {
  const { lines } = object(parse(body));
  if (!Array.isArray(lines) || lines.length < 1 || lines.length > MAX_LINES) {
    throw new HttpError(400, `lines must be a list of 1 to ${MAX_LINES} items`);
  }
  const checked = lines.map(orderLine);
  if (new Set(checked.map((line) => line.product)).size < checked.length) {
    throw new HttpError(400, 'lines must name each product once');
  }
  return checked;
}

function orderLine(value: unknown, index: number): OrderLine {
  const { product, quantity } = object(value);
  return {
    product: checkedNumber(`lines/${index}/product`, product, MAX_NUMBER),
    quantity: checkedNumber(`lines/${index}/quantity`, quantity, MAX_QUANTITY),
  };
}

function checkedNumber(name: string, value: unknown, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
    throw new HttpError(400, `${name} must be a whole number from 1 to ${max}`);
  }
  return value;
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new HttpError(400, 'the body must be JSON');
  }
}
