import { canonicalJson } from '../core/hash.ts';
import { isAfter } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import {
  type Counters,
  EMPTY_GROUP,
  type GroupPane,
  lateByWindow,
  sumOfCounters,
} from '../engine/group/group.ts';
import { groupOf, hashOf } from '../engine/group/key-group.ts';
import { lateObjectOf } from '../engine/intake/poison.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { LogEntry } from '../ports/commit-log.ts';
import type { Limits } from '../ports/limits.ts';
import type { Deployed } from './deployed.ts';
import { type EntryView, LogReader, REDRIVEN } from './log-format.ts';
import type { Oracle, Outcome } from './oracle.ts';
import type { Part } from './truth.ts';
import { must, mustMatch } from './violation.ts';

/** The records that were taken in, over all groups and generations, and what must follow from them. */
export class Taken {
  readonly poison: Part[] = [];
  /** The objects that entries name, and the refused records that each of them lists. */
  readonly kept: (readonly [object: string | undefined, refused: readonly string[]])[] = [];
  /** The objects of late records that follow from entries, and the late records that each of them lists. */
  readonly keptLate: (readonly [object: string, late: readonly string[]])[] = [];
  readonly revisions = new Map<string, number>();
  /** The names of the windows that refused a record as late when it last came. */
  readonly refusals = new Map<Part, readonly string[]>();
  /**
   * The records that have gone to a dead-letter queue, and those of them that are behind their lineage's
   * position.
   */
  readonly buried = new Set<Part>();
  readonly passed = new Set<Part>();
  readonly #oracle: Oracle;
  readonly #ordered: boolean;
  readonly #names = new Set<string>();
  /** By key, the ids of records that windows took, and from which watermark on each is not known any more. */
  readonly #known = new Map<string, Map<string, number>>();
  /** The names of those records that changed no window. */
  readonly #refused = new Set<string>();

  constructor(oracle: Oracle, ordered: boolean) {
    this.#oracle = oracle;
    this.#ordered = ordered;
  }

  /** Whether any record is in. */
  get hasAny(): boolean {
    return this.#names.size > 0;
  }

  /** Whether it is in; without order, also where a record of its key and id was ever taken by a window. */
  has(truth: Part): boolean {
    const wasKnown = !this.#ordered && this.#untilOf(truth.content) !== undefined;
    return wasKnown || this.#names.has(recordName(truth));
  }

  /** Whether it changes nothing, as a record of its key and id is in. */
  isRepeated(truth: Part, arrival: EpochMillis): boolean {
    const until = this.#untilOf(truth.content);
    return until !== undefined && until > this.#oracle.reached(truth, arrival);
  }

  /** Notes a record that changes nothing. */
  repeat(truth: Part): void {
    this.#names.add(recordName(truth));
  }

  #untilOf(content: Part['content']): number | undefined {
    return content?.id === undefined ? undefined : this.#known.get(content.key)?.get(content.id);
  }

  #know({ key, id, at }: NonNullable<Part['content']>, { pipeline }: Deployed, reached: number): void {
    const watermark = this.#oracle.watermark(key);
    const known = watermark < reached ? undefined : this.#known.get(key);
    if (id === undefined) return;
    const untils = pipeline.rules.windows.map(({ operator }) => {
      const refused = operator.refusedFrom(at);
      return Number.isFinite(refused) ? refused : Math.max(at, watermark) + pipeline.idWithin;
    });
    this.#known.set(key, new Map(known).set(id, Math.max(...untils)));
  }

  wasRefused(truth: Part): boolean {
    return this.#refused.has(recordName(truth));
  }

  take(truth: Part, by: Deployed, arrival: EpochMillis): Outcome {
    // Once more, it changes nothing: it is counted late, as its windows have closed.
    if (this.has(truth)) {
      this.#oracle.takeAgain(truth, by, arrival);
      const windows = by.pipeline.rules.windows.map(({ name }) => name);
      this.refusals.set(truth, windows);
      return 'lateForAll';
    }
    const reached = this.#oracle.reached(truth, arrival);
    const [outcome, refusing] = this.#oracle.take(truth, by, arrival);
    this.refusals.set(truth, refusing);
    if (truth.content && outcome === 'applied') this.#know(truth.content, by, reached);
    const name = recordName(truth);
    this.#names.add(name);
    if (outcome !== 'applied') this.#refused.add(name);
    if (outcome === 'poison') this.poison.push(truth);
    return outcome;
  }

  /** What was found to have no place: no window ever sees it. */
  refuse(truth: Part): Outcome {
    const name = recordName(truth);
    this.#names.add(name);
    this.#refused.add(name);
    this.poison.push(truth);
    return 'poison';
  }

  commit(): void {
    this.#oracle.commit();
  }

  handOver(...of: Parameters<Oracle['handOver']>): void {
    this.#oracle.handOver(...of);
  }

  pass({ content }: Part, watermarks: ReadonlyMap<string, EpochMillis>): void {
    const { key = '' } = content ?? {};
    const watermark = watermarks.get(key);
    if (watermark !== undefined) this.#oracle.pass(key, watermark);
  }

  finish(truths: readonly Part[], now: EpochMillis): readonly GroupPane[] {
    const missing = truths.filter((part) => !this.has(part) && !this.buried.has(part));
    must(missing.length === 0, 'Every record is taken in', () => missing.map(recordName));
    this.#oracle.idle(now);
    return this.#oracle.panes();
  }
}

