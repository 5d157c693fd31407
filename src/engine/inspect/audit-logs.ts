import { CodecError } from '../../core/codec.ts';
import type { StoredKey } from '../../core/key.ts';
import { isAfter, type SubPlace, subPlaceOf } from '../../core/position.ts';
import { after, type EpochMillis } from '../../core/time.ts';
import {
  ENTRY_LIFETIME,
  type EntryPlace,
  type LogEntry,
  LogLostError,
  type StoredEntry,
} from '../../ports/commit-log.ts';
import type { Ports } from '../../ports/index.ts';
import type { Reading } from '../../ports/reading.ts';
import { groupLog } from '../../wiring/names.ts';
import { writtenPane } from '../delivery/written-pane.ts';
import { baseOf } from '../format/entry.ts';
import { type GroupEntry, readEntry } from '../format/read-entry.ts';
import { readGroup } from '../format/read-group.ts';
import type { Deployment, Generation } from '../group/deployment.ts';
import {
  type Counters,
  EMPTY_GROUP,
  type Group,
  type GroupPane,
  lateByWindow,
  type Reached,
} from '../group/group.ts';
import { hasItsSnapshot, isKept } from '../group/lifetimes.ts';
import { roomUsed } from '../group/room.ts';
import { type KeptRecord, lateObjectOf, readKept } from '../intake/poison.ts';
import { wholeEntry } from '../log/spill.ts';
import { Digests, digestOf, type Findings } from './audit-findings.ts';

/**
 * The log as it is stored, with large bodies still as objects: where one of those is missing, the others can
 * be read.
 */
export interface AuditPorts extends Pick<Ports, 'log' | 'clock'> {
  readonly objects: Pick<Ports['objects'], 'exists' | 'create' | 'read'>;
  readonly reading: Reading;
}

/**
 * An entry, and what it holds if it can be read. `before` says what precedes it: nothing, where it is the
 * first of its log; an entry that was read; or entries of which nobody knows what they held.
 */
interface WalkedEntry<Content> {
  readonly entry: EntryPlace;
  readonly content: Content | undefined;
  readonly before: 'nothing' | 'entry' | 'unknown';
}

/**
 * Returns the remaining entries of a log, in order.
 *
 * Entries expire when their lifetime is over, in any order. An entry must exist if an older entry is too
 * young to have expired. The entries before the first remaining one must exist too, if it is so young that
 * the entry before it, which is renewed at a quarter of the lifetime, cannot have expired.
 *
 * @param mayBeGone whether nothing has been appended for so long that all entries may have expired
 * @param beginsAnew says whether an entry continues a log of which all entries had expired
 */
export async function* walkLog<Content>(
  { log, clock, reading }: Pick<AuditPorts, 'log' | 'clock' | 'reading'>,
  name: string,
  read: (entry: LogEntry) => Content,
  findings: Findings,
  {
    mayBeGone = false,
    beginsAnew = () => false,
  }: { readonly mayBeGone?: boolean; readonly beginsAnew?: (content: Content) => boolean } = {},
): AsyncGenerator<WalkedEntry<Content>> {
  const now = clock.now();
  const readWhole = async (entry: StoredEntry) => read(await wholeEntry(reading.objects, entry));
  let last: EntryPlace | undefined;
  let isKnown = true;
  for (;;) {
    const entries = await log.after(name, last?.ordinal ?? 0);
    for (const entry of entries) {
      const before = last?.ordinal ?? 0;
      const follows = entry.ordinal === before + 1;
      const age = last === undefined ? 2 * (now - entry.committedAt) : now - last.committedAt;
      const content = await readOr(name, entry, readWhole, findings);
      const isBeginning = last === undefined && content !== undefined && beginsAnew(content);
      if (!follows && age < ENTRY_LIFETIME && !isBeginning) {
        findings.add({ kind: 'gap', log: name, after: before, next: entry.ordinal });
      }
      yield { entry, content, before: !follows || !isKnown ? 'unknown' : last ? 'entry' : 'nothing' };
      last = entry;
      isKnown = content !== undefined;
    }
    if (entries.length === 0) break;
  }
  if (last === undefined && !mayBeGone && (await isLost(log, name)))
    findings.add({ kind: 'lost-log', log: name });
}

async function readOr<Content>(
  log: string,
  entry: StoredEntry,
  read: (entry: StoredEntry) => Promise<Content>,
  findings: Findings,
): Promise<Content | undefined> {
  try {
    return await read(entry);
  } catch (error) {
    if (!(error instanceof CodecError || error instanceof LogLostError)) throw error;
    findings.add({ kind: 'unreadable-entry', log, ordinal: entry.ordinal, reason: error.message });
    return undefined;
  }
}

