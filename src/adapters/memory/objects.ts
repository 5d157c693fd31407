import type { ObjectRemover, ObjectStore, StoredObject } from '../../ports/stores.ts';

export interface MemoryObjects extends ObjectStore, ObjectRemover {
  readonly stored: ReadonlyMap<string, StoredObject>;
  /** Drops objects, as a bucket drops objects whose lifetime is over. */
  expire(names: Iterable<string>): void;
}

/** S3's bound on a name, in bytes of UTF-8. */
const NAME_BYTES = 1_024;

/** Keeps objects in memory by name. As in S3, a name is limited in bytes. */
export function memoryObjects(): MemoryObjects {
  const stored = new Map<string, StoredObject>();
  return {
    stored,
    async create(name, object) {
      const bytes = Buffer.byteLength(name);
      if (bytes > NAME_BYTES) {
        throw new RangeError(
          `Cannot create an object as its name must be at most ${NAME_BYTES} bytes: it is ${bytes}`,
        );
      }
      if (stored.has(name)) return 'exists';
      stored.set(name, { ...object, body: Uint8Array.from(object.body) });
      return 'created';
    },
    async read(name) {
      return stored.get(name)?.body;
    },
    async remove(name) {
      stored.delete(name);
    },
    async exists(name) {
      return stored.has(name);
    },
    expire(names) {
      for (const name of names) stored.delete(name);
    },
  };
}
