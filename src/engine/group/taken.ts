import { loggable } from '../../core/loggable.ts';
import { isAfter, type SubPosition } from '../../core/position.ts';
import { Table } from '../../core/table.ts';
import { after, type EpochMillis, isoTime } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Limits } from '../../ports/limits.ts';
import type { Group, GroupRecord, Inherited } from './group.ts';
import { groupOf } from './key-group.ts';
import { type Digest, ID_WIDTH, idDigest, KnownIds } from './known-ids.ts';
import { lineageWeight, stateWeight } from './room.ts';

/**
 * Returns the records that a group has not taken in yet, each of them once.
 *
 * @throws RangeError when the source was made again, so that its records would be taken for earlier ones
 */
export function newsOf(
  { source }: Pipeline,
  group: Group,
  records: readonly GroupRecord[],
): readonly GroupRecord[] {
  if (!source.lineage.ordered) return unseen(group, records);
  let lineage: string | undefined;
  let last: GroupRecord | undefined;
  let committed: SubPosition | undefined;
  const reached = new Map<string, GroupRecord | undefined>();
  const isNew = (record: GroupRecord): boolean => {
    if (record.lineage !== lineage) {
      if (lineage !== undefined) reached.set(lineage, last);
      lineage = record.lineage;
      last = reached.get(lineage);
      committed = group.positions.get(lineage)?.position;
    }
    const follows = last
      ? isBehind(record, last)
      : committed === undefined || isAfter(record.position, committed);
    if (!follows) return false;
    last = record;
    return group.inherited.length === 0 || !isInherited(group.inherited, record);
  };
  // Mostly all are new.
  let met = 0;
  while (met < records.length && isNew(records[met] as GroupRecord)) met++;
  if (met === records.length) return records;
  const news = records.slice(0, met);
  for (met++; met < records.length; met++) {
    const record = records[met] as GroupRecord;
    if (isNew(record)) news.push(record);
  }
  if (source.lineage.beginsAnew) {
    const taken = new Set(news);
    for (const record of records) if (!taken.has(record)) checkCameBefore(group, record);
  }
  return news;
}

/**
 * Checks that a record which seems to be in has come before, and is no record of a source that was made again.
 * What comes again came when it came first. So a record that came later than every record that is in, although
 * it stands before the last one, has taken the place of another.
 *
 * @throws RangeError when the record came later than all that are in
 */
function checkCameBefore({ positions, inherited }: Group, record: GroupRecord): void {
  const { lineage, position, arrival } = record;
  const reached = [positions, ...inherited.map((part) => part.positions)]
    .flatMap((positions) => positions.get(lineage) ?? [])
    .filter((place) => !isAfter(position, place.position));
  const latest = Math.max(...reached.map((place) => place.arrival));
  if (reached.length === 0 || arrival <= latest) return;
  throw loggable(
    new RangeError(
      `Cannot take records of ${lineage} in as what comes again must have come before: the one at ${record.source.position} came at ${isoTime(arrival)}, and all that are in, up to there and beyond, by ${isoTime(latest as EpochMillis)}, so the source was made again under its name; give the source, or the pipeline, another name`,
    ),
  );
}

/** Says whether a record stands after another of the same lineage, without making their sub-positions. */
const isBehind = (a: GroupRecord, b: GroupRecord): boolean =>
  isAfter(a.source.position, b.source.position) ||
  (a.source.position === b.source.position &&
    (a.member > b.member || (a.member === b.member && a.child > b.child)));

/** Tells whether a group of an earlier generation, from which keys were taken over, took the record in. */
function isInherited(
  inherited: readonly Inherited[],
  { lineage, position, hash }: Pick<GroupRecord, 'lineage' | 'position' | 'hash'>,
): boolean {
  for (const { groups, group, positions } of inherited) {
    const last = positions.get(lineage)?.position;
    if (last !== undefined && groupOf(hash, groups) === group && !isAfter(position, last)) return true;
  }
  return false;
}

/**
 * Tells whether records may still come that a group of an earlier generation took in, although the present
 * positions do not say so.
 *
 * @param reached the positions of the group that took its keys over
 */
export const isAhead = ({ positions }: Pick<Inherited, 'positions'>, reached: Group['positions']): boolean =>
  [...positions].some(([lineage, { position }]) => {
    const last = reached.get(lineage)?.position;
    return last === undefined || isAfter(position, last);
  });

/**
 * Returns how far a group has taken in its lineages once it has taken in records, which are in order within
 * each lineage.
 */