async function isLost(log: AuditPorts['log'], name: string): Promise<boolean> {
  try {
    await log.latest(name);
    return false;
  } catch (error) {
    if (error instanceof LogLostError) return true;
    throw error;
  }
}

/** The result of auditing the log of one group. */
export interface GroupAudit {
  readonly log: string;
  readonly counters: Counters;
  readonly entries: number;
  readonly panes: number;
  /** See `roomUsed`. It is 0 where a later group has its keys. */
  readonly roomUsed: number;
  /** Whether the log exists from its first entry on. */
  readonly isWhole: boolean;
  /** Whether the log was ever written to. */
  readonly isBegun: boolean;
  /** The last entry; undefined where there is none. */
  readonly last: EntryPlace | undefined;
}

/** The result of the audit, with the group itself. */
export interface GroupStates extends GroupAudit {
  /** As of its first entry, and as of its last; undefined where that is gone or cannot be read. */
  readonly first: Group | undefined;
  readonly final: Group | undefined;
}

/**
 * Reads the log of a group, and compares each entry with the entries before it.
 *
 * @param keys what earlier generations say of its keys; the audit adds to it
 * @param seen receives every entry that can be read, and the name of the log
 */
export async function auditGroup(
  ports: AuditPorts,
  deployment: Deployment,
  generation: Generation,
  index: number,
  keys: KeyHistory,
  findings: Findings,
  seen: (log: string, entry: GroupEntry) => void,
): Promise<GroupStates> {
  const log = groupLog(deployment.pipeline.name, generation.number, index);
  const reader = new GroupReader(deployment);
  const history = new GroupHistory(deployment, log, keys, findings);
  const bases = new Bases(log, ports.clock.now(), findings);
  const counted = { entries: 0, panes: 0, isWhole: true };
  let last: GroupAudit['last'];
  let first: Group | undefined;
  const read = (entry: LogEntry) => ({
    view: readEntry(entry),
    group: reader.read(entry),
    base: baseOf(entry),
  });
  const { generations } = deployment;
  const next = generations[generations.indexOf(generation) + 1];
  const mayBeGone = next !== undefined && !isKept(next.begunAt, ports.clock.now());
  for await (const { entry, content, before } of walkLog(ports, log, read, findings, { mayBeGone })) {
    counted.entries++;
    last = { ordinal: entry.ordinal, committedAt: entry.committedAt };
    if (before === 'unknown') history.interrupt();
    if (before === 'unknown' || content === undefined) counted.isWhole = false;
    if (content === undefined) continue;
    const { view, group, base } = content;
    if (entry.ordinal === 1) first = group;
    bases.take(entry, base, group);
    // The first entry is compared with the groups that had its keys before.
    if (entry.ordinal === 1 && generation !== generations[0]) history.begin(view, group);
    else history.take(view, group);
    await checkKept(ports, log, view, findings);
    counted.panes += view.panes.length;
    seen(log, view);
  }
  bases.end();
  const isBegun = last !== undefined || (await isLost(ports.log, log));
  const isWhole = last === undefined ? !isBegun : counted.isWhole;
  if (!isWhole) keys.isWhole = false;
  const { group: final } = reader;
  if (final?.sealed && next === undefined) {
    findings.add({ kind: 'seal', log, ordinal: final.ordinal, fault: 'unexpected' });
  }
  const used = final && !final.sealed ? roomUsed(final) : 0;
  return {
    ...counted,
    log,
    roomUsed: used,
    isWhole,
    isBegun,
    last,
    first,
    final,
    counters: history.counters,
  };
}

/**
 * Checks that the bytes of every refused and of every late record are in the objects that the entry names, which are
 * written before the commit that moves past the records.
 */
async function checkKept(
  { reading }: AuditPorts,
  log: string,
  view: GroupEntry,
  findings: Findings,
): Promise<void> {
  const { ordinal, poison, poisonObject, late } = view;
  const lateObject = late.length > 0 ? lateObjectOf(log, view) : undefined;
  for (const [kind, listed, object] of [
    ['missing-poison', poison, poisonObject],
    ['missing-late', late, lateObject],
  ] as const) {
    if (object === undefined) continue;
    const body = await reading.objects.read(object);
    const kept = new Set(body && keptIn(body).map(nameOf));
    const records = listed.filter(
      ({ lineage, position }) => !kept.has(nameOf({ lineage, ...subPlaceOf(position) })),
    ).length;
    if (records > 0) findings.add({ kind, log, ordinal, object, records });
  }
}

