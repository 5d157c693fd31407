import type { KeyRecord, StoredKey } from '../../core/key.ts';
import { type KeyPane, type PaneLayout, readPanes } from '../../core/panes.ts';
import { type SubPosition, subPositionOf } from '../../core/position.ts';
import type { Table } from '../../core/table.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { SourceRecord } from '../../ports/source.ts';
import type { BatchKey, InternedKey } from './batch-key.ts';
import { type Digest, idDigest } from './known-ids.ts';
import { packedKeys } from './packed-keys.ts';
import { PersistentMap } from './persistent-map.ts';
import { WEIGHTLESS, type Weight } from './weight.ts';

/** One key group as one entry of its log leaves it. */
export interface Group {
  /** The ordinal of that entry, or 0 before the first entry. */
  readonly ordinal: number;
  readonly committedAt: EpochMillis | undefined;
  /** The version of the definition that wrote that entry, or 0 before the first entry. */
  readonly version: number;
  /** Whether that entry is the log's last: a later generation has begun with what this group holds. */
  readonly sealed: boolean;
  /** The last entry that holds the whole group, and how much has followed it. */
  readonly base: Base | undefined;
  /** For each lineage of an ordered source, the last record that the group has taken in. */
  readonly positions: ReadonlyMap<string, Reached>;
  /**
   * The positions of the groups of an earlier generation from which this group took keys over, for as long
   * as its own positions are not past them.
   */
  readonly inherited: readonly Inherited[];
  readonly keys: PersistentMap<string, StoredKey>;
  /**
   * By key, the ids of the records that the group has taken in, where the source has no order or an `id`. The
   * ids of an unordered source's refused records stand under `REFUSED`.
   */
  readonly ids: PersistentMap<string, Table>;
  readonly counters: Counters;
  /** The weight of the group's keys, and of the ids that it keeps with them. */
  readonly weight: Weight;
}

export interface Base {
  readonly ordinal: number;
  readonly committedAt: EpochMillis;
  /** The size of the state in bytes, without the panes beside it. */
  readonly stateBytes: number;
  /** The size in bytes of all entries that follow. */
  readonly tailBytes: number;
}

/** How far a group has taken in a lineage. */
export interface Reached {
  readonly position: SubPosition;
  /**
   * When the record at that position arrived; for a source whose positions may begin anew, the latest arrival
   * of all records up to there.
   */
  readonly arrival: EpochMillis;
}

/**
 * One group of an earlier generation whose keys were taken over, and how far it had taken in its lineages.
 */
export interface Inherited {
  readonly groups: number;
  readonly group: number;
  readonly positions: ReadonlyMap<string, Reached>;
}

/**
 * Counts a group's records since it began. Each record counts once: as `applied`, `lateForAll` or `poison`.
 */
export interface Counters {
  /** Records that at least one window took. */
  readonly applied: number;
  /** Records that no window took, as they came late for every window. */
  readonly lateForAll: number;
  readonly poison: number;
  /**
   * By the name of a window, the records that it refused as late, whether or not other windows took them. A
   * window that refused none has no count.
   */
  readonly late: Readonly<Record<string, number>>;
}

const NO_RECORDS: Counters = { applied: 0, lateForAll: 0, poison: 0, late: {} };

/** Adds counters up. */
export const sumOfCounters = (all: readonly Counters[]): Counters =>
  all.reduce(
    (sum, { applied, lateForAll, poison, late }) => ({
      applied: sum.applied + applied,
      lateForAll: sum.lateForAll + lateForAll,
      poison: sum.poison + poison,
      late: sumOfLate([...Object.entries(sum.late), ...Object.entries(late)]),
    }),
    NO_RECORDS,
  );

/** Counts late records by the window that refused them. */
export const lateByWindow = (late: readonly Pick<LateRecord, 'windows'>[]): Counters['late'] =>
  sumOfLate(late.flatMap(({ windows }) => windows.map((window) => [window, 1] as const)));

/** Sums counts in a map, as a window may have the name of a property that every object inherits. */
function sumOfLate(counts: readonly (readonly [window: string, count: number])[]): Counters['late'] {
  const late = new Map<string, number>();
  for (const [window, count] of counts) late.set(window, (late.get(window) ?? 0) + count);
  return Object.fromEntries(late);
}

export const EMPTY_GROUP: Group = {
  ordinal: 0,
  committedAt: undefined,
  version: 0,
  sealed: false,
  base: undefined,
  positions: new Map(),
  inherited: [],
  keys: PersistentMap.of([], packedKeys),
  ids: PersistentMap.of(),
  counters: NO_RECORDS,
  weight: WEIGHTLESS,
};

/**
 * A record of one group: a record of the source or a part of one, either for the windows of a key or
 * refused.
 */
export class GroupRecord {
  /**
   * The record that the source delivered. Its bytes are kept if this record is refused, and the source
   * delivers it again if the group stops before it.
   */
  readonly source: SourceRecord;
  readonly content: GroupContent;
  /** Its key, or its partition key where it has none. */
  readonly key: BatchKey;
  readonly #part: Part;
  #placeDigest: Digest | undefined;

  constructor(
    ordered: boolean,
    source: SourceRecord,
    member: number,
    child: number,
    key: BatchKey,
    content: GroupContent,
    expanded = false,
    packed = false,
  ) {
    this.source = source;
    this.content = content;
    this.key = key;
    const isWhole = member === 0 && child === 0 && !expanded && !packed;
    this.#part = isWhole ? wholeOf(ordered) : { ordered, member, child, expanded, packed };
  }