export function reachedBy(
  { lineage: { beginsAnew } }: Pipeline['source'],
  { positions, inherited }: Group,
  records: readonly GroupRecord[],
): Group['positions'] {
  const reached = new Map(positions);
  const latestIn = (lineage: string): number =>
    Math.max(
      ...[reached, ...inherited.map((part) => part.positions)].map(
        (positions) => positions.get(lineage)?.arrival ?? Number.NEGATIVE_INFINITY,
      ),
    );
  let latest = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < records.length; at++) {
    const record = records[at] as GroupRecord;
    const { lineage, arrival } = record;
    if (beginsAnew) latest = Math.max(latest, arrival);
    if (records[at + 1]?.lineage === lineage) continue;
    const { position } = record;
    const arrived = beginsAnew ? Math.max(latest, latestIn(lineage)) : arrival;
    reached.set(lineage, { position, arrival: arrived as EpochMillis });
    latest = Number.NEGATIVE_INFINITY;
  }
  return reached;
}

/**
 * Parts records from those for which a group has no room, as they are of lineages that it does not hold.
 *
 * A stream's shards and a topic's partitions always have room. Message groups may be of any number, and a
 * group could not tell which records of a lineage that it does not hold were refused. So the source keeps
 * such records until there is room or the source gives up.
 */
export function withoutRoom(
  group: Group,
  records: readonly GroupRecord[],
  { lineages, newKeys }: Limits,
): { readonly admitted: readonly GroupRecord[]; readonly crowdedOut: readonly GroupRecord[] } {
  let count = group.positions.size;
  if (count + records.length <= lineages) return { admitted: records, crowdedOut: [] };
  let weight = stateWeight(group);
  const met = new Map<string, boolean>();
  const hasRoom = ({ lineage, position }: GroupRecord): boolean => {
    const decided = group.positions.has(lineage) ? true : met.get(lineage);
    if (decided !== undefined) return decided;
    const isIn = count < lineages || weight < newKeys;
    met.set(lineage, isIn);
    if (isIn) {
      count++;
      weight += lineageWeight(lineage, position);
    }
    return isIn;
  };
  const admitted = records.filter(hasRoom);
  const isAll = admitted.length === records.length;
  return { admitted, crowdedOut: isAll ? [] : records.filter((record) => !hasRoom(record)) };
}

/** The lineage of all records that are redriven. No source's lineage has this name, as it has a colon. */
export const REDRIVE_LINEAGE = 'redrive:';

/**
 * Returns how far a group has taken in its lineages, without the lineages whose records the source no
 * longer keeps. A redrive that was killed may be taken up long after that, so its lineage always stays.
 */
export function withoutOld(
  { positions, inherited }: Pick<Group, 'positions' | 'inherited'>,
  { source }: Pipeline,
  now: EpochMillis,
): Pick<Group, 'positions' | 'inherited'> {
  const { retention } = source.lineage;
  if (retention === undefined) return { positions, inherited };
  const young = (all: Group['positions']): Group['positions'] => {
    const kept = [...all].filter(
      ([lineage, { arrival }]) => lineage === REDRIVE_LINEAGE || after(arrival, retention) > now,
    );
    return kept.length === all.size ? all : new Map(kept);
  };
  return {
    positions: young(positions),
    inherited: inherited
      .map((part) => ({ ...part, positions: young(part.positions) }))
      .filter((part) => part.positions.size > 0),
  };
}

/** The name under which a group keeps the ids of the records that it refused. No key has this name. */
export const REFUSED = '';

/** Returns the digest of a record's own id. No place has the same text, as no lineage is empty. */
const ownIdOf = ({ content }: GroupRecord): Digest | undefined =>
  content.outcome === 'record' && content.id !== undefined ? idDigest(`\n${content.id}`) : undefined;

/** Says whether groups keep the ids of the records that they take in. */
export const keepsIds = ({ source }: Pipeline): boolean =>
  !source.lineage.ordered || source.identity !== undefined;

/**
 * Returns the records of an unordered source that are not in. A record that was refused is known by its place
 * alone: once it is sent again, it may be taken in. A record that was taken in before its source had an `id`
 * is known by its place, too.
 *
 * Records of one id in these records all remain: the fold tells whether the first of them is taken in.
 */
