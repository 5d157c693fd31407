declare module 'kinesalite' {
  import type { Server } from 'node:http';

  export default function kinesalite(options: {
    path?: string | undefined;
    createStreamMs?: number;
    deleteStreamMs?: number;
    updateStreamMs?: number;
    shardLimit?: number;
  }): Server;
}

declare module 'kinesalite/db/index.js' {
  import type { EventEmitter } from 'node:events';

  export interface Sequence {
    shardCreateTime: number;
    shardIx: number;
    seqIx?: number | string;
    seqTime?: number;
    byte1?: string;
    version?: number;
  }

  export interface Store {
    /** The streams by name. */
    readonly metaDb: {
      get(name: string, answer: (error: unknown, definition?: object) => void): void;
      put(name: string, definition: object, answer: (error: unknown) => void): void;
      del(name: string, answer: (error: unknown) => void): void;
    };
    db: EventEmitter & { close(): Promise<void> };
    getStream(
      name: string,
      answer: (error: unknown, stream?: { readonly RetentionPeriodHours: number }) => void,
    ): void;
  }

  const db: {
    create(options: { path?: string }): Store;
    parseSequence(sequence: string): Sequence;
    stringifySequence(sequence: Sequence): string;
    partitionKeyToHashKey(partitionKey: string): { comparedTo(other: string): number };
  };
  export default db;
}
