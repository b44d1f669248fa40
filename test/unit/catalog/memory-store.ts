/** A key-value store in memory that counts, and that can be told to fail after a number of writes. */
import type { CatalogStore } from "../../../src/catalog/publish.ts";

export interface MemoryStore extends CatalogStore {
  readonly entries: Map<string, string>;
  readonly reads: string[];
  readonly writes: string[];
  /** The next write after this many fails, and every one after it. */
  failAfter(writes: number): void;
}

/** `page` keys per list call, so that paging is used. */
export function createMemoryStore(page = 3): MemoryStore {
  const entries = new Map<string, string>();
  const reads: string[] = [];
  const writes: string[] = [];
  let left = Number.POSITIVE_INFINITY;
  return {
    entries,
    reads,
    writes,
    failAfter(count) {
      left = count;
    },
    async get(key) {
      reads.push(key);
      return entries.get(key) ?? null;
    },
    async put(key, value) {
      if (left-- <= 0) throw new Error("the store is gone");
      writes.push(key);
      entries.set(key, value);
    },
    async delete(key) {
      entries.delete(key);
    },
    async list({ prefix, cursor }) {
      const names = [...entries.keys()].filter((key) => key.startsWith(prefix)).toSorted();
      const from = Number(cursor ?? 0);
      const keys = names.slice(from, from + page).map((name) => ({ name }));
      return from + page < names.length
        ? { keys, list_complete: false, cursor: String(from + page) }
        : { keys, list_complete: true };
    },
  };
}
