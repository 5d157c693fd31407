import { after, type EpochMillis } from '../../core/time.ts';
import type { Group } from '../group/group.ts';
import { MAX_CACHED_AGE } from '../group/lifetimes.ts';

interface CachedGroup {
  readonly group: Group;
  readonly readAt: EpochMillis;
  readonly bytes: number;
}

/**
 * Keeps groups in the memory of an environment from one invocation to the next: those used last, up to a
 * number of bytes.
 */
export class GroupCache {
  readonly #maxBytes: number;
  /** The groups by log, the one that was used longest ago first. */
  readonly #groups = new Map<string, CachedGroup>();
  /** How many bytes each group took up when it was last cached. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(log: string, now: EpochMillis): Group | undefined {
    const cached = this.#groups.get(log);
    if (cached === undefined || after(cached.readAt, MAX_CACHED_AGE) <= now) return undefined;
    this.#groups.delete(log);
    this.#groups.set(log, cached);
    return cached.group;
  }

  /** Returns how many bytes a group took up when it was last cached, or undefined if it never was. */
  sizeOf(log: string): number | undefined {
    return this.#sizes.get(log);
  }

  /**
   * Caches a group.
   *
   * @param now an instant no later than the read or the append that the group is of
   */
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

/**
 * The bytes of the objects around the values, as measured on Node 20. Together they come to a fifth too
 * much rather than too little.
 */
const KEY_BYTES = 200;
const WINDOW_BYTES = 650;
const IDS_BYTES = 250;
/**
 * Allows for tables with room for more rows than they have. A number counts as nine bytes and takes eight.
 */
const ROOM = 1.25;

/**
 * Estimates how many bytes a group takes up in memory. It looks at no table, as that would cost as much as
 * writing the tables that a batch changes.
 */
export function bytesOf({ keys, ids, weight }: Group): number {
  const [first] = keys.values();
  const windows = first?.windows.length ?? 0;
  return ROOM * weight.content + keys.size * (KEY_BYTES + windows * WINDOW_BYTES) + ids.size * IDS_BYTES;
}
