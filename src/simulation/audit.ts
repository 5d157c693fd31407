import { gunzipSync } from 'node:zlib';
import type { MemoryPorts } from '../adapters/memory/index.ts';
import { type EpochMillis, isoTime } from '../core/time.ts';
import { writtenPane } from '../engine/delivery/written-pane.ts';
import type { GroupPane } from '../engine/group/group.ts';
import type { KeptRecord } from '../engine/intake/poison.ts';
import type { Pane, Pipeline } from '../pipeline/pipeline.ts';
import type { Sink } from '../pipeline/sinks.ts';
import { upstreamOf } from '../pipeline/upstream.ts';
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
import { GroupLogAudit, lateName, recordName, Taken, windowLabel } from './audit-group.ts';
import { Deployments } from './deployed.ts';
import {
  type Covered,
  intentOf,
  redrivenIn,
  refusedIn,
  rowsCoveredBy,
  writtenDefinition,
} from './log-format.ts';
import { Oracle } from './oracle.ts';
import { SHAPES } from './shapes.ts';
import { type Case, type Part, partsOfTruth, positionIn, type Truth } from './truth.ts';
import { must, mustMatch } from './violation.ts';

/** What a schedule produced. */
export interface Audited {
  readonly panes: number;
  /** Panes that revise an earlier pane, because of late or later records. */
  readonly corrections: number;
}

/**
 * Checks a schedule against the rules: each entry as it is appended, each answer as it is returned, and the
 * whole once no work remains.
 */
export class Audit {
  /** The first version. Every version has the same name and source. */
  readonly #pipeline: Pipeline;
  readonly #limits: Case['limits'];
  /** Whether a message that is moved back from a dead-letter queue is the one that it was. */
  readonly #keepsIds: boolean;
  readonly deployments: Deployments;
  /** Of all records, those that are taken in or refused. */
  #parts: readonly Part[];
  /** The records that redrives have taken in again. */
  readonly #copied = new Set<Part>();
  /** Those that redrives have listed, in order. */
  readonly #redriven: Part[] = [];
  readonly #taken: Taken;
  /** The audits of group logs, by log. */
  readonly #groups = new Map<string, GroupLogAudit>();
  /** The number of key groups of each generation, by the generation's number. */
  #generations: ReadonlyMap<number, number> = new Map();
  /** Every entry that was ever appended, as some expire. */
  readonly #entries = new Map<string, LogEntry[]>();

  constructor({ versions, lineages, limits }: Case) {
    this.#limits = limits;
    [this.#pipeline] = versions;
    this.#keepsIds = SHAPES[this.#pipeline.source.kind].keepsIds;
    this.deployments = new Deployments(versions);
    this.#parts = this.#taking(lineages.flatMap(({ truths }) => truths));
    this.#taken = new Taken(new Oracle(), this.#pipeline.source.lineage.ordered);
  }

  /**
   * Checks an entry that has been appended.
   *
   * @param version the version that appended it
   * @param batch the records of the invocation that appended it; empty if it processed no batch
   * @param arrival when all of them arrived, where their source does not say so
   */
  appended(
    log: string,
    entry: LogEntry,
    version: number,
    batch: readonly Truth[] | 'redriven',
    arrival: EpochMillis | undefined,
  ): void {
    const entries = this.#entries.get(log) ?? [];
    must(entries.length + 1 === entry.ordinal, `The ordinals of log ${log} are 1, 2, 3, …`, () => ({
      ordinal: entry.ordinal,
    }));
    entries.push(entry);
    this.#entries.set(log, entries);
    const { name } = this.#pipeline;
    if (log === definitionLog(name)) {
      const definition = writtenDefinition(entry);
      this.#generations = definition.generations;
      this.deployments.begin(definition.version);
    }
    if (log.startsWith(groupLogPrefix(name)))
      this.#groupOf(log).appended(
        entry,
        this.deployments.at(version),
        batch === 'redriven' ? this.#redriven : batch.flatMap(this.#partsOf),
        arrival,
      );
  }

  /** How many generations have begun. */
  get generations(): number {
    return this.#generations.size;
  }