/** Returns no record for a body that nothing here wrote. */
function keptIn(body: Uint8Array): readonly KeptRecord[] {
  try {
    return readKept(body);
  } catch (error) {
    if (error instanceof CodecError) return [];
    throw error;
  }
}

const nameOf = ({ lineage, position, member, child }: SubPlace & { readonly lineage: string }): string =>
  `${lineage} ${position} ${member} ${child}`;

/** A group as of each of its entries, from the first existing snapshot on. */
class GroupReader {
  readonly #deployment: Deployment;
  /** The group as of the last entry; undefined where a snapshot, or an entry since, is missing. */
  group: Group | undefined;

  constructor(deployment: Deployment) {
    this.#deployment = deployment;
  }

  /** @throws CodecError and LogLostError as `readGroup` does */
  read(entry: LogEntry): Group | undefined {
    const before = this.group?.ordinal === entry.ordinal - 1 ? this.group : undefined;
    this.group = undefined;
    if (before || baseOf(entry) === entry.ordinal) {
      this.group = readGroup(this.#deployment, before ?? EMPTY_GROUP, [entry]);
    }
    return this.group;
  }
}

/** Checks whether the snapshots exist from which the entries of a log are read. */
class Bases {
  readonly #log: string;
  readonly #now: EpochMillis;
  readonly #findings: Findings;
  #snapshot = 0;
  #lost: { readonly entry: EntryPlace; readonly base: number } | undefined;
  #told = 0;

  constructor(log: string, now: EpochMillis, findings: Findings) {
    this.#log = log;
    this.#now = now;
    this.#findings = findings;
  }

