import { isAfter, type SubPosition, subPositionOf } from '../../core/position.ts';
import type { Millis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { EnginePorts, UpstreamStores } from '../../ports/index.ts';
import type { SourceRecord } from '../../ports/source.ts';
import { PanesReader } from '../delivery/read-panes.ts';
import { present } from '../group/deployment.ts';
import { type Group, sumOfCounters } from '../group/group.ts';
import { groupOf, hashOf } from '../group/key-group.ts';
import { REDRIVE_LINEAGE } from '../group/taken.ts';
import { decodeRecord, placedParts } from '../intake/decode.ts';
import { readDeployment } from '../log/definition-log.ts';
import { GroupLogs } from '../log/group-logs.ts';
import { wholeLog } from '../log/spill.ts';
import { type AuditOptions, PATIENCE } from './audit.ts';
import { type Finding, Findings } from './audit-findings.ts';
import type { AuditPorts } from './audit-logs.ts';

/** What a pipeline has taken in of the panes that it reads. */
export interface PanesAudit {
  /** The pipeline whose panes are read. */
  readonly upstream: string;
  /** How many panes that it reads its logs hold, and how many of them are read. */
  readonly panes: number;
  readonly read: number;
  /** The age of the oldest entry that is not read; undefined where all are. */
  readonly ageMillis: Millis | undefined;
  readonly findings: readonly Finding[];
}

/**
 * Follows each pane from the logs of one pipeline into the groups of the pipeline that reads it: each that is read must
 * be in, and no more records may have been taken in than there are panes. It writes nothing.
 *
 * It decodes the panes by the definition at hand. Where that takes another key, or others, than the code that took them
 * in, what it finds says so.
 *
 * @param options.patience what waits for less than this is no finding
 */
export async function auditPanes(
  ports: AuditPorts,
  upstream: UpstreamStores,
  pipeline: Pipeline,
  { patience = PATIENCE }: Pick<AuditOptions, 'patience'> = {},
): Promise<PanesAudit> {
  const findings = new Findings();
  const engine = { ...ports, log: wholeLog(ports) };
  const reader = new PanesReader(engine, upstream, pipeline);
  const panes = reader.all();
  // What is noted as read comes before the groups: by then they have it.
  let next = await panes.next();
  const held = await heldBy(engine, pipeline);
  const counts = { panes: 0, read: 0, parts: 0, readParts: 0 };
  let oldest = Number.POSITIVE_INFINITY;
  for (; !next.done; next = await panes.next()) {
    const { record, isRead } = next.value;
    const parts = partsOf(pipeline, record);
    counts.panes++;
    counts.parts += parts.length;
    if (!isRead) {
      oldest = Math.min(oldest, record.arrival);
      continue;
    }
    counts.read++;
    counts.readParts += parts.length;
    for (const { position, hash } of parts) {
      const group = held[groupOf(hash, held.length)];
      if (group?.isBegun === false || (group && isIn(group, record.lineage, position, hash))) continue;
      const log = group ? group.log : reader.log;
      findings.add({ kind: 'unread-pane', log, lineage: record.lineage, position });
    }
  }
  const isWhole = next.value;
  const { applied, lateForAll, poison } = sumOfCounters(held.map(({ counters }) => counters));
  const counted = applied + lateForAll + poison;
  const isRedriven = held.some(({ positions }) => positions.has(REDRIVE_LINEAGE));
  const isBegun = held.every((group) => group.isBegun);
  if (isWhole && isBegun && !isRedriven && (counted > counts.parts || counted < counts.readParts)) {
    findings.add({ kind: 'pane-count', log: reader.log, counted, expected: counts.parts });
  }
  const waits = counts.panes - counts.read;
  const ageMillis = waits === 0 ? undefined : ((ports.clock.now() - oldest) as Millis);
  if (ageMillis !== undefined && ageMillis > patience) {
    findings.add({ kind: 'trailing-projector', log: reader.log, entries: waits, ageMillis });
  }
  const { panes: all, read } = counts;
  return { upstream: reader.upstream, panes: all, read, ageMillis, findings: findings.list };
}

interface Held extends Pick<Group, 'positions' | 'inherited' | 'counters'> {
  readonly log: string;
  /** False where it is yet to take over what the groups of the generation before hold. */
  readonly isBegun: boolean;
}

/** Reads the groups of a pipeline as of now; there are none where it never began. */
async function heldBy(
  engine: Pick<EnginePorts, 'log' | 'clock'>,
  pipeline: Pipeline,
): Promise<readonly Held[]> {
  const deployment = await readDeployment(engine, pipeline);
  if (deployment === undefined) return [];
  const logs = new GroupLogs(engine, deployment);
  const held: Held[] = [];
  for (let index = 0; index < present(deployment).groups; index++) {
    const { ordinal, ...group } = await logs.read(present(deployment), index);
    const isBegun = ordinal > 0 || deployment.generations.length === 1;
    held.push({ ...group, log: logs.nameOf(index), isBegun });
  }
  return held;
}

/** Returns the parts of a pane that a group takes in, or refuses, and the hashes of their keys. */
function partsOf(
  pipeline: Pipeline,
  record: SourceRecord,
): readonly { readonly position: SubPosition; readonly hash: number }[] {
  return placedParts(record, decodeRecord(pipeline, record)).flatMap(
    ({ member, child, partitionKey, part }) =>
      part.outcome === 'filtered'
        ? []
        : [
            {
              position: subPositionOf(true, record.position, member, child),
              hash: hashOf(part.outcome === 'record' ? part.key : partitionKey),
            },
          ],
  );
}

function isIn({ positions, inherited }: Held, lineage: string, position: SubPosition, hash: number): boolean {
  const reached = [
    positions.get(lineage),
    ...inherited
      .filter(({ groups, group }) => groupOf(hash, groups) === group)
      .map((part) => part.positions.get(lineage)),
  ];
  return reached.some((place) => place !== undefined && !isAfter(position, place.position));
}