  /**
   * Notes records that have gone to a dead-letter queue. They need no longer be taken in, and may not be once
   * later records are.
   */
  buried(dead: ReadonlySet<Truth>): void {
    for (const truth of dead) for (const part of this.#partsOf(truth)) this.#taken.buried.add(part);
  }

  /**
   * Adds the records of a list that a redrive has created, if it is one.
   *
   * @returns how many of these were kept, and how many Lambda had given up
   */
  listed(list: Uint8Array = new Uint8Array()): { readonly kept: number; readonly missed: number } {
    const { ordered } = this.#pipeline.source.lineage;
    const originals = new Map(this.#parts.map((part) => [recordName(part), part]));
    let missed = 0;
    const parts = redrivenIn(list, ordered).map(({ of, failed, ...place }): Part => {
      const original = originals.get(recordName(of));
      must(original !== undefined, 'A redrive takes in what was refused or came late', () => of);
      // A source without order may deliver a record once more when it is forgotten. Then it counts as late.
      const isOut = failed ? this.#isGivenUp(original) : !ordered || this.#taken.wasRefused(original);
      must(isOut, 'A redrive takes in no record that is in', () => of);
      must(!this.#copied.has(original), 'A record is in one list at most', () => of);
      this.#copied.add(original);
      if (failed) {
        missed++;
        // It stands for the record, which may not be taken in as well.
        this.#taken.passed.add(original);
      }
      return { ...original, ...place };
    });
    this.#parts = [...this.#parts, ...parts];
    this.#redriven.push(...parts);
    for (const group of this.#groups.values()) group.add(parts);
    return { kept: parts.length - missed, missed };
  }

  /** Whether any record was taken in, so that the pipeline knows its source. */
  get hasBegun(): boolean {
    return this.#taken.hasAny;
  }

  readonly #isGivenUp = (part: Part): boolean => this.#taken.buried.has(part) && !this.#taken.has(part);

  readonly #isMissing = (part: Part): boolean => this.#isGivenUp(part) && !this.#copied.has(part);

  /** Whether a part of a record was given up, and neither taken in nor redriven. */
  isMissing({ lineage, position, member, child }: KeptRecord): boolean {
    const { ordered } = this.#pipeline.source.lineage;
    const name = recordName({ lineage, position: positionIn(position, member, child, ordered) });
    return this.#parts.some((part) => recordName(part) === name && this.#isMissing(part));
  }

  /** Checks that a redrive of all that was given up leaves nothing of it. */
  redrivenAll(): void {
    const missing = this.#parts.filter(this.#isMissing);
    must(missing.length === 0, 'A redrive takes in what was given up and is not in', () =>
      missing.map(recordName),
    );
  }

  /** Adds records that were moved back to the source from a dead-letter queue, or that are delivered from there. */
  resent(again: readonly Truth[]): void {
    if (this.#keepsIds) {
      for (const part of again.flatMap(this.#partsOf)) this.#taken.buried.delete(part);
      return;
    }
    const parts = this.#taking(again);
    this.#parts = [...this.#parts, ...parts];
    for (const group of this.#groups.values()) group.add(parts);
  }

  readonly #partsOf = (truth: Truth): readonly Part[] =>
    partsOfTruth(truth, this.#pipeline.source.lineage.ordered);

  readonly #taking = (truths: readonly Truth[]): readonly Part[] =>
    truths.flatMap(this.#partsOf).filter(({ fate }) => fate !== 'filtered');

  #groupOf(log: string): GroupLogAudit {
    const audited = this.#groups.get(log);
    if (audited) return audited;
    const { name } = this.#pipeline;
    const [number, index] = log.slice(groupLogPrefix(name).length).split('/').map(Number) as [number, number];
    const groups = this.#generations.get(number);
    must(groups !== undefined && index < groups, 'Every group log is of a group', () => log);
    const earlier = this.#generations.get(number - 1);
    const group = new GroupLogAudit(
      { log, pipeline: this.#pipeline, groups, index, limits: this.#limits },
      this.#parts,
      this.#taken,
      earlier === undefined
        ? undefined
        : groupsBefore(index, groups, earlier).map((at) => this.#groups.get(groupLog(name, number - 1, at))),
    );
    this.#groups.set(log, group);
    return group;
  }

  /** Checks what an answer promises against the logs at that moment. */
  answered(
    batch: readonly Truth[],
    /** The records that are redelivered. */
    back: ReadonlySet<Truth>,
    /** What the invocation counted. */
    counted: Readonly<Record<Metric, number>>,
    /** Whether it met a fault, or ran out of time. */
    excused: boolean,
  ): void {
    must(
      batch.every((truth) => back.has(truth) || this.#partsOf(truth).every((part) => this.#isTaken(part))),
      'Every record that an answer does not give back is committed',
    );
    if (back.size > 0) must(excused, 'A batch that meets no fault is wholly committed');
    else {
      const { received, applied, duplicate, late, filtered, poison } = counted;
      must(received === batch.length, 'Every record of a batch is received', () => counted);
      // A record that has no children is filtered as a whole.
      const parts = batch.reduce((total, truth) => total + Math.max(1, this.#partsOf(truth).length), 0);
      must(
        parts === applied + duplicate + late + filtered + poison,
        'Of a batch wholly committed, its records, or their children, = applied + duplicate + late + filtered + poison',
        () => ({ ...counted, parts }),
      );
    }
  }

  /** Checks the whole once no work remains and every key has been silent until `now`. */
  finish(ports: MemoryPorts, now: EpochMillis): Audited {
    const last = this.deployments.at(this.deployments.version);
    for (const group of this.#groups.values()) if (!group.sealed) group.handOver(last, now);
    const expected = this.#taken.finish(this.#parts, now);
    const written = expected.map((pane) => {
      const shown = writtenPane(this.#pipeline, pane);
      return { pane, id: shown.id, line: JSON.stringify(shown) };
    });
    must(new Set(written.map(({ id }) => id)).size === written.length, 'No two panes have one id');
    const sinks: { readonly [Kind in Sink['kind']]: () => void } = {
      bucket: () => {
        this.#auditObjects(
          ports,
          written.map(({ line }) => line),
        );
        this.#mustComeToTheEnd(this.#auditIntents(ports));
      },
      table: () => {
        this.#mustComeToTheEnd(this.#rowsCovered());
        auditRows(this.#pipeline, ports, written);
      },
      notify: () => {},
      stream: () => {},
      push: () => {},
      sink: () => {},
    };
    for (const auditSink of Object.values(sinks)) auditSink();
    this.#auditKept(ports);
    return { panes: expected.length, corrections: expected.filter(({ revision }) => revision > 0).length };
  }

  /** Returns the records of which some part is not in. */
  untaken(batch: readonly Truth[]): ReadonlySet<Truth> {
    return new Set(batch.filter((truth) => !this.#partsOf(truth).every((part) => this.#isTaken(part))));
  }

  #isTaken(part: Part): boolean {
    return part.fate === 'filtered' || this.#taken.has(part) || this.#taken.passed.has(part);
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

  /**
   * Checks that the stretches of the intents tile each group's log from its beginning on, and that every
   * object that they name exists.
   *
   * @returns up to where they cover the logs
   */
  #auditIntents({ objects }: MemoryPorts): Covered {
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
      [...objects.stored.keys()].filter((object) => object.startsWith(PANES_PREFIX)),
      names,
      'Every intent completes, and no object is there without one',
    );
    return covered;
  }

  /**
   * Collects what all entries cover, as the last entry no longer has the groups of a generation that is long
   * gone.
   */
  #rowsCovered(): Covered {
    const entries = this.#entries.get(rowsLog(this.#pipeline.name)) ?? [];
    return new Map(entries.flatMap((entry) => [...rowsCoveredBy(entry)]));
  }

  #mustComeToTheEnd(covered: Covered): void {
    for (const log of this.#groups.keys()) {
      const end = this.#entries.get(log)?.length ?? 0;
      const to = covered.get(log);
      must(isSame(to, [end, 0]), 'Every projector comes to the end of every log', () => ({ log, end, to }));
    }
  }

  #auditKept({ objects }: MemoryPorts): void {
    const { ordered } = this.#pipeline.source.lineage;
    const linesOf = (object: string) =>
      refusedIn(objects.stored.get(object)?.body ?? new Uint8Array(), ordered);
    for (const [object = '', refused] of this.#taken.kept) {
      mustMatch(
        linesOf(object).map(recordName),
        refused,
        'An entry names the object of the records it refuses',
      );
    }
    const bytesOf = new Map(this.#parts.map((part) => [recordName(part), part.data]));
    for (const [object, late] of this.#taken.keptLate) {
      const lines = linesOf(object);
      mustMatch(
        lines.map(lateName),
        late,
        'Every late record that an entry lists is kept, and no other beside it',
      );
      mustMatch(
        lines.map(({ data }) => data),
        lines.map((line) => Buffer.from(bytesOf.get(recordName(line)) ?? '').toString('base64')),
        'The bytes of every late record are kept',
      );
    }
    const refused = new Set(this.#taken.poison);
    // Such a line was kept before a commit that never came, as its record went to a dead-letter queue; by a try that
    // found no room; or by one of another version, whose windows have a function that throws at what a pane holds.
    const mayBeTaken = this.#limits !== undefined || upstreamOf(this.#pipeline) !== undefined;
    const isSpare = (part: Part): boolean =>
      this.#taken.has(part)
        ? mayBeTaken && part.content !== undefined && !refused.has(part)
        : this.#taken.buried.has(part);
    const spare = new Set(this.#parts.filter(isSpare).map(recordName));
    const names = [...objects.stored.keys()].filter((name) => name.startsWith(POISON_PREFIX));
    const lines = names.flatMap(linesOf).filter((line) => !spare.has(recordName(line)));
    mustMatch(
      [...new Set(lines.map((line) => `${recordName(line)} ${line.data}`))],
      this.#taken.poison.map((part) => `${recordName(part)} ${Buffer.from(part.data).toString('base64')}`),
      'The bytes of every refused record are kept, and of no other',
    );
  }
}

type Cursor = readonly [ordinal: number, panes: number];

const BEGINNING: Cursor = [0, 0];

const isSame = ([ordinal, panes] = BEGINNING, [otherOrdinal, otherPanes] = BEGINNING): boolean =>
  ordinal === otherOrdinal && panes === otherPanes;

/** Returns the groups of a generation that have the keys of a group of the next generation. */
function groupsBefore(index: number, groups: number, earlier: number): readonly number[] {
  const all = Array.from({ length: earlier }, (_, at) => at);
  return all.filter((at) =>
    earlier > groups
      ? Math.floor((at * groups) / earlier) === index
      : at === Math.floor((index * earlier) / groups),
  );
}

interface WrittenPane {
  readonly pane: GroupPane;
  readonly line: string;
}

function auditRows(pipeline: Pipeline, { rows }: MemoryPorts, written: readonly WrittenPane[]): void {
  const latest = new Map<string, WrittenPane>();
  const offer = (name: string, offered: WrittenPane, ranks: (pane: GroupPane) => readonly number[]): void => {
    const rival = latest.get(name);
    if (rival === undefined || isGreater(ranks(offered.pane), ranks(rival.pane))) latest.set(name, offered);
  };
  for (const offered of written) {
    const { key, layout, kind, index, identity } = offered.pane;
    const name = `${pipeline.name}#${key}|${windowLabel(offered.pane)}`;
    offer(`${name}#latest`, offered, ranksOf);
    // Windows of time are rows under their start, batches under their ordinal. Windows per record only have
    // the row of the latest pane.
    if (layout.identity === 'none' || kind === 'rolling') continue;
    if (layout.identity === 'index' && !layout.ordered) continue;
    offer(`${name}#${index ?? isoTime(identity as EpochMillis)}`, offered, ({ revision }) => [revision]);
  }
  mustMatch(
    [...rows.stored].flatMap(([partition, sorts]) =>
      [...sorts].map(([sort, { pane }]) => `${partition}|${sort} ${JSON.stringify(pane)}`),
    ),
    [...latest].map(([name, { line }]) => `${name} ${line}`),
    'The rows are the latest pane of each key and window, and the last of each closed window',
  );
}

/** Returns the figures that decide which pane of a window is the latest, the first figure first. */
const ranksOf = ({ layout, identity, start, end, revision }: GroupPane): readonly number[] => {
  if (!layout.ordered) return [end, -start, revision];
  return layout.identity === 'none' ? [revision] : [identity];
};

function isGreater(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((figure, place) => figure !== b[place]);
  return at >= 0 && (a[at] as number) > (b[at] as number);
}
