import { createHash } from 'node:crypto';
import { isAfter, type SubPosition } from '../../core/position.ts';
import { Table } from '../../core/table.ts';
import { after, type EpochMillis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Limits } from '../../ports/limits.ts';
import type { Group, GroupRecord, Inherited } from './group.ts';
import { groupOf } from './key-group.ts';
import { lineageWeight, stateWeight } from './room.ts';

/** Which records of a source a group has taken in already. */

/** The records that a group has not taken in, each once. */
export function newsOf(
  { source }: Pipeline,
  group: Group,
  records: readonly GroupRecord[],
): readonly GroupRecord[] {
  if (!source.lineage.ordered) return unseen(group, records);
  let lineage: string | undefined;
  let last: SubPosition | undefined;
  const reached = new Map<string, SubPosition | undefined>();
  return records.filter((one) => {
    if (one.lineage !== lineage) {
      if (lineage !== undefined) reached.set(lineage, last);
      lineage = one.lineage;
      last = reached.get(lineage) ?? group.positions.get(lineage)?.position;
    }
    if (last !== undefined && !isAfter(one.position, last)) return false;
    last = one.position;
    return !isInherited(group.inherited, one);
  });
}

/** Whether one of some groups of an earlier generation took the record in. */
function isInherited(inherited: readonly Inherited[], { lineage, position, hash }: GroupRecord): boolean {
  for (const { groups, group, positions } of inherited) {
    const last = positions.get(lineage)?.position;
    if (last !== undefined && groupOf(hash, groups) === group && !isAfter(position, last)) return true;
  }
  return false;
}

/** Whether records may still come that a group of an earlier generation took in, and the present positions do not say so. */
export const isAhead = ({ positions }: Pick<Inherited, 'positions'>, own: Group['positions']): boolean =>
  [...positions].some(([lineage, { position }]) => {
    const last = own.get(lineage)?.position;
    return last === undefined || isAfter(position, last);
  });

/** How far a group's lineages are in once it has taken in records, which are in order in each. */
export function reachedBy({ positions }: Group, records: readonly GroupRecord[]): Group['positions'] {
  const reached = new Map(positions);
  for (let at = 0; at < records.length; at++) {
    const { lineage, position, arrival } = records[at] as GroupRecord;
    if (records[at + 1]?.lineage !== lineage) reached.set(lineage, { position, arrival });
  }
  return reached;
}

/**
 * The records that a group has no room for as they are of lineages that it does not know, and the others. Lineages are a stream's
 * shards or a topic's partitions, and always have room; message groups there may be any number of, and what is refused of one
 * could not be told from what is not. So its source keeps it, until there is room or it gives up.
 */
export function withoutRoom(
  group: Group,
  records: readonly GroupRecord[],
  { lineages, newKeys }: Limits,
): { readonly others: readonly GroupRecord[]; readonly left: readonly GroupRecord[] } {
  let known = group.positions.size;
  if (known + records.length <= lineages) return { others: records, left: [] };
  let weight = stateWeight(group);
  const met = new Map<string, boolean>();
  const hasRoom = ({ lineage, position }: GroupRecord): boolean => {
    const told = group.positions.has(lineage) ? true : met.get(lineage);
    if (told !== undefined) return told;
    const isIn = known < lineages || weight < newKeys;
    met.set(lineage, isIn);
    if (isIn) {
      known++;
      weight += lineageWeight(lineage, position);
    }
    return isIn;
  };
  const others = records.filter(hasRoom);
  return { others, left: others.length === records.length ? [] : records.filter((one) => !hasRoom(one)) };
}

/** How far a group is in, less the lineages whose records the source no longer has. */
export function withoutOld(
  { positions, inherited }: Pick<Group, 'positions' | 'inherited'>,
  { source }: Pipeline,
  now: EpochMillis,
): Pick<Group, 'positions' | 'inherited'> {
  const { retention } = source.lineage;
  if (retention === undefined) return { positions, inherited };
  const young = (all: Group['positions']): Group['positions'] => {
    const kept = [...all].filter(([, { arrival }]) => after(arrival, retention) > now);
    return kept.length === all.size ? all : new Map(kept);
  };
  return {
    positions: young(positions),
    inherited: inherited
      .map((one) => ({ ...one, positions: young(one.positions) }))
      .filter((one) => one.positions.size > 0),
  };
}

/** The name, which no key has, under which a group keeps the ids of records that it refused. */
export const REFUSED = '';

