import { Table } from '../../core/table.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Group } from '../group/group.ts';
import { ID_WIDTH, REFUSED } from '../group/taken.ts';
import { TIMES } from '../group/weight.ts';

/** A group's keys as tables: how they stand in an entry, snapshot or delta. */

export type KeysAndIds = Pick<Group, 'keys' | 'ids'>;

/** Returns every name under which tables are kept: the keys, and `REFUSED` last if there are ids under it. */
export const namesOf = ({ keys, ids }: KeysAndIds): string[] => [
  ...keys.keys(),
  ...(ids.has(REFUSED) ? [REFUSED] : []),
];

/** The tables of a key: its ids, and those of its windows in the order of the definition. */
export type KeyTables = readonly Table[];

/** How many tables of a key come before those of its windows. */
export const OWN_TABLES = 1;

/** Returns the tables of some names by slot: a slot has one table for each name. */
export function slotsOf({ rules }: Pipeline, { keys, ids }: KeysAndIds, names: readonly string[]): Table[][] {
  const noIds = new Table(ID_WIDTH, 0);
  const stored = names.map((name) => keys.get(name));
  const windows = rules.windows.flatMap(({ operator }, window) =>
    operator.layout.map(({ width, plainWidth }, table) => {
      const none = new Table(width, plainWidth);
      return stored.map((key) => key?.windows[window]?.[table] ?? none);
    }),
  );
  return [names.map((name) => ids.get(name) ?? noIds), ...windows];
}

export function timesOf({ keys }: KeysAndIds, names: readonly string[]): Table {
  const times = new Table(TIMES, 0, names.length);
  times.rows = names.length;
  for (let row = 0; row < names.length; row++) {
    const stored = keys.get(names[row] as string);
    if (stored === undefined) continue;
    times.numbers[row * TIMES] = stored.maxEventTime;
    times.numbers[row * TIMES + 1] = stored.lastArrival;
    times.numbers[row * TIMES + 2] = stored.watermark;
  }
  return times;
}
