import { Readable } from 'node:stream';
import dynaliteDb, { type Items, type Range, type Store } from 'dynalite/db/index.js';
import { leaveNoneChanging } from './definitions.ts';

const { create } = dynaliteDb;

/**
 * Makes dynalite keep the tables of a run in memory as the text of each item under its key, and answer in the
 * same turn of the event loop.
 *
 * dynalite's own database in memory compares keys byte by byte, makes bytes of every item, and waits a turn
 * of the event loop for each read and each write. That took a third of the time of a row. A database in a
 * directory stays as it is.
 */
export function keepTablesAsText(): void {
  dynaliteDb.create = (options) => {
    const store: Store = create(options);
    if (options.path !== undefined) {
      leaveNoneChanging(store.tableDb, 'TableStatus');
      return store;
    }
    const { getItemDb } = store;
    const replaced = new WeakSet<Items>();
    Object.assign(store.tableDb, definitionsInMemory());
    store.getItemDb = (table) => {
      const items = getItemDb(table);
      if (!replaced.has(items)) replaced.add(Object.assign(items, itemsInMemory()));
      return items;
    };
    return store;
  };
}

/**
 * Keeps the definitions of tables as texts, and parses each text once: every write of an item reads a
 * definition.
 */
function definitionsInMemory(): Items {
  const texts = itemsInMemory();
  const read = new Map<string, object>();
  return {
    ...texts,
    get(name, answer) {
      const definition = read.get(name);
      if (definition) answer(null, definition);
      else
        texts.get(name, (error, found) => {
          if (found) read.set(name, found);
          answer(error, found);
        });
    },
    put(name, definition, answer) {
      read.delete(name);
      texts.put(name, definition, answer);
    },
    del(name, answer) {
      read.delete(name);
      texts.del(name, answer);
    },
  };
}

/**
 * Keeps items in memory, and reads them in the order of their keys. dynalite makes a key into text that sorts
 * as DynamoDB does.
 */
function itemsInMemory(): Items {
  const texts = new Map<string, string>();
  /** The keys in order, without those in `added`, which were put since the keys were last read in order. */
  let keys: readonly string[] = [];
  let added: string[] = [];

  const inOrder = (): readonly string[] => {
    // Both stretches are in order, so the sort merges them in one pass.
    if (added.length > 0) keys = [...keys, ...added.sort()].sort();
    added = [];
    return keys;
  };

  const within = ({ gt, gte, lt, lte, reverse, limit = -1 }: Range): readonly string[] => {
    const all = inOrder();
    const first = firstOf(all, (key) => (gt === undefined || key > gt) && (gte === undefined || key >= gte));
    const end = firstOf(all, (key) => (lt !== undefined && key >= lt) || (lte !== undefined && key > lte));
    const found = all.slice(first, Math.max(first, end));
    if (reverse) found.reverse();
    return limit < 0 ? found : found.slice(0, limit);
  };

  const items: Items = {
    get(key, answer) {
      const text = texts.get(key);
      answer(null, text === undefined ? undefined : JSON.parse(text));
    },
    put(key, item, answer) {
      if (!texts.has(key)) added.push(key);
      texts.set(key, JSON.stringify(item));
      answer(null);
    },
    del: (key, answer) => items.batch([{ type: 'del', key }], answer),
    batch(deletions, answer) {
      for (const { key } of deletions) texts.delete(key);
      keys = inOrder().filter((key) => texts.has(key));
      answer(null);
    },
    createKeyStream: (range = {}) => Readable.from(within(range)),
    createValueStream: (range = {}) => Readable.from(valuesOf(within(range), texts)),
  };
  return items;
}

function* valuesOf(keys: readonly string[], texts: ReadonlyMap<string, string>): Generator<object> {
  for (const key of keys) {
    const text = texts.get(key);
    if (text !== undefined) yield JSON.parse(text);
  }
}

/**
 * The index of the first key for which `isSo` holds, as it does for all keys after; the length where there is
 * none.
 */
function firstOf(keys: readonly string[], isSo: (key: string) => boolean): number {
  let [from, to] = [0, keys.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (isSo(keys[middle] as string)) to = middle;
    else from = middle + 1;
  }
  return from;
}
