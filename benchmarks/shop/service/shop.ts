import { DatabaseSync } from 'node:sqlite';

export interface Product {
  id: number;
  name: string;
  description: string;
  price_cents: number;
}

export interface CataloguePage {
  page: number;
  pages: number;
  products: Product[];
}

export interface OrderLine {
  product: number;
  quantity: number;
}

export interface Order {
  id: number;
  total_cents: number;
}

/** An order names a product that the shop does not have; nothing of the order was kept. */
export class UnknownProduct extends Error {
  constructor(id: number) {
    super(`there is no product ${id}`);
  }
}

export const PRODUCTS = 2_000;
export const PAGE_SIZE = 24;
const SEARCH_LIMIT = 20;

/** The shop's data in one SQLite file, or in memory with ':memory:'. The same products at every start. */
export class Shop {
  readonly #db: DatabaseSync;
  readonly #page;
  readonly #product;
  readonly #search;
  readonly #price;
  readonly #addOrder;
  readonly #addLine;
  readonly #sell;

  constructor(file: string) {
    const db = new DatabaseSync(file);
    db.exec(SCHEMA);
    seed(db);
    const columns = 'p.id, p.name, p.description, p.price_cents';
    this.#db = db;
    this.#page = db.prepare(`SELECT ${columns} FROM product p ORDER BY p.name, p.id LIMIT ${PAGE_SIZE} OFFSET ?`);
    this.#product = db.prepare(`SELECT ${columns} FROM product p WHERE p.id = ?`);
    this.#search = db.prepare(`SELECT ${columns} FROM product_text t JOIN product p ON p.id = t.rowid
      WHERE product_text MATCH ? ORDER BY t.rank LIMIT ${SEARCH_LIMIT}`);
    this.#price = db.prepare('SELECT price_cents FROM product WHERE id = ?');
    this.#addOrder = db.prepare('INSERT INTO "order" (total_cents) VALUES (?)');
    this.#addLine = db.prepare(
      'INSERT INTO order_line (order_id, product_id, quantity, price_cents) VALUES (?, ?, ?, ?)',
    );
    this.#sell = db.prepare('UPDATE product SET sold = sold + ? WHERE id = ?');
  }

  /** A page of the catalogue by name, 1 for the first; a page after the last is empty. */
  catalogue(page: number): CataloguePage {
    const products = this.#page.all((page - 1) * PAGE_SIZE) as unknown as Product[];
    return { page, pages: Math.ceil(PRODUCTS / PAGE_SIZE), products };
  }

  product(id: number): Product | undefined {
    return this.#product.get(id) as Product | undefined;
  }

  /** The products that contain every word, as a word or the beginning of one, best match first. */
  search(words: string[]): Product[] {
    const expression = words.map((word) => `"${word.replaceAll('"', '""')}"*`).join(' ');
    return this.#search.all(expression) as unknown as Product[];
  }

  /** Keeps an order, whole or not at all. Throws UnknownProduct. */
  order(lines: OrderLine[]): Order {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const order = this.#keep(lines);
      this.#db.exec('COMMIT');
      return order;
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }

  #keep(lines: OrderLine[]): Order {
    const priced = lines.map((line) => ({ ...line, price: this.#priceOf(line.product) }));
    const total = priced.reduce((sum, { quantity, price }) => sum + quantity * price, 0);
    const id = Number(this.#addOrder.run(total).lastInsertRowid);
    for (const { product, quantity, price } of priced) {
      this.#addLine.run(id, product, quantity, price);
      this.#sell.run(quantity, product);
    }
    return { id, total_cents: total };
  }

  #priceOf(id: number): number {
    const row = this.#price.get(id) as { price_cents: number } | undefined;
    if (!row) throw new UnknownProduct(id);
    return row.price_cents;
  }
}

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE product (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    sold INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX product_name ON product (name, id);
  CREATE VIRTUAL TABLE product_text USING fts5 (name, description, content='product', content_rowid='id');
  CREATE TABLE "order" (
    id INTEGER PRIMARY KEY,
    total_cents INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE order_line (
    order_id INTEGER NOT NULL REFERENCES "order" (id),
    product_id INTEGER NOT NULL REFERENCES product (id),
    quantity INTEGER NOT NULL,
    price_cents INTEGER NOT NULL,
    PRIMARY KEY (order_id, product_id)
  ) STRICT, WITHOUT ROWID;
`;

const MATERIALS = ['oak', 'steel', 'linen', 'glass', 'cork', 'wool', 'copper', 'paper', 'leather', 'bamboo'];
const COLOURS = ['red', 'green', 'blue', 'white', 'black', 'yellow', 'grey', 'brown'];
const THINGS = [
  'lamp',
  'table',
  'chair',
  'kettle',
  'blanket',
  'notebook',
  'basket',
  'mirror',
  'clock',
  'shelf',
  'bottle',
  'bag',
];
const PRAISE = [
  'light',
  'sturdy',
  'handmade',
  'foldable',
  'washable',
  'compact',
  'elegant',
  'quiet',
  'waterproof',
  'simple',
];
const ROOMS = ['kitchen', 'garden', 'office', 'bedroom', 'hall', 'balcony', 'workshop', 'bathroom'];

function seed(db: DatabaseSync): void {
  const add = db.prepare('INSERT INTO product (id, name, description, price_cents) VALUES (?, ?, ?, ?)');
  db.exec('BEGIN');
  for (let id = 1; id <= PRODUCTS; id++) {
    const { name, description, price_cents } = productNumber(id);
    add.run(id, name, description, price_cents);
  }
  db.exec(`INSERT INTO product_text (product_text) VALUES ('rebuild')`);
  db.exec('COMMIT');
}

/** Words drawn by a fixed arithmetic sequence, so that every start and every commit has the same shop. */
function productNumber(id: number): Omit<Product, 'id'> {
  let state = id;
  const below = (count: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % count;
  };
  const word = (list: string[]) => list[below(list.length)] as string;
  const thing = word(THINGS);
  const material = word(MATERIALS);
  return {
    name: `${word(COLOURS)} ${material} ${thing} ${id}`,
    description: `A ${word(PRAISE)} and ${word(PRAISE)} ${thing} of ${material} for the ${word(ROOMS)} or the ${word(ROOMS)}.`,
    price_cents: 199 + below(20_000),
  };
}
