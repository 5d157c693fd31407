import type { KeyRecord, StoredKey } from '../../core/key.ts';
import { type KeyPane, type PaneLayout, readPanes } from '../../core/panes.ts';
import type { SubPosition } from '../../core/position.ts';
import type { Table } from '../../core/table.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { SourceRecord } from '../../ports/source.ts';
import { WEIGHTLESS, type Weight } from './weight.ts';

/** One key group as of one entry of its log. */
export interface Group {
  /** The ordinal of that entry; 0 before the first. */
  readonly ordinal: number;
  readonly committedAt: EpochMillis | undefined;
  /** The version of the definition that it was written by; 0 before the first entry. */
  readonly version: number;
  /** No more entries follow: a later generation has begun with what is here. */
  readonly sealed: boolean;
  /** The last entry that holds the group whole, and what has followed it. */
  readonly base: Base | undefined;
  /** Per lineage of an ordered source, the last record that is in. */
  readonly positions: ReadonlyMap<string, Reached>;
  /** The positions of groups of an earlier generation of which this one took keys over, where it is not past them. */
  readonly inherited: readonly Inherited[];
  readonly keys: ReadonlyMap<string, StoredKey>;
  /** By key, the records of an unordered source that are in; under `REFUSED` those that were refused. */
  readonly ids: ReadonlyMap<string, Table>;
  readonly counters: Counters;
  /** What its keys weigh, and the ids kept with them. */
  readonly weight: Weight;
}

export interface Base {
  readonly ordinal: number;
  readonly committedAt: EpochMillis;
  /** Bytes of the state alone, without the panes beside it. */
  readonly stateBytes: number;
  /** Bytes of all entries since. */
  readonly tailBytes: number;
}

/** How far a lineage is in, and when its last record arrived. */
export interface Reached {
  readonly position: SubPosition;
  readonly arrival: EpochMillis;
}

/** The keys of one group of an earlier generation, and how far its lineages were in. */
export interface Inherited {
  readonly groups: number;
  readonly group: number;
  readonly positions: ReadonlyMap<string, Reached>;
}

/** Records of the group since it began. Each is counted as one of `applied`, `lateForAll` and `poison`. */
export interface Counters {
  /** Those that at least one window took. */
  readonly applied: number;
  /** Those that no window took, as they came late for each. */
  readonly lateForAll: number;
  readonly poison: number;
  /** By the name of a window, those that it refused as late, whether or not others took them; none where it is 0. */
  readonly late: Readonly<Record<string, number>>;
}

const NO_RECORDS: Counters = { applied: 0, lateForAll: 0, poison: 0, late: {} };

/** What some counters come to together. */
export const sumOfCounters = (all: readonly Counters[]): Counters =>
  all.reduce(
    (one, other) => ({
      applied: one.applied + other.applied,
      lateForAll: one.lateForAll + other.lateForAll,
      poison: one.poison + other.poison,
      late: sumOfLate([...Object.entries(one.late), ...Object.entries(other.late)]),
    }),
    NO_RECORDS,
  );

/** Records by the window that refused them. */
export const lateByWindow = (late: readonly Pick<LateRecord, 'windows'>[]): Counters['late'] =>
  sumOfLate(late.flatMap(({ windows }) => windows.map((window) => [window, 1] as const)));

/** Through a map, as a window may have the name of what every object has. */
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
  keys: new Map(),
  ids: new Map(),
  counters: NO_RECORDS,
  weight: WEIGHTLESS,
};

/** A record of one group, for a key's windows or refused: one of the source, or a part of it. */
export interface GroupRecord {
  /** What the source delivered: its bytes are kept if the record is refused, and it comes again if the group stops before it. */
  readonly source: SourceRecord;
  readonly lineage: string;
  readonly position: SubPosition;
  readonly arrival: EpochMillis;
  /** Of its key, or of its partition key where it has none: see `hashOf`. */
  readonly hash: number;
  readonly content:
    | { readonly outcome: 'record'; readonly key: string; readonly record: KeyRecord }
    | { readonly outcome: 'poison'; readonly poison: Poison };
}

/** A record that some windows refused, as it came late for them. */
export interface LateRecord {
  readonly key: string;
  readonly at: EpochMillis;
  readonly lineage: string;
  readonly position: SubPosition;
  /** Its key's watermark when it came. */
  readonly watermark: EpochMillis;
  /** The names of those that refused it. */
  readonly windows: readonly string[];
  /** Whether others took it. */
  readonly applied: boolean;
}

/** What is needed to read a window's panes, and to know them apart. */
export interface GroupLayout extends PaneLayout {
  /** Whether they follow the order of the source rather than time. */
  readonly ordered: boolean;
  /** The version of the definition in which the window began, where another of its name came before it; else 0. */
  readonly epoch: number;
}

/** A pane, and the key it is of. */
export interface GroupPane extends KeyPane {
  readonly key: string;
  readonly layout: GroupLayout;
}

/** The panes of some keys as columns, in which a key is its place in `keys`. */
export interface GroupPanes {
  readonly keys: readonly string[];
  readonly layouts: readonly GroupLayout[];
  readonly tables: readonly Table[];
  readonly length: number;
}

/** What a fold makes of a group: its next state, less the ordinal, and what the commit emits. */
export interface Folded {
  readonly positions: Group['positions'];
  readonly inherited: Group['inherited'];
  readonly keys: Group['keys'];
  readonly ids: Group['ids'];
  readonly counters: Counters;
  readonly panes: GroupPanes;
  readonly poison: readonly GroupRecord[];
  readonly late: readonly LateRecord[];
}

/** What a fold of no records emits and lists. */
export const NOTHING: Pick<Folded, 'panes' | 'poison' | 'late'> = {
  panes: { keys: [], layouts: [], tables: [], length: 0 },
  poison: [],
  late: [],
};

/** The panes one by one, in the order they were emitted in. */
export function listPanes({ keys, layouts, tables }: Omit<GroupPanes, 'length'>): readonly GroupPane[] {
  const layoutOf = new Map(layouts.map((layout) => [layout.name, layout]));
  return readPanes(layouts, tables).map(({ key, pane }) =>
    // A copy of each would take longer than reading it does.
    Object.assign(pane, { key: keys[key] as string, layout: layoutOf.get(pane.window) as GroupLayout }),
  );
}

/** Why a record is refused. The reason may quote the record: it is kept beside the record, and nowhere else. */
export interface Poison {
  readonly code: PoisonCode;
  readonly reason: string;
}

export type PoisonCode =
  | 'too-large'
  | 'not-json'
  | 'too-deep'
  | 'schema'
  | 'map'
  | 'expand'
  | 'filter'
  | 'key'
  | 'event-time'
  | 'future'
  | 'select'
  | 'fold'
  | 'no-room';
