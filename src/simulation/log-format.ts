import { isAfter, type SubPosition } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import { decodeLedger, decodePanes } from '../engine/format/entry.ts';
import { unpack } from '../engine/format/packed.ts';
import { readGroup } from '../engine/format/read-group.ts';
import { firstDeployment } from '../engine/group/deployment.ts';
import {
  type Counters,
  EMPTY_GROUP,
  type Group,
  type GroupPane,
  type GroupRecord,
  type LateRecord,
} from '../engine/group/group.ts';
import { groupOf } from '../engine/group/key-group.ts';
import type { LogEntry } from '../ports/commit-log.ts';
import type { Deployed } from './deployed.ts';
import { positionIn } from './truth.ts';
import { must } from './violation.ts';

/**
 * What an audit needs to know of an entry of a group's log: the group as of that entry, and what the entry
 * emits and lists.
 */
export interface EntryView {
  /** The version of the definition by which the entry says it was written. */
  readonly version: number;
  readonly positions: ReadonlyMap<string, SubPosition>;
  /** Whether one of the groups that this one took keys over from had taken a record in. */
  readonly wasTaken: (record: Pick<GroupRecord, 'lineage' | 'position' | 'hash'>) => boolean;
  readonly sealed: boolean;
  readonly counters: Counters;
  /** The watermarks by key, without those of forgotten keys. */
  readonly watermarks: ReadonlyMap<string, EpochMillis>;
  readonly panes: readonly GroupPane[];
  readonly poison: readonly Pick<GroupRecord, 'lineage' | 'position'>[];
  /** The object that the entry names for its refused records. */
  readonly poisonObject: string | undefined;
  readonly late: readonly LateRecord[];
}

/**
 * Reads the entries of one group's log, in order. Only this file of the simulation knows how they are
 * written.
 */
export class LogReader {
  #group: Group = EMPTY_GROUP;

  /**
   * @param entry an entry with its body, not one that only names it
   * @param by the version by which it was written
   */
  take(entry: LogEntry, by: Deployed): EntryView {
    this.#group = readGroup({ ...firstDeployment(by.pipeline), epochs: by.epochs }, this.#group, [entry]);
    const { version, positions, inherited, sealed, counters, keys } = this.#group;
    const { poison, poisonObject, late } = decodeLedger(entry);
    return {
      version,
      positions: new Map([...positions].map(([lineage, { position }]) => [lineage, position])),
      wasTaken: ({ lineage, position, hash }) =>
        inherited.some((group) => {
          const last = group.positions.get(lineage)?.position;
          return (
            groupOf(hash, group.groups) === group.group && last !== undefined && !isAfter(position, last)
          );
        }),
      sealed,
      counters,
      watermarks: new Map([...keys].map(([key, { watermark }]) => [key, watermark])),
      panes: decodePanes(entry),
      poison,
      poisonObject,
      late,
    };
  }
}

/**
 * Returns what an entry of the definition's log says: the current version, and the number of key groups of
 * each generation.
 */
export function writtenDefinition({ body }: LogEntry): {
  readonly version: number;
  readonly generations: ReadonlyMap<number, number>;
} {
  const { version, generations } = unpack(body) as unknown as {
    version: number;
    generations: (readonly [number: number, groups: number])[];
  };
  return { version, generations: new Map(generations.map(([number, groups]) => [number, groups])) };
}

/** Returns what an object of refused or of late records says of each. A record's bytes stand once, on its first line. */
export function refusedIn(
  body: Uint8Array,
  ordered: boolean,
): readonly (Pick<GroupRecord, 'lineage' | 'position'> & {
  readonly data: string;
  readonly windows: readonly string[];
})[] {
  const lines = Buffer.from(body).toString().split('\n').slice(0, -1);
  let [before, bytes] = ['', ''];
  return lines.map((line) => {
    const { lineage, position, member, child, data, windows = [] } = JSON.parse(line);
    const record = `${lineage} ${position}`;
    must(
      (data === undefined) === (record === before),
      'The bytes of a record are kept once, on its first line',
    );
    before = record;
    bytes = data ?? bytes;
    return { lineage, position: positionIn(position, member, child, ordered), data: bytes, windows };
  });
}

/** The lineage of the records that are redriven. */
export const REDRIVEN = 'redrive:';

/**
 * Returns the records that the list of a redrive takes in again: what each is a copy of, and the place that the
 * list gives it. The records of one source record share a position.
 */
export function redrivenIn(
  list: Uint8Array,
  ordered: boolean,
): readonly (RedrivenPlace & { readonly of: Place; readonly failed: boolean })[] {
  const [head, ...lines] = Buffer.from(list)
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  let [at, before] = [-1, ''];
  const parts = lines.map(({ lineage, position, member, child, failed = false }) => {
    if (before !== `${lineage} ${position}`) at++;
    before = `${lineage} ${position}`;
    return { lineage, position, member, child, failed, at };
  });
  // A list may name the parts of a record in any order, and they are taken in in theirs.
  parts.sort((a, b) => a.at - b.at || a.member - b.member || a.child - b.child);
  return parts.map(({ lineage, position, member, child, failed, at }) => {
    const place = ordered ? String(head.redrive * 1_000_000 + at) : `redrive-${head.redrive}-${at}`;
    return {
      of: { lineage, position: positionIn(position, member, child, ordered) },
      failed,
      lineage: REDRIVEN,
      position: positionIn(place, member, child, ordered),
      arrival: head.at,
    };
  });
}

type Place = Pick<GroupRecord, 'lineage' | 'position'>;
type RedrivenPlace = Place & Pick<GroupRecord, 'arrival'>;

/** How far the panes of each group are covered, by log: an ordinal, and a pane within the next entry. */
export type Covered = ReadonlyMap<string, readonly [ordinal: number, panes: number]>;

/**
 * Returns what an entry of the projector of objects decides: a stretch of panes, and the objects that hold
 * them.
 */
export function intentOf({ body }: LogEntry): {
  readonly from: Covered;
  readonly to: Covered;
  readonly covered: Covered;
  readonly names: readonly string[];
} {
  const [from, to, covered, names] = unpack(body) as unknown as [
    ...cursors: [WrittenCursors, WrittenCursors, WrittenCursors],
    names: readonly string[],
  ];
  return { from: coveredOf(from), to: coveredOf(to), covered: coveredOf(covered), names };
}

/** Returns how far the projector of rows has come, by an entry of its log. */
export function rowsCoveredBy({ body }: LogEntry): Covered {
  const [covered] = unpack(body) as unknown as [covered: WrittenCursors];
  return coveredOf(covered);
}

type WrittenCursors = readonly (readonly [log: string, ordinal: number, panes: number])[];

const coveredOf = (cursors: WrittenCursors): Covered =>
  new Map(cursors.map(([log, ordinal, panes]) => [log, [ordinal, panes]]));

/** Returns how far a reader has noted that it took in the panes of each log. */
export const readBy = ({ body }: Pick<LogEntry, 'body'>): Covered => {
  const [covered] = unpack(body) as unknown as [
    readonly (readonly [log: string, ordinal: number, panes: number])[],
  ];
  return new Map(covered.map(([log, ordinal, panes]) => [log, [ordinal, panes]]));
};
