import { encodeTables } from '../../core/codec.ts';
import type { EpochMillis, Millis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { LogEntry } from '../../ports/commit-log.ts';
import { definitionLog } from '../../wiring/names.ts';
import { encodeWindows, type GroupEntry } from '../format/read-entry.ts';
import { type Deployment, firstDeployment, type Generation } from '../group/deployment.ts';
import { type Counters, type Folded, type Group, sumOfCounters } from '../group/group.ts';
import { isKept } from '../group/lifetimes.ts';
import { joinedGroup } from '../group/takeover.ts';
import { type Definition, definitionIn, deploymentAsOf } from '../log/definition-log.ts';
import { digestOfPlain, type Findings } from './audit-findings.ts';
import {
  type AuditPorts,
  auditGroup,
  type GroupAudit,
  type GroupStates,
  KeyHistory,
  walkLog,
} from './audit-logs.ts';

/**
 * Returns the deployment as the last entry of its log has it, after comparing every entry with the entry
 * before: versions never fall, and generations are only added.
 *
 * @returns `isBegun` says whether there is such a log; without one, the deployment is that of the pipeline
 * itself
 */
export async function auditDefinition(
  ports: AuditPorts,
  pipeline: Pipeline,
  findings: Findings,
): Promise<{ readonly deployment: Deployment; readonly isBegun: boolean }> {
  const log = definitionLog(pipeline.name);
  let last: { readonly entry: LogEntry; readonly definition: Definition } | undefined;
  const read = (entry: LogEntry) => ({ entry, definition: definitionIn(entry) });
  for await (const { content } of walkLog(ports, log, read, findings)) {
    if (content === undefined) continue;
    const { entry, definition } = content;
    if (last && !goesOn(last.definition, definition)) {
      findings.add({ kind: 'definition', log, ordinal: entry.ordinal });
    }
    last = content;
  }
  return last
    ? { deployment: deploymentAsOf(pipeline, last.entry), isBegun: true }
    : { deployment: firstDeployment(pipeline), isBegun: false };
}

function goesOn(before: Definition, definition: Definition): boolean {
  const groupsOf = ({ generations }: Definition) => generations.map(({ number, groups }) => [number, groups]);
  const kept = groupsOf(definition).slice(0, before.generations.length);
  return (
    definition.version >= before.version &&
    definition.incarnation >= before.incarnation &&
    digestOfPlain(kept) === digestOfPlain(groupsOf(before))
  );
}

/** Returns the number of parts of the key space that no group of any generation crosses. */
export const partsOf = ({ generations }: Deployment): number =>
  Math.min(...generations.map(({ groups }) => groups));

/** What the logs of one part of the key space say of it. */
export interface PartAudit {
  readonly keys: KeyHistory;
  /** The counters of the records since the keys began. */
  readonly counters: Counters;
  /** The groups of every generation. */
  readonly groups: readonly GroupAudit[];
}

/** The groups of a generation that were read, by their index. */
interface Era {
  readonly generation: Generation;
  readonly groups: ReadonlyMap<number, GroupStates>;
}

/**
 * Reads the logs of one part of the key space, generation by generation, and compares what each group began
 * with and what the groups before it ended with.
 *
 * @param patience how long a generation may take to begin all of its groups
 * @param seen receives every entry that can be read, and the name of its log
 */
export async function auditPart(
  ports: AuditPorts,
  deployment: Deployment,
  part: number,
  patience: Millis,
  findings: Findings,
  seen: (log: string, entry: GroupEntry) => void,
): Promise<PartAudit> {
  const keys = new KeyHistory();
  const now = ports.clock.now();
  const eras: Era[] = [];
  for (const generation of deployment.generations) {
    const size = generation.groups / partsOf(deployment);
    const groups = new Map<number, GroupStates>();
    for (let index = part * size; index < (part + 1) * size; index++) {
      groups.set(index, await auditGroup(ports, deployment, generation, index, keys, findings, seen));
    }
    const era = { generation, groups };
    const earlier = eras.at(-1);
    if (earlier) {
      checkBeginnings(deployment, earlier, era, now, patience, findings);
      checkSeals(earlier, era, now, findings);
    }
    eras.push(era);
  }
  // The states are left out, as they would fill the memory.
  const groups = eras.flatMap((era) =>
    [...era.groups.values()].map(({ first: _first, final: _final, ...group }) => group),
  );
  return { keys, groups, counters: sumOf(eras.flatMap((era, at) => counting(era, eras[at + 1]))) };
}

/** Returns the groups whose counters no later group continues. */
const counting = ({ generation, groups }: Era, next: Era | undefined): readonly GroupAudit[] =>
  [...groups].flatMap(([index, group]) => {
    const [taker] = next ? overlapping(index, generation, next.generation) : [];
    return taker !== undefined && next?.groups.get(taker)?.isBegun ? [] : [group];
  });

export const sumOf = (all: readonly { readonly counters: Counters }[]): Counters =>
  sumOfCounters(all.map(({ counters }) => counters));

/** Returns the groups of a generation that have keys in common with a group of another generation. */
function overlapping(index: number, { groups }: Generation, other: Generation): readonly number[] {
  const ratio = other.groups / groups;
  const first = Math.floor(index * ratio);
  return Array.from({ length: Math.max(1, ratio) }, (_, at) => first + at);
}

/**
 * Checks that each group of a generation has begun with the state in which the groups of the generation
 * before ended.
 */
function checkBeginnings(
  deployment: Deployment,
  earlier: Era,
  { generation, groups }: Era,
  now: EpochMillis,
  patience: Millis,
  findings: Findings,
): void {
  const ageMillis = (now - generation.begunAt) as Millis;
  for (const [index, { log, isBegun, first }] of groups) {
    if (!isBegun && ageMillis >= patience) findings.add({ kind: 'unbegun-group', log, ageMillis });
    const places = overlapping(index, generation, earlier.generation);
    const parts = places.flatMap((place) => earlier.groups.get(place)?.final ?? []);
    if (first === undefined || parts.length < places.length || parts.some(({ sealed }) => !sealed)) continue;
    const expected = joinedGroup(parts, earlier.generation, generation, index, places[0] as number);
    if (digestOfGroup(deployment.pipeline, first) === digestOfGroup(deployment.pipeline, expected)) continue;
    findings.add({ kind: 'takeover', log });
  }
}

/** Returns a digest of a group's state, whatever the order of its keys. */
function digestOfGroup(
  pipeline: Pipeline,
  { positions, inherited, keys, ids, counters }: Pick<Group, keyof Folded & keyof Group>,
): string {
  const byName = <Value>(map: ReadonlyMap<string, Value>) =>
    [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const sorted = byName(keys);
  const windows = encodeWindows(
    pipeline,
    sorted.map(([, key]) => key),
  );
  const taken = encodeTables([byName(ids).map(([, table]) => table)]);
  return digestOfPlain([
    counters,
    byName(positions),
    inherited.map((group) => ({ ...group, positions: byName(group.positions) })),
    sorted.map(([key, { maxEventTime, lastArrival, watermark }]) => [
      key,
      maxEventTime,
      lastArrival,
      watermark,
    ]),
    [...ids.keys()].sort(),
    [windows, taken].map((bytes) => Buffer.from(bytes).toString('base64')),
  ]);
}

/** Checks that the log of a group ends in a seal once another group has begun with its keys. */
function checkSeals(earlier: Era, { generation, groups }: Era, now: EpochMillis, findings: Findings): void {
  // The seal may have expired.
  if (!isKept(generation.begunAt, now)) return;
  for (const [index, { log, entries, last, final }] of earlier.groups) {
    const takers = overlapping(index, earlier.generation, generation);
    if (!takers.some((taker) => groups.get(taker)?.isBegun)) continue;
    // Of a log that cannot be read, nobody can tell whether it is sealed.
    if (final?.sealed || (final === undefined && entries > 0)) continue;
    findings.add({ kind: 'seal', log, ordinal: last?.ordinal ?? 0, fault: 'missing' });
  }
}
