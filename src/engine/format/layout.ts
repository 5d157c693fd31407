import type { SubPosition } from '../../core/position.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { GroupLayout } from '../group/group.ts';
import { type Placed, placesOf } from './places.ts';

// These are the places of values in the body of a key group's entry. docs/log-format.md says what each of
// them means.

/** A window as an entry describes it. */
export interface WrittenWindow {
  readonly name: string;
  readonly signature: string;
  /**
   * The version of the definition in which it began, if an earlier version had another window of its name; 0
   * otherwise.
   */
  readonly epoch: number;
  /** How many tables it has for each key. */
  readonly tables: number;
}
export const WINDOW = placesOf<WrittenWindow>()('name', 'signature', 'epoch', 'tables');

/** How far a lineage has been taken in. */
export interface WrittenReached {
  readonly lineage: string;
  readonly position: SubPosition;
  readonly arrival: EpochMillis;
}
export const REACHED = placesOf<WrittenReached>()('lineage', 'position', 'arrival');

/** A group of an earlier generation. */
interface WrittenInherited {
  readonly groups: number;
  readonly group: number;
  readonly positions: readonly Placed<WrittenReached>[];
}
export const INHERITED = placesOf<WrittenInherited>()('groups', 'group', 'positions');

export interface WrittenCounters {
  readonly applied: number;
  readonly lateForAll: number;
  readonly poison: number;
  readonly late: readonly (readonly [window: string, count: number])[];
}
export const COUNTERS = placesOf<WrittenCounters>()('applied', 'lateForAll', 'poison', 'late');

/** A record that was refused. */
interface WrittenRefused {
  readonly lineage: string;
  readonly position: SubPosition;
}
export const REFUSED_RECORD = placesOf<WrittenRefused>()('lineage', 'position');

/** Late records, with a list for each of their fields. */
export interface WrittenLate {
  readonly keys: readonly string[];
  readonly at: readonly EpochMillis[];
  readonly lineages: readonly string[];
  readonly positions: readonly SubPosition[];
  readonly watermarks: readonly EpochMillis[];
  /** The windows that refused each record, as places in `windows`. */
  readonly refusing: readonly (readonly number[])[];
  readonly applied: readonly boolean[];
  /** The names of the windows that refused any of the records. */
  readonly windows: readonly string[];
}
export const LATE = placesOf<WrittenLate>()(
  'keys',
  'at',
  'lineages',
  'positions',
  'watermarks',
  'refusing',
  'applied',
  'windows',
);

/**
 * The plain part of a state.
 *
 * A snapshot says everything. A delta says what differs from the entry before: `changed` and `gone` are
 * places among the names of that entry, and `keys` are the new names.
 */
export interface WrittenState {
  /** The version of the definition. */
  readonly version: number;
  /** The ordinal of the last snapshot, which is its own if it is a snapshot. */
  readonly base: number;
  readonly sealed: boolean;
  readonly windows: readonly Placed<WrittenWindow>[];
  readonly positions: readonly Placed<WrittenReached>[];
  readonly forgotten: readonly string[];
  readonly changed: readonly number[];
  readonly gone: readonly number[];
  readonly keys: readonly string[];
  readonly inherited: readonly Placed<WrittenInherited>[];
  readonly counters: Placed<WrittenCounters>;
  readonly poison: readonly Placed<WrittenRefused>[];
  readonly poisonObject: string | null;
  readonly late: Placed<WrittenLate>;
  /** Whether each time of a key after the first is written as its difference from the first. */
  readonly related: readonly boolean[];
}
export const STATE = placesOf<WrittenState>()(
  'version',
  'base',
  'sealed',
  'windows',
  'positions',
  'forgotten',
  'changed',
  'gone',
  'keys',
  'inherited',
  'counters',
  'poison',
  'poisonObject',
  'late',
  'related',
);

/** What a reader needs to know to read a window's panes. */
interface WrittenLayout extends Pick<GroupLayout, 'name' | 'identity' | 'ordered' | 'epoch' | 'results'> {
  /** Whether watermarks are written as their differences from the ends. */
  readonly related: boolean;
}
export const LAYOUT = placesOf<WrittenLayout>()('name', 'identity', 'ordered', 'epoch', 'results', 'related');

/** The plain part of panes. */
interface WrittenPanes {
  readonly layouts: readonly Placed<WrittenLayout>[];
  readonly keys: readonly string[];
}
export const PANES = placesOf<WrittenPanes>()('layouts', 'keys');
