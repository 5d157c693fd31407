import { after, type EpochMillis } from '../../core/time.ts';
import type { Group } from '../group/group.ts';
import { MAX_CACHED_AGE } from '../group/lifetimes.ts';

interface CachedGroup {
  readonly group: Group;
  readonly readAt: EpochMillis;
  readonly bytes: number;
}

/** The groups that an environment has in memory from one invocation to the next: those used last, in so many bytes. */
export class GroupCache {
  readonly #maxBytes: number;
  /** By log, the one used longest ago first. */
  readonly #groups = new Map<string, CachedGroup>();
  /** What groups took up when they were last here. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(log: string, now: EpochMillis): Group | undefined {
    const known = this.#groups.get(log);
    if (known === undefined || after(known.readAt, MAX_CACHED_AGE) <= now) return undefined;
    this.#groups.delete(log);
    this.#groups.set(log, known);
    return known.group;
  }

  /** What a group took up when it was last here, if it ever was. */
  sizeOf(log: string): number | undefined {
    return this.#sizes.get(log);
  }

  /** @param now no later than it was read, or appended */
  set(log: string, group: Group, now: EpochMillis): void {
    this.#delete(log);
    const bytes = bytesOf(group);
    this.#sizes.set(log, bytes);
    this.#groups.set(log, { group, readAt: now, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#groups.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#delete(oldest);
    }
  }

  #delete(log: string): void {
    this.#bytes -= this.#groups.get(log)?.bytes ?? 0;
    this.#groups.delete(log);
  }
}

/** What the objects around the values take up, as measured on Node 20: all together a fifth too much rather than too little. */
const KEY_BYTES = 200;
const WINDOW_BYTES = 650;
const IDS_BYTES = 250;
/** Numbers are counted as nine bytes and take eight, and some tables have room for more rows than they have. */
const ROOM = 1.25;

/** What a group takes up in memory, about: without a look at each table, as that would cost as much as to write those that a batch changes. */
export function bytesOf({ keys, ids, weight }: Group): number {
  const [first] = keys.values();
  const windows = first?.windows.length ?? 0;
  return ROOM * weight.content + keys.size * (KEY_BYTES + windows * WINDOW_BYTES) + ids.size * IDS_BYTES;
}
