import { gunzipSync } from 'node:zlib';
import type { MemoryPorts } from '../adapters/memory/index.ts';
import { isAfter } from '../core/position.ts';
import { type EpochMillis, isoTime } from '../core/time.ts';
import type { GroupPane } from '../engine/group.ts';
import { groupOf, hashOf } from '../engine/key-group.ts';
import { writtenPane } from '../engine/pane.ts';
import type { Pane, Pipeline } from '../pipeline/pipeline.ts';
import type { LogEntry } from '../ports/commit-log.ts';
import type { Metric } from '../ports/telemetry.ts';
import {
  definitionLog,
  groupLog,
  groupLogPrefix,
  objectsLog,
  PANES_PREFIX,
  POISON_PREFIX,
  rowsLog,
} from '../wiring/names.ts';
import { type Deployed, Deployments } from './deployed.ts';
import {
  type Covered,
  definitionIn,
  type EntryView,
  intentOf,
  LogReader,
  rowsCoveredBy,
} from './log-format.ts';
import { Oracle, type Outcome } from './oracle.ts';
import type { Case, Truth } from './truth.ts';
import { must, mustMatch } from './violation.ts';

/** What a schedule came to. */
export interface Audited {
  readonly panes: number;
  /** Panes that late records, or later ones, revised. */
  readonly corrections: number;
}

/**
 * Holds a schedule against the rules: each entry as it is appended, each answer as it is given, and the whole once nothing
 * is left to do.
 */
export class Audit {
  /** Its name and its source are those of every version. */
  readonly #pipeline: Pipeline;
  readonly deployments: Deployments;
  #truths: readonly Truth[];
  readonly #taken: Taken;
  /** By log. */
  readonly #groups = new Map<string, GroupAudit>();
  /** By its number, the key groups of each generation. */
  #generations: ReadonlyMap<number, number> = new Map();
  /** Every entry ever appended, as some expire. */
  readonly #entries = new Map<string, LogEntry[]>();