/** A row of ids: from when on the id is not needed (a watermark, of those refused an arrival), and 96 bits of its MD5. */
export const ID_WIDTH = 3;

type Digest = readonly [high: number, low: number];

function digestOf({ lineage, position }: GroupRecord): Digest {
  const digest = createHash('md5').update(`${lineage}\n${position}`).digest();
  return [digest.readUIntBE(0, 6), digest.readUIntBE(6, 6)];
}

function unseen({ ids }: Group, records: readonly GroupRecord[]): readonly GroupRecord[] {
  const seen = new Map<string, Set<string>>();
  const seenOf = (name: string): Set<string> => {
    const known = seen.get(name) ?? new Set(rowsOf(ids.get(name)).map(([, ...digest]) => digest.join()));
    seen.set(name, known);
    return known;
  };
  return records.filter((one) => {
    const digest = digestOf(one).join();
    const refused = seenOf(REFUSED);
    const own = one.content.outcome === 'record' ? seenOf(one.content.key) : refused;
    if (own.has(digest) || refused.has(digest)) return false;
    own.add(digest);
    return true;
  });
}

const rowsOf = (table: Table | undefined): number[][] =>
  Array.from({ length: table?.rows ?? 0 }, (_, row) => [
    ...(table as Table).numbers.subarray(row * ID_WIDTH, (row + 1) * ID_WIDTH),
  ]);

/** Those that are not needed soonest stand first. */
function tableOf(rows: readonly (readonly number[])[]): Table {
  const table = new Table(ID_WIDTH, 0, rows.length);
  for (const row of rows.toSorted(([a], [b]) => (a as number) - (b as number))) table.pushNumbers(...row);
  return table;
}

/** Lets the ids of a name go that are not needed from `passed` on. */
export function forgetPassed(ids: Map<string, Table>, name: string, passed: number): void {
  const rows = rowsOf(ids.get(name));
  const kept = rows.filter(([until]) => (until as number) > passed);
  if (kept.length === 0) ids.delete(name);
  else if (kept.length < rows.length) ids.set(name, tableOf(kept));
}

/** All rows of some tables, each once. */
export const joinedIds = (tables: readonly Table[]): Table =>
  tableOf([...new Map(tables.flatMap(rowsOf).map((row) => [row.join(), row])).values()]);

/**
 * The ids of records of a source without order, while a batch is folded: of each key those that a window could still take
 * in again, and of those refused all that the source could deliver again.
 */
export class TakenIds {
  readonly #pipeline: Pipeline;
  readonly #before: Group['ids'];
  readonly #mostRefused: number;
  readonly #added = new Map<string, (readonly [until: number, ...Digest])[]>();
  readonly #forgotten = new Map<string, number>();

  /** @param mostRefused how many ids of refused records are kept: those that came last */
  constructor(pipeline: Pipeline, before: Group['ids'], mostRefused: number) {
    this.#pipeline = pipeline;
    this.#before = before;
    this.#mostRefused = mostRefused;
  }

  take(record: GroupRecord, key: string, at: EpochMillis): void {
    const { windows } = this.#pipeline.rules;
    this.#add(key, Math.max(...windows.map(({ operator }) => operator.refusedFrom(at))), record);
  }

  refuse(record: GroupRecord): void {
    const { retention } = this.#pipeline.source.lineage;
    this.#add(REFUSED, record.arrival + (retention ?? Number.POSITIVE_INFINITY), record);
    this.forget(REFUSED, Math.max(record.arrival, this.#forgotten.get(REFUSED) ?? Number.NEGATIVE_INFINITY));
  }

  /** The ids of a key that are not needed from `until` on, or earlier, may go. */
  forget(key: string, until: number): void {
    this.#forgotten.set(key, until);
  }

  taken(): Group['ids'] {
    const ids = new Map(this.#before);
    for (const [key, added] of this.#added) ids.set(key, tableOf([...rowsOf(ids.get(key)), ...added]));
    for (const [key, passed] of this.#forgotten) forgetPassed(ids, key, passed);
    const refused = ids.get(REFUSED);
    if (refused && refused.rows > this.#mostRefused) {
      ids.set(REFUSED, tableOf(rowsOf(refused).slice(-this.#mostRefused)));
    }
    return ids;
  }

  #add(key: string, until: number, record: GroupRecord): void {
    const added = this.#added.get(key) ?? [];
    this.#added.set(key, added);
    added.push([until, ...digestOf(record)]);
  }
}
