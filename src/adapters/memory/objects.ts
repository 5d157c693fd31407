import type { ObjectStore, StoredObject } from '../../ports/stores.ts';

export interface MemoryObjects extends ObjectStore {
  readonly stored: ReadonlyMap<string, StoredObject>;
  /** Drops objects, as a bucket does with those whose lifetime is over. */
  expire(names: Iterable<string>): void;
}

/** S3's bounds, in bytes of UTF-8: on a name, and on the names and values of its metadata together. */
const NAME_BYTES = 1_024;
const METADATA_BYTES = 2_048;

/** Objects in memory, by name. As in S3 a name and the metadata are limited in bytes. */
export function memoryObjects(): MemoryObjects {
  const stored = new Map<string, StoredObject>();
  return {
    stored,
    async create(name, object) {
      const metadata = Object.entries(object.metadata ?? {})
        .flat()
        .join('');
      if (Buffer.byteLength(name) > NAME_BYTES || Buffer.byteLength(metadata) > METADATA_BYTES) {
        throw new RangeError(
          `Cannot create an object as its name and metadata must be at most ${NAME_BYTES} and ${METADATA_BYTES} bytes: they are ${Buffer.byteLength(name)} and ${Buffer.byteLength(metadata)}`,
        );
      }
      if (stored.has(name)) return 'exists';
      stored.set(name, { ...object, body: Uint8Array.from(object.body) });
      return 'created';
    },
    async read(name) {
      return stored.get(name)?.body;
    },
    async exists(name) {
      return stored.has(name);
    },
    expire(names) {
      for (const name of names) stored.delete(name);
    },
  };
}