  constructor({ versions, lineages }: Case) {
    [this.#pipeline] = versions;
    this.deployments = new Deployments(versions);
    this.#truths = lineages.flatMap(({ truths }) => truths).filter(({ fate }) => fate !== 'filtered');
    this.#taken = new Taken(new Oracle());
  }

  /**
   * An entry has been appended.
   *
   * @param version of who appended it
   * @param batch what its invocation was given; nothing if it is no batch
   */
  appended(log: string, entry: LogEntry, version: number, batch: readonly Truth[]): void {
    const entries = this.#entries.get(log) ?? [];
    must(entries.length + 1 === entry.ordinal, `The ordinals of log ${log} are 1, 2, 3, …`, () => ({
      ordinal: entry.ordinal,
    }));
    entries.push(entry);
    this.#entries.set(log, entries);
    const { name } = this.#pipeline;
    if (log === definitionLog(name)) {
      const definition = definitionIn(entry);
      this.#generations = definition.generations;
      this.deployments.begin(definition.version);
    }
    if (log.startsWith(groupLogPrefix(name)))
      this.#groupOf(log).appended(entry, this.deployments.at(version), batch);
  }

  /** How many have begun. */
  get generations(): number {
    return this.#generations.size;
  }

  /** Records have gone to a dead-letter queue: they need no longer be taken in, nor may they be once others are. */
  buried(dead: ReadonlySet<Truth>): void {
    for (const one of dead) this.#taken.buried.add(one);
  }

  /** The source has records more, moved back from a dead-letter queue. */
  resent(again: readonly Truth[]): void {
    const own = again.filter(({ fate }) => fate !== 'filtered');
    this.#truths = [...this.#truths, ...own];
    for (const group of this.#groups.values()) group.add(own);
  }

  #groupOf(log: string): GroupAudit {
    const known = this.#groups.get(log);
    if (known) return known;
    const { name } = this.#pipeline;
    const [number, index] = log.slice(groupLogPrefix(name).length).split('/').map(Number) as [number, number];
    const groups = this.#generations.get(number);
    must(groups !== undefined && index < groups, 'Every group log is of a group', () => log);
    const earlier = this.#generations.get(number - 1);
    const group = new GroupAudit(
      { pipeline: this.#pipeline, groups, index },
      this.#truths,
      this.#taken,
      earlier === undefined
        ? undefined
        : partsOf(index, groups, earlier).map((at) => this.#groups.get(groupLog(name, number - 1, at))),
    );
    this.#groups.set(log, group);
    return group;
  }

  /** What an answer promises, held against the logs at that moment. */
  answered(
    batch: readonly Truth[],
    /** Those that come again. */
    back: ReadonlySet<Truth>,
    /** What the invocation counted. */
    counted: Readonly<Record<Metric, number>>,
    /** Whether it met a fault, or was out of time. */
    excused: boolean,
  ): void {
    must(
      batch.every((one) => back.has(one) || this.#isTaken(one)),
      'Every record that an answer does not give back is committed',
    );
    if (back.size > 0) must(excused, 'A batch that meets no fault is wholly committed');
    else {
      const { received, applied, duplicate, late, filtered, poison } = counted;
      must(
        received === applied + duplicate + late + filtered + poison,
        'Of a batch wholly committed, received = applied + duplicate + late + filtered + poison',
        () => counted,
      );
    }
  }

  /** Nothing is left to do, and every key is silent until `now`. */
  finish(ports: MemoryPorts, now: EpochMillis): Audited {
    const last = this.deployments.at(this.deployments.version);
    for (const group of this.#groups.values()) if (!group.sealed) group.handOver(last, now);
    const expected = this.#taken.finish(this.#truths, now);
    const written = expected.map((pane) => {
      const one = writtenPane(this.#pipeline, pane);
      return { pane, id: one.id, line: JSON.stringify(one) };
    });
    must(new Set(written.map(({ id }) => id)).size === written.length, 'No two panes have one id');
    this.#auditObjects(
      ports,
      written.map(({ line }) => line),
    );
    this.#auditIntents(ports);
    auditRows(this.#pipeline, ports, written);
    this.#auditPoison(ports);
    return { panes: expected.length, corrections: expected.filter(({ revision }) => revision > 0).length };
  }

  #isTaken(truth: Truth): boolean {
    return truth.fate === 'filtered' || this.#taken.has(truth) || this.#taken.passed.has(truth);
  }

  #auditObjects({ objects }: MemoryPorts, expected: readonly string[]): void {
    const seen: string[] = [];
    for (const [name, { body }] of objects.stored) {
      if (!name.startsWith(PANES_PREFIX)) continue;
      const lines = gunzipSync(body).toString().trimEnd().split('\n');
      for (const line of lines) {
        const { end } = JSON.parse(line) as Pane;
        const inside = isoTime((Date.parse(end) - 1) as EpochMillis);
        const folder = `pipeline=${this.#pipeline.name}/date=${inside.slice(0, 10)}/hour=${inside.slice(11, 13)}/`;
        must(
          name.startsWith(PANES_PREFIX + folder),
          'A pane is filed under the last hour of its window',
          () => [name, end],
        );
      }
      for (const line of lines) seen.push(line);
    }
    mustMatch(seen, expected, 'The objects hold every pane exactly once');
  }

  /** The intents' stretches tile each group's log from its beginning to its end, and every object they name is there. */
  #auditIntents({ objects }: MemoryPorts): void {
    const { name } = this.#pipeline;
    let covered: Covered = new Map();
    const names: string[] = [];
    for (const [at, entry] of (this.#entries.get(objectsLog(name)) ?? []).entries()) {
      const intent = intentOf(entry);
      names.push(...intent.names);
      for (const [log, from] of intent.from) {
        must(isSame(from, covered.get(log)), 'Segments tile the log', () => ({ log, from }));
      }
      if (at > 0) covered = new Map([...covered, ...intent.to]);
      must(
        [...intent.covered].every(([log, to]) => isSame(to, covered.get(log))),
        'What an intent covers is what those up to it have',
        () => [...intent.covered],
      );
    }
    mustMatch(
      [...objects.stored.keys()].filter((one) => one.startsWith(PANES_PREFIX)),
      names,
      'Every intent completes, and no object is there without one',
    );
    // Those of a generation that is long gone are no longer in the last entry.
    const rows = new Map((this.#entries.get(rowsLog(name)) ?? []).flatMap((one) => [...rowsCoveredBy(one)]));
    for (const log of this.#groups.keys()) {
      const end = this.#entries.get(log)?.length ?? 0;
      for (const to of [covered, rows]) {
        must(isSame(to.get(log), [end, 0]), 'Every projector comes to the end of every log', () => ({
          log,
          end,
          to: to.get(log),
        }));
      }
    }
  }

  #auditPoison({ objects }: MemoryPorts): void {
    // Kept before the commit that then never came, as it went to a dead-letter queue.
    const spare = new Set([...this.#taken.buried].filter((one) => !this.#taken.has(one)).map(poisonName));
    const kept = [...objects.stored].filter(([name]) => name.startsWith(POISON_PREFIX) && !spare.has(name));
    mustMatch(
      kept.map(([name, { body }]) => `${name} ${Buffer.from(body).toString('base64')}`),
      this.#taken.poison.map((one) => `${poisonName(one)} ${Buffer.from(one.data).toString('base64')}`),
      'The bytes of every refused record are kept under its name',
    );
  }
}

const nameOf = ({ lineage, position }: Pick<Truth, 'lineage' | 'position'>): string =>
  `${lineage} ${position}`;

const poisonName = ({ lineage, position }: Truth): string => `${POISON_PREFIX}${lineage}/${position}`;

type Cursor = readonly [ordinal: number, panes: number];

const BEGINNING: Cursor = [0, 0];

const isSame = ([ordinal, panes] = BEGINNING, [otherOrdinal, otherPanes] = BEGINNING): boolean =>
  ordinal === otherOrdinal && panes === otherPanes;

/** The groups of a generation that have the keys of one of the next. */
function partsOf(index: number, groups: number, earlier: number): readonly number[] {
  const all = Array.from({ length: earlier }, (_, at) => at);
  return all.filter((at) =>
    earlier > groups
      ? Math.floor((at * groups) / earlier) === index
      : at === Math.floor((index * earlier) / groups),
  );
}

/** The records that are in, over all groups and generations, and what must come of them. */
class Taken {
  readonly poison: Truth[] = [];
  readonly revisions = new Map<string, number>();
  /** Those that have gone to a dead-letter queue; and of them those that are behind their lineage's position. */
  readonly buried = new Set<Truth>();
  readonly passed = new Set<Truth>();
  readonly #oracle: Oracle;
  readonly #names = new Set<string>();
  /** Those among them that changed no window. */
  readonly #refused = new Set<string>();

  constructor(oracle: Oracle) {
    this.#oracle = oracle;
  }

  has(truth: Truth): boolean {
    return this.#names.has(nameOf(truth));
  }

  wasRefused(truth: Truth): boolean {
    return this.#refused.has(nameOf(truth));
  }

  take(truth: Truth, by: Deployed): Outcome {
    // Once more, it changes nothing: it is counted late, as its windows have closed.
    if (this.has(truth)) return 'late';
    const outcome = this.#oracle.take(truth, by);
    const name = nameOf(truth);
    this.#names.add(name);
    if (outcome !== 'applied') this.#refused.add(name);
    if (outcome === 'poison') this.poison.push(truth);
    return outcome;
  }

  commit(): void {
    this.#oracle.commit();
  }

  handOver(...of: Parameters<Oracle['handOver']>): void {
    this.#oracle.handOver(...of);
  }

  pass({ content }: Truth, watermarks: ReadonlyMap<string, EpochMillis>): void {
    const { key = '' } = content ?? {};
    const watermark = watermarks.get(key);
    if (watermark !== undefined) this.#oracle.pass(key, watermark);
  }

  finish(truths: readonly Truth[], now: EpochMillis): readonly GroupPane[] {
    const missing = truths.filter((one) => !this.has(one) && !this.buried.has(one));
    must(missing.length === 0, 'Every record is taken in', () => missing.map(nameOf));
    this.#oracle.idle(now);
    return this.#oracle.panes();
  }
}

/** One group's log, entry by entry. */
class GroupAudit {
  readonly #pipeline: Pipeline;
  readonly groups: number;
  readonly #index: number;
  /** Its records, by lineage. */
  readonly #own = new Map<string, readonly Truth[]>();
  readonly #taken: Taken;
  /** The groups of the generation before that have its keys. */
  readonly #parts: readonly (GroupAudit | undefined)[] | undefined;
  readonly #reader = new LogReader();
  /** That its last entry was written by; 0 before the first. */
  version = 0;
  counted = { applied: 0, late: 0, poison: 0 };
  watermarks: ReadonlyMap<string, EpochMillis> = new Map();
  sealed = false;

  constructor(
    {
      pipeline,
      groups,
      index,
    }: { readonly pipeline: Pipeline; readonly groups: number; readonly index: number },
    truths: readonly Truth[],
    taken: Taken,
    parts: readonly (GroupAudit | undefined)[] | undefined,
  ) {
    this.#pipeline = pipeline;
    this.groups = groups;
    this.#index = index;
    this.#taken = taken;
    this.#parts = parts;
    this.add(truths);
  }

  /** Of some records of the source those that are its own. */
  add(truths: readonly Truth[]): void {
    for (const one of truths) {
      if (groupOf(one.hash, this.groups) !== this.#index) continue;
      const others = this.#own.get(one.lineage) ?? [];
      const at = this.#pipeline.source.ordered
        ? others.findIndex(({ position }) => isAfter(position, one.position))
        : -1;
      this.#own.set(one.lineage, others.toSpliced(at < 0 ? others.length : at, 0, one));
    }
  }

  appended(entry: LogEntry, by: Deployed, batch: readonly Truth[]): void {
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
    auditLedger(view, outcomes, where);
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
  #begin({ watermarks }: EntryView, parts: readonly (GroupAudit | undefined)[], where: string): void {
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
    const total = (name: Outcome): number => before.reduce((sum, part) => sum + part.counted[name], 0);
    this.counted = { applied: total('applied'), late: total('late'), poison: total('poison') };
  }

  /** What the entry took in must be the first ones of its batch that were not in. */
  #take(
    { counters, late: listed }: EntryView,
    by: Deployed,
    batch: readonly Truth[],
    where: string,
  ): ReadonlyMap<Truth, Outcome> {
    const { applied, late, poison } = this.counted;
    const news = counters.applied + counters.late + counters.poison - applied - late - poison;
    const { ordered } = this.#pipeline.source;
    const again = new Set(ordered ? [] : listed.map(nameOf));
    const outcomes = new Map<Truth, Outcome>();
    const own = this.#fresh(batch, again).slice(0, news);
    // Silence does not wait for what is no longer in the queue.
    for (const one of own) if (this.#taken.buried.has(one)) this.#taken.pass(one, this.watermarks);
    for (const one of own) {
      must(
        !ordered || this.#isNext(one),
        `The records of a lineage are taken in one after the other (${where})`,
        () => nameOf(one),
      );
      const outcome = this.#taken.take(one, by);
      outcomes.set(one, outcome);
      this.counted[outcome]++;
    }
    if (outcomes.size > 0) this.#taken.commit();
    must(
      JSON.stringify(counters) === JSON.stringify(this.counted),
      `Each record of a batch is taken in once, and counted as what it is (${where})`,
      () => ({ counters, expected: this.counted }),
    );
    return outcomes;
  }

  /** Whether it is the first of its lineage that is not in, but for those in a dead-letter queue. */
  #isNext(one: Truth): boolean {
    const own = this.#own.get(one.lineage) ?? [];
    return (
      one === own.find((other) => other === one || !(this.#taken.has(other) || this.#taken.buried.has(other)))
    );
  }

  /**
   * The records of a batch that are not in; of a source without order, which knows a record only as long as it could change
   * a window, those as well that are counted late once more. Of those that were refused it knows for as long as they come.
   */
  #fresh(batch: readonly Truth[], again: ReadonlySet<string>): readonly Truth[] {
    const fresh = new Map<string, Truth>();
    for (const one of batch) {
      const name = nameOf(one);
      if (groupOf(one.hash, this.groups) !== this.#index || one.fate === 'filtered') continue;
      if (this.#taken.has(one) && (!again.has(name) || this.#taken.wasRefused(one))) continue;
      if (this.#taken.passed.has(one)) continue;
      if (!fresh.has(name)) fresh.set(name, one);
    }
    return [...fresh.values()];
  }

  #auditPositions(view: EntryView, where: string): void {
    if (!this.#pipeline.source.ordered) return;
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
        () => ({ wrong: wrong && nameOf(wrong), position }),
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
      const one = `${labelOf(pane)} ${identity} ${key}`;
      const next = (this.#taken.revisions.get(one) ?? -1) + 1;
      must(revision === next, `Revisions follow each other (${where})`, () => ({ one, revision, next }));
      this.#taken.revisions.set(one, next);
    }
  }
}

/** The records that an entry moved past and did not take in are those that it lists. */
function auditLedger(
  { poison, late }: EntryView,
  outcomes: ReadonlyMap<Truth, Outcome>,
  where: string,
): void {
  for (const [listed, outcome] of [
    [poison, 'poison'],
    [late, 'late'],
  ] as const) {
    mustMatch(
      listed.map(nameOf),
      [...outcomes].filter(([, of]) => of === outcome).map(([one]) => nameOf(one)),
      `An entry lists its ${outcome} records (${where})`,
    );
  }
  must(
    late.every(({ at, watermark }) => at < watermark),
    `A late record is behind its key's watermark (${where})`,
    () => late,
  );
}

/** Windows of one name of which one began anew are told apart by the version in which they did. */
const labelOf = ({ window, layout: { epoch } }: GroupPane): string =>
  epoch === 0 ? window : `${window}@${epoch}`;

interface WrittenPane {
  readonly pane: GroupPane;
  readonly line: string;
}

function auditRows(pipeline: Pipeline, { rows }: MemoryPorts, written: readonly WrittenPane[]): void {
  const latest = new Map<string, WrittenPane>();
  const offer = (name: string, one: WrittenPane, ranks: (pane: GroupPane) => readonly number[]): void => {
    const other = latest.get(name);
    if (other === undefined || isGreater(ranks(one.pane), ranks(other.pane))) latest.set(name, one);
  };
  for (const one of written) {
    const { key, layout, kind, index, identity } = one.pane;
    const name = `${pipeline.name}#${key}|${labelOf(one.pane)}`;
    offer(`${name}#latest`, one, ranksOf);
    // Windows of time stand under their start, batches under their ordinal; what is per record only as the latest.
    if (layout.identity === 'none' || kind === 'rolling') continue;
    if (layout.identity === 'index' && !layout.ordered) continue;
    offer(`${name}#${index ?? isoTime(identity as EpochMillis)}`, one, ({ revision }) => [revision]);
  }
  mustMatch(
    [...rows.stored].flatMap(([partition, sorts]) =>
      [...sorts].map(([sort, { pane }]) => `${partition}|${sort} ${JSON.stringify(pane)}`),
    ),
    [...latest].map(([name, { line }]) => `${name} ${line}`),
    'The rows are the latest pane of each key and window, and the last of each closed window',
  );
}

/** By what the latest pane of a window is told, the first figure first. */
const ranksOf = ({ layout, identity, start, end, revision }: GroupPane): readonly number[] => {
  if (!layout.ordered) return [end, -start, revision];
  return layout.identity === 'none' ? [revision] : [identity];
};

function isGreater(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((figure, place) => figure !== b[place]);
  return at >= 0 && (a[at] as number) > (b[at] as number);
}
