import type { ObjectStore, StoredObject } from '../../ports/stores.ts';

export interface MemoryObjects extends ObjectStore {
  readonly stored: ReadonlyMap<string, StoredObject>;
}

/** Objects in memory, by name. */
export function memoryObjects(): MemoryObjects {
  const stored = new Map<string, StoredObject>();
  return {
    stored,
    async create(name, object) {
      if (stored.has(name)) return 'exists';
      stored.set(name, { ...object, body: Uint8Array.from(object.body) });
      return 'created';
    },
    async exists(name) {
      return stored.has(name);
    },
  };
}
