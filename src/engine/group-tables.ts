import type { Rows } from '../core/codec.ts';
import type { StoredKey } from '../core/key.ts';
import type { Plain } from '../core/plain.ts';
import { Table } from '../core/table.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Group } from './group.ts';
import { ID_WIDTH, REFUSED } from './news.ts';

/** A group's keys as tables: how they stand in an entry, snapshot or delta. */

export type Kept = Pick<Group, 'keys' | 'ids'>;

/** Every name that tables are kept under: the keys, and `REFUSED` last if there are ids under it. */
export const namesOf = ({ keys, ids }: Kept): string[] => [
  ...keys.keys(),
  ...(ids.has(REFUSED) ? [REFUSED] : []),
];

/** The tables of a key: its ids, and those of its windows in the order of the definition. */
export type KeyTables = readonly Table[];

/** How many numbers a key has besides its tables. */
export const TIMES = 3;
export const KEY_BYTES = 9 * TIMES;

/** How many tables of a key come before those of its windows. */
export const OWN_TABLES = 1;

/** The tables of some names: of each slot one a name. */
export function slotsOf({ rules }: Pipeline, { keys, ids }: Kept, names: readonly string[]): Table[][] {
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

export function timesOf({ keys }: Kept, names: readonly string[]): Table {
  const times = new Table(TIMES, 0, names.length);
  times.rows = names.length;
  for (const [row, name] of names.entries()) {
    const stored = keys.get(name);
    if (stored === undefined) continue;
    times.numbers[row * TIMES] = stored.maxEventTime;
    times.numbers[row * TIMES + 1] = stored.lastArrival;
    times.numbers[row * TIMES + 2] = stored.watermark;
  }
  return times;
}

export type Times = Pick<StoredKey, 'maxEventTime' | 'lastArrival' | 'watermark'>;

/** What keys take up at worst, before they are deflated: nine bytes a number, three a character. */
export function mostBytesOf(slots: readonly Rows[]): number {
  let bytes = KEY_BYTES * (slots[0]?.tables.length ?? 0);
  for (const { tables, from, to } of slots) {
    for (let key = 0; key < tables.length; key++) {
      bytes += rowBytes(tables[key] as Table, from[key] as number, to[key] as number);
    }
  }
  return bytes;
}

export function rowBytes({ width, plains, plainWidth }: Table, from: number, to: number): number {
  const bytes = 9 * (to - from) * width;
  return plainWidth === 0 ? bytes : bytes + plainBytes(plains.slice(from * plainWidth, to * plainWidth));
}

function plainBytes(plain: Plain): number {
  if (typeof plain === 'string') return 9 + 3 * plain.length;
  if (typeof plain !== 'object' || plain === null) return 9;
  let bytes = 9;
  if (!Array.isArray(plain)) for (const name of Object.keys(plain)) bytes += plainBytes(name);
  for (const value of Object.values<Plain>(plain)) bytes += plainBytes(value);
  return bytes;
}