function unseen({ ids }: Group, records: readonly GroupRecord[]): readonly GroupRecord[] {
  const seen = new Map<string, KnownIds>();
  const seenOf = (name: string): KnownIds => {
    const known = seen.get(name);
    if (known !== undefined) return known;
    const made = new KnownIds(ids.get(name));
    seen.set(name, made);
    return made;
  };
  const refused = seenOf(REFUSED);
  return records.filter((record) => {
    const { placeDigest } = record;
    const taken = record.content.outcome === 'record' ? seenOf(record.content.key) : refused;
    if (taken.has(placeDigest) || refused.has(placeDigest)) return false;
    const ownId = ownIdOf(record);
    if (ownId !== undefined && taken.has(ownId)) return false;
    taken.add(placeDigest, Number.POSITIVE_INFINITY);
    return true;
  });
}

/**
 * Describes the ids that a group remembers of a key's records: how many there are, and the watermarks from
 * which on the first and the last of them are forgotten. It returns undefined where there are none.
 */
export function rememberedOf({ ids }: Pick<Group, 'ids'>, key: string) {
  const table = ids.get(key);
  if (table === undefined || table.rows === 0) return undefined;
  const untilOf = (row: number) => table.numbers[row * ID_WIDTH] as EpochMillis;
  return { count: table.rows, first: untilOf(0), last: untilOf(table.rows - 1) };
}

/**
 * Returns ids without those of names that are forgotten, and under others without those that are not needed any more.
 *
 * @param passed by name, from when on ids are not needed
 */
export const withoutPassed = (
  ids: Group['ids'],
  forgotten: ReadonlySet<string>,
  passed: readonly (readonly [name: string, passed: number])[],
): Group['ids'] =>
  replaced(ids, [
    ...[...forgotten].map((name) => [name, undefined] as const),
    ...passed.map(([name, passed]) => [name, withAdded(ids.get(name), [], passed)] as const),
  ]);

/** Returns ids of which some names have other tables. A name without any is left out. */
function replaced(
  ids: Group['ids'],
  tables: readonly (readonly [name: string, table: Table | undefined])[],
): Group['ids'] {
  const changed = new Map<string, Table>();
  const gone = new Set<string>();
  for (const [name, table] of tables) {
    if (table === ids.get(name)) continue;
    if (table === undefined) gone.add(name);
    else changed.set(name, table);
  }
  return ids.without(gone).with(changed);
}

/**
 * Returns the ids of a table, of which those that become unneeded first stand first, and those that are added, in the same
 * order, without those that are not needed from `passed` on. It returns undefined where none are left, and the table
 * itself where it stays as it is.
 *
 * @param added rows of ids, in the order in which they came
 */
function withAdded(table: Table | undefined, added: readonly Row[], passed: number): Table | undefined {
  const rows = table?.rows ?? 0;
  const isNeeded = (until: number | undefined): boolean => (until as number) > passed;
  let row = 0;
  while (row < rows && !isNeeded(table?.numbers[row * ID_WIDTH])) row++;
  const news = added.filter(([until]) => isNeeded(until)).sort(([a], [b]) => a - b);
  if (row === 0 && news.length === 0 && rows > 0) return table;
  return rows - row + news.length > 0 ? merged(table ?? NONE, row, news) : undefined;
}

/** Returns the ids of a table from a row on, and others, in the order of the times from which they are not needed. */
function merged(table: Table, from: number, others: readonly Row[]): Table {
  const result = table.tracked();
  result.remove(0, from);
  const { rows } = result;
  const [first] = others[0] ?? AT_THE_END;
  let row = rows;
  while (row > 0 && (result.numbers[(row - 1) * ID_WIDTH] as number) > first) row--;
  result.touch(row);
  result.rows = row;
  const behind = result.numbers.slice(row * ID_WIDTH, rows * ID_WIDTH);
  let place = 0;
  for (let at = 0; at <= others.length; at++) {
    const [until, high, low] = others[at] ?? AT_THE_END;
    for (; place < behind.length && (behind[place] as number) <= until; place += ID_WIDTH)
      result.pushNumbers(behind[place] as number, behind[place + 1] as number, behind[place + 2] as number);
    if (at < others.length) result.pushNumbers(until, high, low);
  }
  return result;
}

const NONE = new Table(ID_WIDTH, 0);
const AT_THE_END: Row = [Number.POSITIVE_INFINITY, 0, 0];

/** Joins tables of ids, with each row once. */
export const joinedIds = (tables: readonly Table[]): Table =>
  withAdded(
    undefined,
    [...new Map(tables.flatMap(rowsOf).map((row) => [row.join(), row])).values()],
    Number.NEGATIVE_INFINITY,
  ) ?? new Table(ID_WIDTH, 0);