/** Audits the log of one group, entry by entry. */
export class GroupLogAudit {
  readonly #log: string;
  readonly #pipeline: Pipeline;
  readonly groups: number;
  readonly #index: number;
  readonly #limits: Limits | undefined;
  /** The keys whose watermarks are on the way to that of a record that is still to be taken in. */
  readonly #onTheWay = new Set<string>();
  /** Its records, by lineage. */
  readonly #own = new Map<string, readonly Part[]>();
  readonly #taken: Taken;
  /** The groups of the generation before that hold the keys of this group. */
  readonly #parts: readonly (GroupLogAudit | undefined)[] | undefined;
  readonly #reader = new LogReader();
  /** The version by which its last entry was written; 0 before the first entry. */
  version = 0;
  counted: Counters = EMPTY_GROUP.counters;
  watermarks: ReadonlyMap<string, EpochMillis> = new Map();
  sealed = false;

  constructor(
    {
      log,
      pipeline,
      groups,
      index,
      limits,
    }: {
      readonly log: string;
      readonly pipeline: Pipeline;
      readonly groups: number;
      readonly index: number;
      readonly limits: Limits | undefined;
    },
    truths: readonly Part[],
    taken: Taken,
    parts: readonly (GroupLogAudit | undefined)[] | undefined,
  ) {
    this.#log = log;
    this.#pipeline = pipeline;
    this.groups = groups;
    this.#index = index;
    this.#limits = limits;
    this.#taken = taken;
    this.#parts = parts;
    this.add(truths);
  }

