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
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { LogEntry } from '../ports/commit-log.ts';
import type { Limits } from '../ports/limits.ts';
import type { Deployed } from './deployed.ts';
import { type EntryView, LogReader } from './log-format.ts';
import type { Oracle, Outcome } from './oracle.ts';
import type { Part } from './truth.ts';
import { must, mustMatch } from './violation.ts';

/** The records that are in, over all groups and generations, and what must come of them. */
export class Taken {
  readonly poison: Part[] = [];
  /** The objects that entries name, and the refused records that each of them lists. */
  readonly kept: (readonly [object: string | undefined, refused: readonly string[]])[] = [];
  readonly revisions = new Map<string, number>();
  /** The names of the windows that refused a record as late when it last came. */
  readonly refusals = new Map<Part, readonly string[]>();
  /** Those that have gone to a dead-letter queue; and of them those that are behind their lineage's position. */
  readonly buried = new Set<Part>();
  readonly passed = new Set<Part>();
  readonly #oracle: Oracle;
  readonly #names = new Set<string>();
  /** Those among them that changed no window. */
  readonly #refused = new Set<string>();

  constructor(oracle: Oracle) {
    this.#oracle = oracle;
  }

  has(truth: Part): boolean {
    return this.#names.has(recordName(truth));
  }

  wasRefused(truth: Part): boolean {
    return this.#refused.has(recordName(truth));
  }

  take(truth: Part, by: Deployed): Outcome {
    // Once more, it changes nothing: it is counted late, as its windows have closed.
    if (this.has(truth)) {
      const windows = by.pipeline.rules.windows.map(({ name }) => name);
      this.refusals.set(truth, windows);
      return 'lateForAll';
    }
    const [outcome, refusing] = this.#oracle.take(truth, by);
    this.refusals.set(truth, refusing);
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
    const missing = truths.filter((one) => !this.has(one) && !this.buried.has(one));
    must(missing.length === 0, 'Every record is taken in', () => missing.map(recordName));
    this.#oracle.idle(now);
    return this.#oracle.panes();
  }
}

/** One group's log, entry by entry. */
export class GroupLogAudit {
  readonly #pipeline: Pipeline;
  readonly groups: number;
  readonly #index: number;
  readonly #limits: Limits | undefined;
  /** Its records, by lineage. */
  readonly #own = new Map<string, readonly Part[]>();
  readonly #taken: Taken;
  /** The groups of the generation before that have its keys. */
  readonly #parts: readonly (GroupLogAudit | undefined)[] | undefined;
  readonly #reader = new LogReader();
  /** That its last entry was written by; 0 before the first. */
  version = 0;
  counted: Counters = EMPTY_GROUP.counters;
  watermarks: ReadonlyMap<string, EpochMillis> = new Map();
  sealed = false;

  constructor(
    {
      pipeline,
      groups,
      index,
      limits,
    }: {
      readonly pipeline: Pipeline;
      readonly groups: number;
      readonly index: number;
      readonly limits: Limits | undefined;
    },
    truths: readonly Part[],
    taken: Taken,
    parts: readonly (GroupLogAudit | undefined)[] | undefined,
  ) {
    this.#pipeline = pipeline;
    this.groups = groups;
    this.#index = index;
    this.#limits = limits;
    this.#taken = taken;
    this.#parts = parts;
    this.add(truths);
  }