  /** The hash of its key: see `hashOf`. */
  get hash(): number {
    return this.key.hash;
  }

  /** Its place in the source's record: see `SubPosition`. */
  get member(): number {
    return this.#part.member;
  }

  get child(): number {
    return this.#part.child;
  }

  /** Whether it is a child that `expand` made, and not the whole of the record's member. */
  get expanded(): boolean {
    return this.#part.expanded;
  }

  /** Whether it is of a member of its record, and not of the whole of it. */
  get packed(): boolean {
    return this.#part.packed;
  }

  get lineage(): string {
    return this.source.lineage;
  }

  get arrival(): EpochMillis {
    return this.source.arrival;
  }

  /** Few records are asked for it, so it is put together anew each time. */
  get position(): SubPosition {
    return subPositionOf(this.#part.ordered, this.source.position, this.member, this.child);
  }

  /** The digest of its place, by which a source without order knows it when it comes again. */
  get placeDigest(): Digest {
    this.#placeDigest ??= idDigest(`${this.lineage}\n${this.position}`);
    return this.#placeDigest;
  }

  /** Returns the same record, refused. */
  refused(code: PoisonCode, reason: string): GroupRecord {
    const content = { outcome: 'poison', poison: { code, reason } } as const;
    const { ordered, member, child, expanded, packed } = this.#part;
    return new GroupRecord(ordered, this.source, member, child, this.key, content, expanded, packed);
  }
}

/** Which part of a source's record a group's record is. */
interface Part {
  /** Whether the source has an order. */
  readonly ordered: boolean;
  readonly member: number;
  readonly child: number;
  readonly expanded: boolean;
  readonly packed: boolean;
}

/** Most records are whole, and share these. */
const [WHOLE, WHOLE_WITHOUT_ORDER] = [true, false].map(
  (ordered): Part => ({ ordered, member: 0, child: 0, expanded: false, packed: false }),
) as [Part, Part];

const wholeOf = (ordered: boolean): Part => (ordered ? WHOLE : WHOLE_WITHOUT_ORDER);

/** A record as the windows of a key take it in. */
export interface DecodedRecord {
  readonly outcome: 'record';
  readonly key: string;
  /** The key, where it is interned. */
  readonly interned?: InternedKey;
  readonly record: KeyRecord;
  /** What it is known by, whatever its position, where its source has an `id`. */
  readonly id?: string | undefined;
}

type GroupContent = DecodedRecord | { readonly outcome: 'poison'; readonly poison: Poison };

/** A record that some windows refused, as it came late for them. */
export interface LateRecord {
  readonly key: string;
  readonly at: EpochMillis;
  readonly lineage: string;
  readonly position: SubPosition;
  /** The watermark of its key when it came. */
  readonly watermark: EpochMillis;
  /** The names of the windows that refused it. */
  readonly windows: readonly string[];
  /** Whether other windows took it. */
  readonly applied: boolean;
}

/** Describes a window's panes to code that reads them and tells them apart. */
export interface GroupLayout extends PaneLayout {
  /** Whether the panes follow the order of the source rather than time. */
  readonly ordered: boolean;
  /**
   * The version of the definition in which the window began if an earlier window had its name, or 0
   * otherwise.
   */
  readonly epoch: number;
}

/** A pane and its key. */
export interface GroupPane extends KeyPane {
  readonly key: string;
  readonly layout: GroupLayout;
}

/** Panes as columns, in which a number stands for a key: its place in `keys`. */
export interface GroupPanes {
  readonly keys: readonly string[];
  readonly layouts: readonly GroupLayout[];
  readonly tables: readonly Table[];
  readonly length: number;
}

/** The result of a fold: the next state of the group, without its ordinal, and what the commit emits. */
export interface Folded {
  readonly positions: Group['positions'];
  readonly inherited: Group['inherited'];
  readonly keys: Group['keys'];
  readonly ids: Group['ids'];
  readonly counters: Counters;
  readonly panes: GroupPanes;
  readonly poison: readonly GroupRecord[];
  readonly late: readonly LateRecord[];
  /** The late records themselves, in the same order. */
  readonly lateRecords: readonly GroupRecord[];
}

/** What a fold of no records emits and lists: nothing. */
export const NOTHING: Pick<Folded, 'panes' | 'poison' | 'late' | 'lateRecords'> = {
  panes: { keys: [], layouts: [], tables: [], length: 0 },
  poison: [],
  late: [],
  lateRecords: [],
};

/** Lists panes in the order in which they were emitted. */
export function listPanes({ keys, layouts, tables }: Omit<GroupPanes, 'length'>): readonly GroupPane[] {
  const layoutOf = new Map(layouts.map((layout) => [layout.name, layout]));
  return readPanes(layouts, tables).map(({ key, pane }) =>
    // The key and the layout are added in place, as copying a pane would take longer than reading it.
    Object.assign(pane, { key: keys[key] as string, layout: layoutOf.get(pane.window) as GroupLayout }),
  );
}

/**
 * Why a record is refused. The reason may quote the record, so it is kept beside the record and nowhere
 * else.
 */
export interface Poison {
  readonly code: PoisonCode;
  readonly reason: string;
}

/** Each code says which part of the definition, or which bound, refuses a record. */
export const POISON_CODES = [
  'no-id',
  'too-large',
  'decode',
  'not-json',
  'too-deep',
  'schema',
  'map',
  'expand',
  'filter',
  'id',
  'key',
  'event-time',
  'future',
  'past',
  'select',
  'fold',
  'no-room',
] as const;

export type PoisonCode = (typeof POISON_CODES)[number];