  /** Adds those of some records of the source that belong to the group. */
  add(truths: readonly Part[]): void {
    for (const truth of truths) {
      if (groupOf(truth.hash, this.groups) !== this.#index) continue;
      const present = this.#own.get(truth.lineage) ?? [];
      const at = this.#pipeline.source.lineage.ordered
        ? present.findIndex(({ position }) => isAfter(position, truth.position))
        : -1;
      this.#own.set(truth.lineage, present.toSpliced(at < 0 ? present.length : at, 0, truth));
    }
  }

  appended(entry: LogEntry, by: Deployed, batch: readonly Part[], arrival: EpochMillis | undefined): void {
    const where = `group ${this.#index} of ${this.groups}, entry ${entry.ordinal}`;
    must(!this.sealed, `Nothing follows a sealed entry (${where})`);
    const view = this.#reader.take(entry, by);
    const { version } = by.pipeline;
    must(view.version === version, `An entry says what version it is of (${where})`);
    this.sealed = view.sealed;
    if (entry.ordinal === 1 && this.#parts) this.#begin(view, this.#parts, where);
    must(version >= this.version, `Older code refuses what newer wrote (${where})`);
    if (version > this.version || entry.ordinal === 1) this.handOver(by, entry.committedAt);
    const outcomes = this.#take(view, by, batch, arrival, where);
    // An entry of a batch that takes no record brings a key to where windows close that the next record closes.
    const isOnTheWay = batch.length > 0 && outcomes.size === 0;
    for (const [key, watermark] of view.watermarks) {
      if (isOnTheWay && watermark !== this.watermarks.get(key)) this.#onTheWay.add(key);
    }
    if (!isOnTheWay) this.#onTheWay.clear();
    this.#auditPositions(view, where);
    auditLedger(view, outcomes, this.#taken.refusals, by, where);
    if (view.poison.length > 0) this.#taken.kept.push([view.poisonObject, view.poison.map(recordName)]);
    if (view.late.length > 0)
      this.#taken.keptLate.push([
        lateObjectOf(this.#log, { ...entry, late: view.late }),
        view.late.map(lateName),
      ]);
    this.#auditWatermarks(view, where);
    this.#auditRevisions(view, where);
  }

  /** Hands the keys of the group over to a newer version, whether or not that has written an entry. */
  handOver(to: Deployed, now: EpochMillis): void {
    const keys = [...this.#own.values()].flat().flatMap(({ content }) => content?.key ?? []);
    for (const key of new Set(keys)) this.#taken.handOver(key, to, this.watermarks.get(key), now);
    this.version = to.pipeline.version;
  }

  /** Checks that a group begins with exactly its own keys, as they were in the groups before it. */
  #begin({ watermarks }: EntryView, parts: readonly (GroupLogAudit | undefined)[], where: string): void {
    const before = parts.flatMap((part) => {
      must(part?.sealed === true, `A group begins once those before it are sealed (${where})`);
      return [part];
    });
    const textOf = ([key, watermark]: readonly [string, EpochMillis]) => `${key} ${watermark}`;
    const expected = before.flatMap((part) =>
      [...part.watermarks].filter(([key]) => groupOf(hashOf(key), this.groups) === this.#index),
    );
    mustMatch(
      [...watermarks].map(textOf),
      expected.map(textOf),
      `A group begins with the keys that are its own (${where})`,
    );
    this.watermarks = new Map(expected);
    this.version = Math.max(...before.map(({ version }) => version));
    // A group that is split leaves its counters to the first of its parts.
    if ((this.#index * (before[0]?.groups ?? 1)) % this.groups !== 0) return;
    this.counted = sumOfCounters(before.map(({ counted }) => counted));
  }

  /** Checks that the entry took in the first records of its batch that were not in yet. */
  #take(
    view: EntryView,
    by: Deployed,
    batch: readonly Part[],
    arrival: EpochMillis | undefined,
    where: string,
  ): ReadonlyMap<Part, Outcome> {
    const { counters, late: listed, poison: refused } = view;
    const news = recordsIn(counters) - recordsIn(this.counted);
    const { ordered } = this.#pipeline.source.lineage;
    const again = new Set(ordered ? [] : listed.filter(({ applied }) => !applied).map(recordName));
    const outcomes = new Map<Part, Outcome>();
    const fresh = this.#fresh(batch, again);
    // Where bounds are small no function throws, so that a whole record which is refused has found no room.
    const outside = new Set(this.#limits === undefined ? [] : refused.map(recordName));
    const knownKeys = new Set(this.watermarks.keys());
    // A sweep does not wait for a record that is no longer in the source, and no time passes by a record that may
    // have waited.
    for (const truth of fresh) {
      const isGone =
        this.#taken.buried.has(truth) ||
        truth.lineage === REDRIVEN ||
        (truth.content?.id && again.has(recordName(truth)));
      const mayHaveWaited = by.pipeline.rules.time.arrivesWhenRead === true;
      if ((mayHaveWaited || isGone) && !this.#onTheWay.has(truth.content?.key ?? ''))
        this.#taken.pass(truth, this.watermarks);
    }
    let found = 0;
    for (const truth of fresh) {
      const isCounted = outside.has(recordName(truth)) || again.has(recordName(truth));
      if (!isCounted && this.#taken.isRepeated(truth, arrival ?? truth.arrival)) {
        // Of records without order nothing tells whether the entry came to it, and nothing depends on that.
        if (!ordered || isCovered(view, truth)) this.#taken.repeat(truth);
        continue;
      }
      if (found === news) break;
      found++;
      must(
        !ordered || this.#isNext(truth),
        `The records of a lineage are taken in one after the other (${where})`,
        () => recordName(truth),
      );
      const isOutside = outside.has(recordName(truth));
      const outcome = isOutside
        ? this.#taken.refuse(truth)
        : this.#taken.take(truth, by, arrival ?? truth.arrival);
      if (truth.content && isOutside) {
        must(
          !knownKeys.has(truth.content.key),
          `No record of a known key is refused for room (${where})`,
          () => recordName(truth),
        );
      } else if (truth.content && outcome !== 'poison') knownKeys.add(truth.content.key);
      outcomes.set(truth, outcome);
      const late = lateByWindow([{ windows: this.#taken.refusals.get(truth) ?? [] }]);
      this.counted = sumOfCounters([this.counted, { ...EMPTY_GROUP.counters, [outcome]: 1, late }]);
    }
    if (outcomes.size > 0) this.#taken.commit();
    must(
      canonicalJson({ ...counters }) === canonicalJson({ ...this.counted }),
      `Each record of a batch is taken in once, and counted as what it is (${where})`,
      () => ({ counters, expected: this.counted }),
    );
    return outcomes;
  }

  /** Whether it is the first of its lineage that is not in, but for those in a dead-letter queue. */
  #isNext(part: Part): boolean {
    const parts = this.#own.get(part.lineage) ?? [];
    return (
      part ===
      parts.find(
        (candidate) =>
          candidate === part || !(this.#taken.has(candidate) || this.#taken.buried.has(candidate)),
      )
    );
  }

  /**
   * Returns the records of a batch that are not in. A source without order remembers a record only as long as
   * the record could change a window, so there the records that count as late once more belong to them. A
   * refused record is remembered for as long as it comes.
   */
  #fresh(batch: readonly Part[], again: ReadonlySet<string>): readonly Part[] {
    const fresh = new Map<string, Part>();
    for (const part of batch) {
      const name = recordName(part);
      if (groupOf(part.hash, this.groups) !== this.#index || part.fate === 'filtered') continue;
      if (this.#taken.has(part) && (!again.has(name) || this.#taken.wasRefused(part))) continue;
      if (this.#taken.passed.has(part)) continue;
      if (!fresh.has(name)) fresh.set(name, part);
    }
    return [...fresh.values()];
  }

  #auditPositions(view: EntryView, where: string): void {
    if (!this.#pipeline.source.lineage.ordered) return;
    for (const [lineage, parts] of this.#own) {
      const position = view.positions.get(lineage);
      const wrong = parts.find((part) => {
        const isIn = isCovered(view, part);
        if (!isIn || !this.#taken.buried.has(part)) return isIn !== this.#taken.has(part);
        if (!this.#taken.has(part)) this.#taken.passed.add(part);
        return false;
      });
      must(
        wrong === undefined,
        `A lineage's records up to its position, and no others, are in (${where})`,
        () => ({ wrong: wrong && recordName(wrong), position }),
      );
    }
  }

  #auditWatermarks({ watermarks }: EntryView, where: string): void {
    for (const [key, watermark] of watermarks) {
      must(
        (this.watermarks.get(key) ?? watermark) <= watermark,
        `The watermark of ${key} never falls (${where})`,
      );
    }
    this.watermarks = watermarks;
  }

  #auditRevisions({ panes }: EntryView, where: string): void {
    for (const pane of panes) {
      const { key, identity, revision } = pane;
      const name = `${windowLabel(pane)} ${identity} ${key}`;
      const next = (this.#taken.revisions.get(name) ?? -1) + 1;
      must(revision === next, `Revisions follow each other (${where})`, () => ({ name, revision, next }));
      this.#taken.revisions.set(name, next);
    }
  }
}

/** Whether an ordered source's record is behind its lineage's position. */
function isCovered({ positions, wasTaken }: EntryView, part: Part): boolean {
  const position = positions.get(part.lineage);
  return (position !== undefined && !isAfter(part.position, position)) || wasTaken(part);
}

const recordsIn = ({ applied, lateForAll, poison }: Counters): number => applied + lateForAll + poison;

/**
 * Checks that an entry lists the records that it moved past without taking them in, and those that some
 * windows refused.
 */
function auditLedger(
  { poison, late }: EntryView,
  outcomes: ReadonlyMap<Part, Outcome>,
  refusals: ReadonlyMap<Part, readonly string[]>,
  { pipeline }: Deployed,
  where: string,
): void {
  mustMatch(
    poison.map(recordName),
    [...outcomes].filter(([, outcome]) => outcome === 'poison').map(([record]) => recordName(record)),
    `An entry lists its poison records (${where})`,
  );
  mustMatch(
    late.map(lateName),
    [...outcomes.keys()].flatMap((record) => {
      const refusing = refusals.get(record) ?? [];
      return refusing.length > 0 ? [lateName({ ...record, windows: refusing })] : [];
    }),
    `An entry lists its late records, each with exactly the windows that refused it (${where})`,
  );
  for (const { at, watermark, windows, applied } of late) {
    const taking = pipeline.rules.windows.filter(({ name }) => !windows.includes(name));
    must(
      applied === taking.length > 0 && taking.every(({ operator }) => watermark < operator.refusedFrom(at)),
      `A late record is taken by the windows that do not refuse it (${where})`,
      () => ({ at, watermark, windows, applied }),
    );
  }
  must(
    late.every(({ at, watermark }) => at < watermark),
    `A late record is behind its key's watermark (${where})`,
    () => late,
  );
}

/**
 * Names a window of a pane. The version in which it began tells apart windows of one name, one of which began
 * anew.
 */
export const windowLabel = ({ window, layout: { epoch } }: GroupPane): string =>
  epoch === 0 ? window : `${window}@${epoch}`;

export const recordName = ({ lineage, position }: Pick<Part, 'lineage' | 'position'>): string =>
  `${lineage} ${position}`;

/** Names a late record and the windows that refused it. */
export const lateName = ({
  windows,
  ...record
}: Pick<Part, 'lineage' | 'position'> & { readonly windows: readonly string[] }): string =>
  `${recordName(record)} by ${windows.join(', ')}`;