  /** Of some records of the source those that are its own. */
  add(truths: readonly Part[]): void {
    for (const one of truths) {
      if (groupOf(one.hash, this.groups) !== this.#index) continue;
      const others = this.#own.get(one.lineage) ?? [];
      const at = this.#pipeline.source.lineage.ordered
        ? others.findIndex(({ position }) => isAfter(position, one.position))
        : -1;
      this.#own.set(one.lineage, others.toSpliced(at < 0 ? others.length : at, 0, one));
    }
  }

  appended(entry: LogEntry, by: Deployed, batch: readonly Part[]): void {
    const where = `group ${this.#index} of ${this.groups}, entry ${entry.ordinal}`;
    must(!this.sealed, `Nothing follows a sealed entry (${where})`);
    const view = this.#reader.take(entry, by);
    const { version } = by.pipeline;
    must(view.version === version, `An entry says what version it is of (${where})`);
    this.sealed = view.sealed;
    if (entry.ordinal === 1 && this.#parts) this.#begin(view, this.#parts, where);
    must(version >= this.version, `Older code refuses what newer wrote (${where})`);
    if (version > this.version || entry.ordinal === 1) this.handOver(by, entry.committedAt);
    const outcomes = this.#take(view, by, batch, where);
    this.#auditPositions(view, where);
    auditLedger(view, outcomes, this.#taken.refusals, by, where);
    if (view.poison.length > 0) this.#taken.kept.push([view.poisonObject, view.poison.map(recordName)]);
    this.#auditWatermarks(view, where);
    this.#auditRevisions(view, where);
  }

  /** Its keys go on under a newer version, whether or not an entry of that is there. */
  handOver(to: Deployed, now: EpochMillis): void {
    const keys = [...this.#own.values()].flat().flatMap(({ content }) => content?.key ?? []);
    for (const key of new Set(keys)) this.#taken.handOver(key, to, this.watermarks.get(key), now);
    this.version = to.pipeline.version;
  }

  /** A group begins with the keys that are its own, as they are in those before it. */
  #begin({ watermarks }: EntryView, parts: readonly (GroupLogAudit | undefined)[], where: string): void {
    const before = parts.flatMap((part) => {
      must(part?.sealed === true, `A group begins once those before it are sealed (${where})`);
      return [part];
    });
    const told = ([key, watermark]: readonly [string, EpochMillis]) => `${key} ${watermark}`;
    const own = before.flatMap((part) =>
      [...part.watermarks].filter(([key]) => groupOf(hashOf(key), this.groups) === this.#index),
    );
    mustMatch(
      [...watermarks].map(told),
      own.map(told),
      `A group begins with the keys that are its own (${where})`,
    );
    this.watermarks = new Map(own);
    this.version = Math.max(...before.map(({ version }) => version));
    // What falls apart leaves its counters to the first of its parts.
    if ((this.#index * (before[0]?.groups ?? 1)) % this.groups !== 0) return;
    this.counted = sumOfCounters(before.map(({ counted }) => counted));
  }

  /** What the entry took in must be the first ones of its batch that were not in. */
  #take(
    { counters, late: listed, poison: refused }: EntryView,
    by: Deployed,
    batch: readonly Part[],
    where: string,
  ): ReadonlyMap<Part, Outcome> {
    const news = recordsIn(counters) - recordsIn(this.counted);
    const { ordered } = this.#pipeline.source.lineage;
    const again = new Set(ordered ? [] : listed.filter(({ applied }) => !applied).map(recordName));
    const outcomes = new Map<Part, Outcome>();
    const own = this.#fresh(batch, again).slice(0, news);
    // Where bounds are small nothing throws: what is refused though it is whole has found no room.
    const outside = new Set(this.#limits === undefined ? [] : refused.map(recordName));
    const known = new Set(this.watermarks.keys());
    // Silence does not wait for what is no longer in the queue.
    for (const one of own) if (this.#taken.buried.has(one)) this.#taken.pass(one, this.watermarks);
    for (const one of own) {
      must(
        !ordered || this.#isNext(one),
        `The records of a lineage are taken in one after the other (${where})`,
        () => recordName(one),
      );
      const outcome = outside.has(recordName(one)) ? this.#taken.refuse(one) : this.#taken.take(one, by);
      if (one.content && outside.has(recordName(one))) {
        must(!known.has(one.content.key), `No record of a known key is refused for room (${where})`, () =>
          recordName(one),
        );
      } else if (one.content && outcome !== 'poison') known.add(one.content.key);
      outcomes.set(one, outcome);
      const late = lateByWindow([{ windows: this.#taken.refusals.get(one) ?? [] }]);
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
  #isNext(one: Part): boolean {
    const own = this.#own.get(one.lineage) ?? [];
    return (
      one === own.find((other) => other === one || !(this.#taken.has(other) || this.#taken.buried.has(other)))
    );
  }

  /**
   * The records of a batch that are not in; of a source without order, which knows a record only as long as it could change
   * a window, those as well that are counted late once more. Of those that were refused it knows for as long as they come.
   */
  #fresh(batch: readonly Part[], again: ReadonlySet<string>): readonly Part[] {
    const fresh = new Map<string, Part>();
    for (const one of batch) {
      const name = recordName(one);
      if (groupOf(one.hash, this.groups) !== this.#index || one.fate === 'filtered') continue;
      if (this.#taken.has(one) && (!again.has(name) || this.#taken.wasRefused(one))) continue;
      if (this.#taken.passed.has(one)) continue;
      if (!fresh.has(name)) fresh.set(name, one);
    }
    return [...fresh.values()];
  }

  #auditPositions(view: EntryView, where: string): void {
    if (!this.#pipeline.source.lineage.ordered) return;
    for (const [lineage, own] of this.#own) {
      const position = view.positions.get(lineage);
      const wrong = own.find((one) => {
        const isCovered = (position !== undefined && !isAfter(one.position, position)) || view.wasTaken(one);
        if (!isCovered || !this.#taken.buried.has(one)) return isCovered !== this.#taken.has(one);
        if (!this.#taken.has(one)) this.#taken.passed.add(one);
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
      const one = `${windowLabel(pane)} ${identity} ${key}`;
      const next = (this.#taken.revisions.get(one) ?? -1) + 1;
      must(revision === next, `Revisions follow each other (${where})`, () => ({ one, revision, next }));
      this.#taken.revisions.set(one, next);
    }
  }
}

const recordsIn = ({ applied, lateForAll, poison }: Counters): number => applied + lateForAll + poison;

/** The records that an entry moved past and did not take in, or some windows did not, are those that it lists. */
function auditLedger(
  { poison, late }: EntryView,
  outcomes: ReadonlyMap<Part, Outcome>,
  refusals: ReadonlyMap<Part, readonly string[]>,
  { pipeline }: Deployed,
  where: string,
): void {
  mustMatch(
    poison.map(recordName),
    [...outcomes].filter(([, outcome]) => outcome === 'poison').map(([one]) => recordName(one)),
    `An entry lists its poison records (${where})`,
  );
  const refusal = (one: Parameters<typeof recordName>[0], windows: readonly string[]): string =>
    `${recordName(one)} by ${windows.join(', ')}`;
  mustMatch(
    late.map((one) => refusal(one, one.windows)),
    [...outcomes.keys()].flatMap((one) => {
      const refusing = refusals.get(one) ?? [];
      return refusing.length > 0 ? [refusal(one, refusing)] : [];
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

/** Windows of one name of which one began anew are told apart by the version in which they did. */
export const windowLabel = ({ window, layout: { epoch } }: GroupPane): string =>
  epoch === 0 ? window : `${window}@${epoch}`;

export const recordName = ({ lineage, position }: Pick<Part, 'lineage' | 'position'>): string =>
  `${lineage} ${position}`;
