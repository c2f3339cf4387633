/** What was made lately, by key; the least recently used goes first. */
export class Recent<V> {
  readonly #most: number;
  readonly #kept = new Map<string, V>();

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): V | undefined {
    const value = this.#kept.get(key);
    if (value !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, value);
    }
    return value;
  }

  /** The kept one, or what `make` gives, which is kept. */
  of(key: string, make: () => V): V {
    return this.get(key) ?? this.set(key, make());
  }

  set(key: string, value: V): V {
    this.#kept.delete(key);
    this.#kept.set(key, value);
    if (this.#kept.size > this.#most) this.#kept.delete(this.#kept.keys().next().value!);
    return value;
  }
}

/** What belongs to one store: made once for each. */
export function perStore<V>(make: () => V): (store: object) => V {
  const known = new WeakMap<object, V>();
  return (store) => {
    const found = known.get(store) ?? make();
    known.set(store, found);
    return found;
  };
}
