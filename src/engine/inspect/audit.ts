import { type EpochMillis, type Millis, millis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { bySink, type Sink, sinkName } from '../../pipeline/sinks.ts';
import { LIMITS } from '../../ports/limits.ts';
import { definitionLog, messagesLog, rowsLog } from '../../wiring/names.ts';
import type { NotingSink } from '../delivery/project-messages.ts';
import { decodeCovered } from '../delivery/project-rows.ts';
import { BEGINNING, type Skip } from '../delivery/stretch.ts';
import { type GroupEntry, readEntry } from '../format/read-entry.ts';
import { decodeSinkCursor } from '../format/sink-cursor.ts';
import { present } from '../group/deployment.ts';
import type { Counters } from '../group/group.ts';
import { isKept } from '../group/lifetimes.ts';
import { definitionIn } from '../log/definition-log.ts';
import { wholeEntry, wholeLog } from '../log/spill.ts';
import { type Finding, Findings } from './audit-findings.ts';
import { auditDefinition, auditPart, type PartAudit, partsOf, sumOf } from './audit-generations.ts';
import type { AuditPorts, GroupAudit } from './audit-logs.ts';
import {
  auditIntents,
  auditObjects,
  type IntentsAudit,
  type ObjectCounts,
  type Unfinished,
} from './audit-objects.ts';
import { auditCursors, auditRows, type Coverage, KeyRows, type RowCounts } from './audit-rows.ts';

export type { Finding } from './audit-findings.ts';
export type { AuditPorts } from './audit-logs.ts';

export interface AuditOptions {
  /**
   * What waits for less than this is reported, but is no finding: panes to be delivered, an intent to be
   * finished. Default 10 minutes.
   */
  readonly patience?: Millis;
  readonly onProgress?: (progress: AuditProgress) => void;
}

export interface AuditProgress {
  /** Parts are those of the key space: the groups of the generation that had fewest. */
  readonly what: 'intents' | 'parts' | 'objects';
  readonly done: number;
  /** Undefined where the total is unknown before the end. */
  readonly of?: number;
}

/** How far a projector is behind the logs. */
interface ProjectorAudit {
  readonly sink: Sink['kind'];
  /** What the sink is called among those of its pipeline. */
  readonly name: string;
  readonly log: string;
  readonly entries: number;
  /** The age of the oldest entry that is not covered; undefined where all are. */
  readonly ageMillis: Millis | undefined;
  readonly unfinished: Unfinished | undefined;
  /** What it skipped when it was resumed: panes that its sink will never have. */
  readonly skipped: readonly Skip[];
}

export interface AuditReport {
  readonly pipeline: string;
  readonly at: EpochMillis;
  /** The counters of the pipeline's records since it began. */
  readonly records: Counters;
  readonly logs: {
    readonly generation: number;
    /** The number of groups of that generation. */
    readonly groups: number;
    readonly entries: number;
    readonly panes: number;
    /**
     * How many logs, of any generation, have lost their first entries to expiry, or cannot be read
     * throughout.
     */
    readonly cut: number;
    /** The groups that are at least half-way to where they take in no records of new keys: see `roomUsed`. */
    readonly crowded: readonly { readonly log: string; readonly roomUsed: number }[];
  };
  readonly objects: ObjectCounts | undefined;
  readonly rows: RowCounts | undefined;
  readonly projectors: readonly ProjectorAudit[];
  /** The first findings. `counts` has the number of each kind. */
  readonly findings: readonly Finding[];
  readonly counts: { readonly [Kind in Finding['kind']]?: number };
}

export const PATIENCE = millis('10m');

const CROWDED = LIMITS.crowded / LIMITS.newKeys;

/**
 * Compares everything that a pipeline keeps: its logs, entry by entry, then the rows and the objects with the
 * panes of the logs. It writes nothing, and may run beside the pipeline, but not across a change of its
 * definition.
 *
 * It reads each log twice, once by itself and once as the intents cut it, every object, and the rows of every
 * key that the logs name. It holds one group in memory at a time, or the groups of several generations that
 * have keys in common, and the panes of one hour of the bucket.
 *
 * @throws RangeError and OutdatedError when the pipeline is not the deployed one; Error when none is
 * deployed, or it changes meanwhile
 */
export async function audit(
  ports: AuditPorts,
  pipeline: Pipeline,
  { patience = PATIENCE, onProgress = () => {} }: AuditOptions = {},
): Promise<AuditReport> {
  const findings = new Findings();
  const { deployment, isBegun } = await auditDefinition(ports, pipeline, findings);
  const isTold = findings.list.length > 0;

  // The projectors come before the logs: what they cover is in the logs, and in the sinks, by the time that
  // those are read.
  const messages = (sink: NotingSink) => () => {
    const log = messagesLog(pipeline.name, sink.name);
    return auditCursors(ports, deployment, { sink, log, decode: decodeSinkCursor }, findings);
  };
  const audits = bySink(pipeline.sinks, {
    table: (sink) => () =>
      auditCursors(ports, deployment, { sink, log: rowsLog(pipeline.name), decode: decodeCovered }, findings),
    bucket: (sink) => () => auditIntents(ports, deployment, sink, findings, counter('intents', onProgress)),
    notify: messages,
    stream: messages,
    // Nothing is noted of what is pushed.
    push: () => undefined,
    sink: messages,
  });
  const rowCursors = await audits.table[0]?.();
  const intents = await audits.bucket[0]?.();
  // What was sent cannot be read back: how far it goes is all that can be audited.
  const sent: Coverage[] = [];
  for (const coverageOf of [...audits.notify, ...audits.stream, ...audits.sink])
    sent.push(await coverageOf());
  const behind = [rowCursors, intents, ...sent].flatMap((coverage) =>
    coverage ? [new Behind(coverage)] : [],
  );

  const parts: Omit<PartAudit, 'keys'>[] = [];
  const rows: RowCounts = { checked: 0, unverified: 0 };
  const partDone = counter('parts', onProgress, partsOf(deployment));
  for (let part = 0; part < partsOf(deployment); part++) {
    const keyRows = rowCursors && new KeyRows(pipeline, ports.reading.rows, rowCursors);
    const audited = await auditPart(ports, deployment, part, patience, findings, (log, entry) => {
      keyRows?.take(log, entry);
      for (const projector of behind) projector.take(log, entry);
    });
    for (const group of audited.groups) checkCovered(group, behind, ports.clock.now(), findings);
    if (keyRows) await auditRowsOf(ports, pipeline, audited, keyRows, rows, findings);
    parts.push({ counters: audited.counters, groups: audited.groups });
    partDone();
  }
  const groups = parts.flatMap((part) => part.groups);
  const entries = groups.reduce((total, group) => total + group.entries, 0);
  if (!isBegun && entries > 0 && !isTold)
    findings.add({ kind: 'lost-log', log: definitionLog(pipeline.name) });
  if (!isBegun && findings.list.length === 0) {
    throw new Error(`Cannot audit "${pipeline.name}" as it must have begun: there are no logs of it`);
  }
  const objects =
    intents && (await auditObjects(ports, pipeline, intents, findings, counter('objects', onProgress)));
  await checkUnchanged(ports, pipeline, deployment.generations.length);

  const now = ports.clock.now();
  const projectors = behind.map((projector) => projector.report(now, intents));
  for (const projector of projectors) judge(projector, patience, findings);
  const { number: generation, groups: presentGroups } = present(deployment);
  return {
    pipeline: pipeline.name,
    at: now,
    records: sumOf(parts),
    logs: {
      generation,
      groups: presentGroups,
      entries,
      panes: groups.reduce((total, { panes }) => total + panes, 0),
      cut: groups.filter(({ isWhole }) => !isWhole).length,
      crowded: groups
        .filter((group) => group.roomUsed >= CROWDED)
        .map(({ log, roomUsed }) => ({ log, roomUsed })),
    },
    objects,
    rows: rowCursors && rows,
    projectors,
    findings: findings.list,
    counts: Object.fromEntries(findings.counts),
  };
}

/**
 * Checks that the number of groups has not changed, as the old groups would be compared with what the new
 * ones write.
 */
async function checkUnchanged(ports: AuditPorts, { name }: Pipeline, generations: number): Promise<void> {
  const last = (await wholeLog(ports).after(definitionLog(name), 0)).at(-1);
  if (last === undefined || definitionIn(last).generations.length <= generations) return;
  throw new Error(
    `Cannot audit "${name}" as the number of its key groups must not change meanwhile: audit it again`,
  );
}

/** Checks that what a projector has covered is in the log, unless it is old enough to have expired. */
function checkCovered(
  { log, last }: GroupAudit,
  behind: readonly Behind[],
  now: EpochMillis,
  findings: Findings,
): void {
  if (last === undefined || !isKept(last.committedAt, now)) return;
  const next = Math.max(...behind.map((projector) => projector.next(log)));
  if (next <= last.ordinal + 1) return;
  findings.add({ kind: 'gap', log, after: last.ordinal, next });
}

/** Compares the rows of some keys with the logs. Rows may be newer than the logs were when they were read. */
async function auditRowsOf(
  ports: AuditPorts,
  pipeline: Pipeline,
  { keys, groups }: PartAudit,
  rows: KeyRows,
  counts: RowCounts,
  findings: Findings,
): Promise<void> {
  const read = new Map(groups.map(({ log, last }) => [log, last?.ordinal ?? 0]));
  const catchUp = async (): Promise<void> => {
    for (const [log, ordinal] of read) {
      for (const entry of await ports.log.after(log, ordinal)) {
        rows.take(log, readEntry(await wholeEntry(ports.reading.objects, entry)));
        read.set(log, entry.ordinal);
      }
    }
  };
  const { names, isWhole } = keys;
  const { checked, unverified } = await auditRows(ports, pipeline, names, rows, isWhole, catchUp, findings);
  counts.checked += checked;
  counts.unverified += unverified;
}

/** What a projector has yet to cover. */
class Behind {
  readonly #coverage: Coverage;
  #entries = 0;
  #oldest: EpochMillis | undefined;

  constructor(coverage: Coverage) {
    this.#coverage = coverage;
  }

  /** Returns the first ordinal of a log that need not exist for what is covered. */
  next(log: string): number {
    const [ordinal, panes] = this.#coverage.covered.get(log) ?? BEGINNING;
    return panes > 0 ? ordinal + 2 : ordinal + 1;
  }

  take(log: string, { ordinal, committedAt }: GroupEntry): void {
    const [covered] = this.#coverage.covered.get(log) ?? BEGINNING;
    if (ordinal <= covered) return;
    this.#entries++;
    if (this.#oldest === undefined || committedAt < this.#oldest) this.#oldest = committedAt;
  }

  report(now: EpochMillis, intents: IntentsAudit | undefined): ProjectorAudit {
    const { sink, log, skipped } = this.#coverage;
    return {
      sink: sink.kind,
      name: sinkName(sink),
      log,
      entries: this.#entries,
      ageMillis: this.#oldest === undefined ? undefined : ((now - this.#oldest) as Millis),
      unfinished: this.#coverage === intents ? intents.unfinished : undefined,
      skipped,
    };
  }
}

function judge(projector: ProjectorAudit, patience: Millis, findings: Findings): void {
  const { log, entries, ageMillis, unfinished } = projector;
  if (ageMillis !== undefined && ageMillis >= patience) {
    findings.add({ kind: 'trailing-projector', log, entries, ageMillis });
  }
  if (unfinished !== undefined && unfinished.ageMillis >= patience) {
    findings.add({ kind: 'unfinished-intent', log, ...unfinished });
  }
}

/** Wraps a step, so that it counts itself. */
function counter(
  what: AuditProgress['what'],
  onProgress: (progress: AuditProgress) => void,
  of?: number,
): () => void {
  let done = 0;
  return () => onProgress({ what, done: ++done, ...(of === undefined ? {} : { of }) });
}
