import type { StoredKey } from '../../core/key.ts';
import { Table } from '../../core/table.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Group } from '../group/group.ts';
import { ID_WIDTH } from '../group/known-ids.ts';
import { firstWith } from '../group/packed-keys.ts';
import { REFUSED } from '../group/taken.ts';
import { TIMES } from '../group/weight.ts';

/** A group's keys as tables: how they stand in an entry, snapshot or delta. */

export type KeysAndIds = Pick<Group, 'keys' | 'ids'>;

/** Returns every name under which tables are kept: the keys, and `REFUSED` last if there are ids under it. */
export const namesOf = ({ keys, ids }: KeysAndIds): string[] => [
  ...keys.keys(),
  ...(ids.has(REFUSED) ? [REFUSED] : []),
];

/**
 * The tables of a key: its ids; with which window each window keeps its slices; and the tables of its windows in the order
 * of the definition. Slices that several windows keep together stand with the first of them.
 */
export type KeyTables = readonly Table[];

/** How many tables of a key come before those of its windows. */
export const OWN_TABLES = 2;

/** No window keeps its slices with another one. */
const NONE_SHARED = new Table(1, 0);

/**
 * Returns with which window each window of a key keeps its slices: a row for each, the place of the first window that has
 * them. Where no window keeps them with another one, there are no rows.
 *
 * @param likely the answer for another key, which is returned where it is the same
 */
export function sharingOf(windows: StoredKey['windows'], likely = NONE_SHARED): Table {
  let isShared = false;
  let isLikely = likely.rows === windows.length;
  for (let window = 0; window < windows.length; window++) {
    const first = firstWith(windows, window);
    if (first < window) isShared = true;
    if (likely.numbers[window] !== first) isLikely = false;
  }
  if (!isShared) return NONE_SHARED;
  if (isLikely) return likely;
  const sharing = new Table(1, 0, windows.length);
  for (let window = 0; window < windows.length; window++) sharing.pushNumbers(firstWith(windows, window));
  return sharing;
}

/** Says whether the slices of a window stand with a window before it. */
export const areElsewhere = (sharing: Table, window: number): boolean =>
  sharing.rows > 0 && sharing.numbers[window] !== window;

/** What is kept under some names, in their order. */
export interface Stored {
  readonly keys: readonly (StoredKey | undefined)[];
  readonly ids: readonly (Table | undefined)[];
}

/** Returns what is kept under some names. */
export const storedUnder = ({ keys, ids }: KeysAndIds, names: readonly string[]): Stored => ({
  keys: names.map((name) => keys.get(name)),
  ids: names.map((name) => ids.get(name)),
});

/** Returns the tables of some names by slot: a slot has one table for each name. */
export function slotsOf({ rules }: Pipeline, { keys, ids }: Stored): Table[][] {
  const nothing = rules.windows.map(({ operator }) =>
    operator.layout.map(({ width, plainWidth }) => new Table(width, plainWidth)),
  );
  const slots = nothing.flat().map(() => new Array<Table>(keys.length));
  const sharings = new Array<Table>(keys.length);
  // Key by key, as the tables of one are near each other in memory.
  for (let row = 0; row < keys.length; row++) {
    const stored = keys[row]?.windows;
    const sharing = sharingOf(stored ?? [], sharings[row - 1]);
    sharings[row] = sharing;
    for (let window = 0, slot = 0; window < nothing.length; window++) {
      const none = nothing[window] as readonly Table[];
      const tables = stored?.[window] ?? none;
      const first = slot;
      for (let table = 0; table < none.length; table++, slot++) {
        (slots[slot] as Table[])[row] = tables[table] ?? (none[table] as Table);
      }
      if (areElsewhere(sharing, window)) (slots[first] as Table[])[row] = none[0] as Table;
    }
  }
  return [ids.map((table) => table ?? NO_IDS), sharings, ...slots];
}

const NO_IDS = new Table(ID_WIDTH, 0);

export function timesOf({ keys }: Stored): Table {
  const times = new Table(TIMES, 0, keys.length);
  times.rows = keys.length;
  for (let row = 0; row < keys.length; row++) {
    const stored = keys[row];
    if (stored === undefined) continue;
    times.numbers[row * TIMES] = stored.maxEventTime;
    times.numbers[row * TIMES + 1] = stored.lastArrival;
    times.numbers[row * TIMES + 2] = stored.watermark;
  }
  return times;
}
