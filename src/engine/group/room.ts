import type { Table } from '../../core/table.ts';
import { MAX_SECTION_BYTES } from '../../ports/commit-log.ts';
import { LIMITS, type Limits } from '../../ports/limits.ts';
import type { Folded, Group, GroupPanes, LateRecord } from './group.ts';
import { NUMBER_BYTES, rowBytes, TABLE_BYTES, textBytes } from './weight.ts';

/** The bytes that an entry would take up at worst, section by section. */
export interface EntryWeight {
  readonly state: number;
  readonly lists: number;
  readonly panes: number;
}

type Positions = Group['positions'];

/** Weighs the state of a group: its keys, and how far it has taken in its lineages. */
export function stateWeight({
  weight,
  positions,
  inherited,
}: Pick<Group, 'weight' | 'positions' | 'inherited'>): number {
  let bytes = weight.whole + positionsWeight(positions);
  for (const group of inherited) bytes += positionsWeight(group.positions);
  return bytes;
}

/**
 * Returns the share that a group's state has used of the room for new keys. Above 1 the group takes in no
 * record of a new key.
 */
export const roomUsed = (group: Group, { newKeys }: Pick<Limits, 'newKeys'> = LIMITS): number =>
  stateWeight(group) / newKeys;

function positionsWeight(positions: Positions): number {
  let bytes = 0;
  for (const [lineage, { position }] of positions) bytes += lineageWeight(lineage, position);
  return bytes;
}

export const lineageWeight = (lineage: string, position: string): number =>
  3 * NUMBER_BYTES + textBytes(lineage) + textBytes(position);

export function listsWeight({
  late,
  poison,
  counters,
}: Pick<Folded, 'late' | 'poison' | 'counters'>): number {
  let bytes = 0;
  // An entry holds the name of such a window twice: with its count, and beside the records that it refused.
  for (const window of Object.keys(counters.late)) bytes += 2 * (NUMBER_BYTES + textBytes(window));
  for (const record of late) bytes += lateWeight(record);
  for (const { lineage, position } of poison) bytes += lineageWeight(lineage, position);
  return bytes;
}

const lateWeight = ({ key, lineage, position, windows }: LateRecord): number =>
  (4 + windows.length) * NUMBER_BYTES + textBytes(key) + lineageWeight(lineage, position);

/** Weighs the panes of an entry. */
export function panesWeight({ keys, tables }: GroupPanes): number {
  let bytes = 0;
  for (const table of tables) bytes += paneRowsWeight(table, 0, table.rows);
  // An entry names only keys that have panes.
  if (bytes > 0) for (const key of keys) bytes += textBytes(key);
  return bytes;
}

/** Weighs the panes `[from, to)` of one window, without the names of their keys. */
export const paneRowsWeight = (table: Table, from: number, to: number): number =>
  rowBytes(table, from, to) + (to - from) * (TABLE_BYTES + NUMBER_BYTES);

/**
 * Leaves out results for which no entry has room. They are the results of each pane that weighs more than
 * `panes` by itself and, of the panes that are emitted at one instant, the results of the largest until one
 * section holds all of them. In such a pane every result that is not a number becomes null.
 *
 * @returns how many panes lost results
 */
export function leaveOut({ tables }: GroupPanes, { panes: maxPaneBytes }: Limits): number {
  const large = tables
    .flatMap((table) =>
      Array.from({ length: table.plainWidth > 0 ? table.rows : 0 }, (_, row) => ({
        table,
        row,
        weight: paneRowsWeight(table, row, row + 1),
      })),
    )
    .sort((a, b) => b.weight - a.weight);
  let total = tables.reduce((sum, table) => sum + paneRowsWeight(table, 0, table.rows), 0);
  let cutPanes = 0;
  for (const { table, row, weight } of large) {
    if (weight <= maxPaneBytes && total <= MAX_EMITTED) break;
    table.plains.fill(null, row * table.plainWidth, (row + 1) * table.plainWidth);
    total += paneRowsWeight(table, row, row + 1) - weight;
    cutPanes++;
  }
  return cutPanes;
}

/** How much the panes of one instant may weigh: a section, less what is written beside them. */
const MAX_EMITTED = MAX_SECTION_BYTES - 2 * 1_048_576;

/**
 * Tells whether an entry fits its sections. An entry that exceeds the bounds of `Limits` can still be
 * written up to this size.
 */
export const canBeWritten = ({ state, lists, panes }: EntryWeight): boolean =>
  state + lists <= MAX_SECTION_BYTES && panes <= MAX_SECTION_BYTES;
