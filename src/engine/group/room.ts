import type { Table } from '../../core/table.ts';
import { MAX_SECTION_BYTES } from '../../ports/commit-log.ts';
import { LIMITS, type Limits } from '../../ports/limits.ts';
import type { Folded, Group, GroupPanes, LateRecord } from './group.ts';
import { NUMBER_BYTES, rowBytes, TABLE_BYTES, textBytes } from './weight.ts';

/** What an entry would weigh, section by section. */
export interface EntryWeight {
  readonly state: number;
  readonly lists: number;
  readonly panes: number;
}

type Positions = Group['positions'];

/** What the state of a group weighs: that of its keys, and how far its lineages are in. */
export function stateWeight({
  weight,
  positions,
  inherited,
}: Pick<Group, 'weight' | 'positions' | 'inherited'>): number {
  let bytes = weight.whole + positionsWeight(positions);
  for (const { positions: own } of inherited) bytes += positionsWeight(own);
  return bytes;
}

/** The share that a group has used of the room in which records of new keys are taken in: above 1 they are not. */
export const roomUsed = (group: Group): number => stateWeight(group) / LIMITS.newKeys;

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
  // Once by its count, and once beside the records that it refused.
  for (const window of Object.keys(counters.late)) bytes += 2 * (NUMBER_BYTES + textBytes(window));
  for (const one of late) bytes += lateWeight(one);
  for (const { lineage, position } of poison) bytes += lineageWeight(lineage, position);
  return bytes;
}

const lateWeight = ({ key, lineage, position, windows }: LateRecord): number =>
  (4 + windows.length) * NUMBER_BYTES + textBytes(key) + lineageWeight(lineage, position);

/** What the panes of an entry weigh. */
export function panesWeight({ keys, tables }: GroupPanes): number {
  let bytes = 0;
  for (const table of tables) bytes += paneRowsWeight(table, 0, table.rows);
  // Only keys that have panes are named.
  if (bytes > 0) for (const key of keys) bytes += textBytes(key);
  return bytes;
}

/** What some panes of one window weigh, without the names of their keys. */
export const paneRowsWeight = (table: Table, from: number, to: number): number =>
  rowBytes(table, from, to) + (to - from) * (TABLE_BYTES + NUMBER_BYTES);

/**
 * Leaves results out that no entry has room for: those of each pane that weighs more than `panes` by itself, and of what is
 * emitted at one instant the largest, until a section holds it. Such a pane has null for every result that is not a number.
 *
 * @returns of how many panes
 */
export function leaveOut({ tables }: GroupPanes, { panes: most }: Limits): number {
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
  let left = 0;
  for (const { table, row, weight } of large) {
    if (weight <= most && total <= MAX_EMITTED) break;
    table.plains.fill(null, row * table.plainWidth, (row + 1) * table.plainWidth);
    total += paneRowsWeight(table, row, row + 1) - weight;
    left++;
  }
  return left;
}

/** What panes of one instant may weigh, less what is written beside them. */
const MAX_EMITTED = MAX_SECTION_BYTES - 2 * 1_048_576;

/** A state that is within no bound of ours can still be written up to here. */
export const canBeWritten = ({ state, lists, panes }: EntryWeight): boolean =>
  state + lists <= MAX_SECTION_BYTES && panes <= MAX_SECTION_BYTES;
