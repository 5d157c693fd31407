import { after, type EpochMillis } from '../../core/time.ts';
import type { Group } from '../group/group.ts';
import { MAX_CACHED_AGE } from '../group/lifetimes.ts';

interface CachedGroup {
  readonly group: Group;
  readonly readAt: EpochMillis;
}

/** What is known of a log since its group was first asked for. */
interface Known {
  /** How many bytes the group took up when it was last offered; undefined before that. */
  bytes: number | undefined;
  /** When the group was asked for last, and the time before, as a count of all questions. */
  asked: number;
  askedBefore: number;
}

/**
 * Keeps groups in the memory of an environment from one invocation to the next, up to a number of bytes. Once there is no
 * room for a group, the keys of all groups are packed as they are cached, and take up about a third.
 *
 * A group takes the place of others only where it was asked for, the time before this one, later than they were
 * last: so groups of which nobody asks any more go. Batches that go round more groups than there is room for, each
 * group in its turn, find those again that came first, in place of losing each group before its turn comes.
 */
export class GroupCache {
  readonly #maxBytes: number;
  /** The groups by log, the one that was asked for longest ago first. */
  readonly #groups = new Map<string, CachedGroup>();
  readonly #known = new Map<string, Known>();
  #bytes = 0;
  /** Whether a group found no room as objects; from then on all are packed. */
  #isTight = false;
  #questions = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(log: string, now: EpochMillis): Group | undefined {
    const known = this.#of(log);
    known.askedBefore = known.asked;
    known.asked = ++this.#questions;
    const cached = this.#groups.get(log);
    if (cached === undefined || after(cached.readAt, MAX_CACHED_AGE) <= now) return undefined;
    this.#groups.delete(log);
    this.#groups.set(log, cached);
    return cached.group;
  }

  /** Returns how many bytes a group took up when it was last offered, or undefined if it never was. */
  sizeOf(log: string): number | undefined {
    return this.#known.get(log)?.bytes;
  }

  /**
   * Caches a group where there is room for it, or where it is asked for more often than others.
   *
   * @param now an instant no later than the read or the append that the group is of
   */
  set(log: string, group: Group, now: EpochMillis): void {
    this.#delete(log);
    group.keys.settle();
    group.ids.settle();
    let room = this.#maxBytes - this.#bytes;
    this.#isTight ||= bytesOf(group) > room;
    if (this.#isTight) group.keys.pack();
    const known = this.#of(log);
    const bytes = bytesOf(group);
    known.bytes = bytes;
    const giveWay: string[] = [];
    for (const oldest of this.#groups.keys()) {
      const { asked, bytes: freed = 0 } = this.#of(oldest);
      if (room >= bytes || asked >= known.askedBefore) break;
      giveWay.push(oldest);
      room += freed;
    }
    if (room < bytes) return;
    for (const oldest of giveWay) this.#delete(oldest);
    this.#groups.set(log, { group, readAt: now });
    this.#bytes += bytes;
  }

  #of(log: string): Known {
    const known = this.#known.get(log) ?? { bytes: undefined, asked: 0, askedBefore: 0 };
    this.#known.set(log, known);
    return known;
  }

  #delete(log: string): void {
    if (this.#groups.delete(log)) this.#bytes -= this.#known.get(log)?.bytes ?? 0;
  }
}

/**
 * The bytes of the objects around the values, as measured on Node 20. Together they come to a fifth too
 * much rather than too little.
 */
const KEY_BYTES = 250;
const WINDOW_BYTES = 350;
const IDS_BYTES = 250;
/** The same of a key that is packed: its name, and its places in columns. */
const PACKED_BYTES = 130;
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
  const { count, bytes, hasMore } = keys.packed;
  const loose = keys.size - count;
  // Of plain values and of ids it is known only what they weigh together with all numbers.
  const ofObjects = hasMore || ids.size > 0 || keys.size === 0 ? 1 : loose / keys.size;
  return (
    ROOM * ofObjects * weight.content +
    loose * (KEY_BYTES + windows * WINDOW_BYTES) +
    count * PACKED_BYTES +
    bytes +
    ids.size * IDS_BYTES
  );
}