type Row = readonly [until: number, ...Digest];

const rowsOf = ({ numbers, rows }: Table): Row[] =>
  Array.from({ length: rows }, (_, row) => numbers.slice(row * ID_WIDTH, (row + 1) * ID_WIDTH) as never);

/** What is collected of the ids under one name. */
class Collected {
  readonly added: Row[] = [];
  /** Those that are in, once they were asked for. */
  known: KnownIds | undefined;
  /** From when on ids are not needed. */
  passed = Number.NEGATIVE_INFINITY;
  /** Whether its key begins anew, so that none of those before is known. */
  isAnew = false;
}

/**
 * Collects the ids of records while a batch is folded. Of each key it keeps the records that a window could
 * still take in again, and of an unordered source's refused records all that the source could deliver again.
 */
export class TakenIds {
  readonly #pipeline: Pipeline;
  readonly #before: Group['ids'];
  readonly #maxRefused: number;
  readonly #collected = new Map<string, Collected>();

  /** @param maxRefused how many ids of refused records are kept: those that came last */
  constructor(pipeline: Pipeline, before: Group['ids'], maxRefused: number) {
    this.#pipeline = pipeline;
    this.#before = before;
    this.#maxRefused = maxRefused;
  }

  /**
   * Says whether a record of the same key and id is in, and still known at the watermark that its arrival brings.
   * Its place says nothing of that.
   */
  isRepeated(record: GroupRecord, key: string, watermark: EpochMillis): boolean {
    const ownId = ownIdOf(record);
    const until = ownId && this.#knownOf(key).untilOf(ownId);
    return until !== undefined && until > watermark;
  }

  /**
   * Lets go of a key's ids, as the key begins anew: its watermark falls, and none of them may be known again. A
   * sweep that came by in between would have forgotten them with the key. Without order they stay for as long as
   * they can, as nothing else tells records that come again.
   */
  beginAnew(key: string): void {
    if (!this.#pipeline.source.lineage.ordered) return;
    const anew = new Collected();
    anew.isAnew = true;
    this.#collected.set(key, anew);
  }

  /** @param watermark that of its key once the record is taken in */
  take(record: GroupRecord, key: string, at: EpochMillis, watermark: EpochMillis): void {
    const { rules, idWithin } = this.#pipeline;
    let last = Number.NEGATIVE_INFINITY;
    for (const { operator } of rules.windows) {
      const refusedFrom = operator.refusedFrom(at);
      const until =
        refusedFrom === Number.POSITIVE_INFINITY ? Math.max(at, watermark) + idWithin : refusedFrom;
      if (until > last) last = until;
    }
    const ownId = ownIdOf(record);
    if (ownId) this.#knownOf(key).set(ownId, last);
    this.#of(key).added.push([last, ...(ownId ?? record.placeDigest)]);
  }

  /** A record of an ordered source needs no id for that, as its position tells it when it comes again. */
  refuse(record: GroupRecord): void {
    const { ordered, retention } = this.#pipeline.source.lineage;
    if (ordered) return;
    const refused = this.#of(REFUSED);
    const until = record.arrival + (retention ?? Number.POSITIVE_INFINITY);
    refused.added.push([until, ...record.placeDigest]);
    refused.passed = Math.max(record.arrival, refused.passed);
  }

  /** Allows the ids of a key to be dropped that are not needed from `until` on. */
  forget(key: string, until: number): void {
    this.#of(key).passed = until;
  }

  taken(): Group['ids'] {
    const before = this.#before;
    const tables = new Map<string, Table | undefined>();
    for (const [name, { added, passed, isAnew }] of this.#collected)
      tables.set(name, withAdded(isAnew ? undefined : before.get(name), added, passed));
    const refused = tables.has(REFUSED) ? tables.get(REFUSED) : before.get(REFUSED);
    if (refused && refused.rows > this.#maxRefused)
      tables.set(REFUSED, merged(refused, refused.rows - this.#maxRefused, []));
    return replaced(before, [...tables]);
  }

  #of(name: string): Collected {
    const collected = this.#collected.get(name);
    if (collected !== undefined) return collected;
    const made = new Collected();
    this.#collected.set(name, made);
    return made;
  }

  #knownOf(key: string): KnownIds {
    const collected = this.#of(key);
    collected.known ??= new KnownIds(collected.isAnew ? undefined : this.#before.get(key));
    return collected.known;
  }
}