  take(entry: EntryPlace, base: number, group: Group | undefined): void {
    if (base === entry.ordinal) this.#snapshot = base;
    this.#lost = group === undefined && base !== this.#snapshot ? { entry, base } : undefined;
    if (hasItsSnapshot(entry.committedAt, this.#now)) this.#tell();
  }

  /** Ends the check. The last entry's snapshot is needed for as long as the entry itself. */
  end(): void {
    if (this.#lost && isKept(this.#lost.entry.committedAt, this.#now)) this.#tell();
  }

  #tell(): void {
    if (this.#lost === undefined || this.#lost.base === this.#told) return;
    const { entry, base } = this.#lost;
    this.#findings.add({ kind: 'lost-base', log: this.#log, ordinal: entry.ordinal, base });
    this.#told = base;
  }
}

type KeyTimes = Pick<StoredKey, 'watermark' | 'lastArrival'>;

/**
 * What the logs of the groups that had some keys say of them, generation by generation. It takes about 100
 * bytes for each window that may be revised, of those emitted since the logs begin.
 */
export class KeyHistory {
  readonly times = new Map<string, KeyTimes>();
  /** Every key that the logs name. */
  readonly names = new Set<string>();
  /**
   * The last revision by window and identity; for rolling windows and batches, the last ordinal by window.
   */
  readonly revisions = new Digests<number>();
  /** Whether no entry is missing since the keys began. */
  isWhole = true;
}

/** What the entries of a group say of it, up to one of them. */
class GroupHistory {
  readonly #deployment: Deployment;
  readonly #log: string;
  readonly #keys: KeyHistory;
  readonly #findings: Findings;
  readonly #positions = new Map<string, Reached>();
  #before: Group | undefined = EMPTY_GROUP;
  /** Whether no entry is missing since the entry before. */
  #follows = true;
  counters: Counters = EMPTY_GROUP.counters;

  constructor(deployment: Deployment, log: string, keys: KeyHistory, findings: Findings) {
    this.#deployment = deployment;
    this.#log = log;
    this.#keys = keys;
    this.#findings = findings;
  }

  /** Notes that entries are missing. What never falls still must not fall; what is counted begins anew. */
  interrupt(): void {
    this.#keys.isWhole = false;
    this.#keys.revisions.clear();
    this.#before = undefined;
    this.#follows = false;
  }

  /** Takes in the first entry of a group that began with the keys of others. */
  begin(entry: GroupEntry, group: Group | undefined): void {
    this.#move(entry, group);
    this.counters = entry.counters;
    this.#checkKeys(entry, group);
    this.#before = group;
  }

  take(entry: GroupEntry, group: Group | undefined): void {
    if (this.#before?.sealed) {
      this.#findings.add({ kind: 'seal', log: this.#log, ordinal: entry.ordinal, fault: 'followed' });
    }
    const moved = this.#move(entry, group);
    if (this.#follows) this.#checkCounters(entry, moved);
    this.#follows = true;
    this.counters = entry.counters;
    this.#checkKeys(entry, group);
    this.#before = group;
    for (const pane of entry.panes) this.#checkRevision(entry.ordinal, pane);
  }

  /** Checks that no watermark falls and no key is lost. */
  #checkKeys({ ordinal, committedAt }: GroupEntry, group: Group | undefined): void {
    const { times, names } = this.#keys;
    const fell = (key: string): void =>
      this.#findings.add({ kind: 'watermark-fell', log: this.#log, ordinal, key });
    for (const [key, { watermark, lastArrival }] of group?.keys ?? []) {
      const before = times.get(key);
      if (before && watermark < before.watermark && !this.#mayBeginAnew(lastArrival - before.lastArrival)) {
        fell(key);
      }
      times.set(key, { watermark, lastArrival });
      names.add(key);
    }
    if (group === undefined) return;
    // The earlier version is read first, as each takes over from the other what differs.
    for (const [key, { lastArrival }] of [...(this.#before?.keys ?? [])]) {
      if (!group.keys.has(key) && !this.#mayBeginAnew(committedAt - lastArrival)) fell(key);
    }
  }

  /**
   * Says whether a key may begin anew with a record that comes this much later, as it may have been
   * forgotten.
   */
  #mayBeginAnew(silence: number): boolean {
    return silence > (this.#deployment.pipeline.rules.time.maxLateness ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Checks that each lineage moves on, and is forgotten only once its source has none of its records any
   * more.
   *
   * @returns how many lineages moved on
   */
  #move({ ordinal, committedAt, positions }: GroupEntry, group: Group | undefined): number {
    const { retention } = this.#deployment.pipeline.source.lineage;
    const fell = (lineage: string): void =>
      this.#findings.add({ kind: 'position-fell', log: this.#log, ordinal, lineage });
    let moved = 0;
    for (const [lineage, reached] of positions) {
      const before = this.#positions.get(lineage)?.position;
      if (before !== undefined && isAfter(before, reached.position)) fell(lineage);
      if (before !== reached.position) moved++;
      this.#positions.set(lineage, reached);
    }
    for (const [lineage, { arrival }] of group ? this.#positions : []) {
      if (group?.positions.has(lineage)) continue;
      if (retention === undefined || after(arrival, retention) > committedAt) fell(lineage);
      this.#positions.delete(lineage);
    }
    return moved;
  }

  /** Checks that a lineage moves on by records that are each applied, late for all windows, or poison. */
  #checkCounters({ ordinal, counters, late, poison }: GroupEntry, moved: number): void {
    const lateForAll = late.filter((record) => !record.applied).length;
    const listed = byName({
      applied: Math.max(0, moved - lateForAll - poison.length),
      lateForAll,
      poison: poison.length,
      late: lateByWindow(late),
    });
    const before = byName(this.counters);
    const now = byName(counters);
    for (const counter of new Set([...before.keys(), ...now.keys(), ...listed.keys()])) {
      const counted = (now.get(counter) ?? 0) - (before.get(counter) ?? 0);
      const expected = listed.get(counter) ?? 0;
      if (counter === 'applied' ? counted >= expected : counted === expected) continue;
      this.#findings.add({ kind: 'counters', log: this.#log, ordinal, counter, counted, listed: expected });
    }
  }

  #checkRevision(ordinal: number, pane: GroupPane): void {
    const { key, window, identity, revision, revisable, layout } = pane;
    const { revisions, names, isWhole } = this.#keys;
    names.add(key);
    const isPerRecord = layout.identity === 'index';
    const follows = isPerRecord && layout.ordered;
    // A window that was altered begins anew.
    const series = [key, window, layout.epoch];
    const place = digestOf(JSON.stringify(follows ? series : [...series, identity]));
    const number = follows ? identity : revision;
    const before = revisions.get(place);
    // With `partial: false`, the first ordinals of a rolling window emit nothing.
    const first = follows || !isWhole ? number : 0;
    const expected = before === undefined ? first : before + 1;
    if (number !== expected) {
      const { id } = writtenPane(this.#deployment.pipeline, pane);
      this.#findings.add({ kind: 'revision', log: this.#log, ordinal, pane: id, expected });
    }
    // A trailing window has an identity for each record. Those that never emit again need not be remembered.
    if (follows || revisable || !isPerRecord) revisions.set(place, number);
  }
}

/** Returns the counters by name, those of each window under a name that no other counter has. */
const byName = ({ late, ...others }: Counters): ReadonlyMap<string, number> =>
  new Map([
    ...Object.entries<number>(others),
    ...Object.entries(late).map(([window, count]) => [`late for ${window}`, count] as const),
  ]);
