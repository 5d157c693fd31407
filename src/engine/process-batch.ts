import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Ports } from '../ports/index.ts';
import type { SourceRecord } from '../ports/source.ts';
import { commitGroup } from './commit-group.ts';
import { decode } from './decode.ts';
import type { GroupRecord } from './group.ts';
import { groupOf } from './key-group.ts';

type BatchPorts = Pick<Ports, 'log' | 'objects' | 'progress' | 'clock' | 'telemetry'>;

/**
 * Takes a batch in: every group's part of it in one commit, or in several where one would be too large.
 *
 * @param records in the order of their source
 * @param deadline no commit is begun at or after it
 * @returns the first record to be given again: all before it are committed. Records from it on may be, and are dropped
 * then. Undefined when all are committed, and that is noted.
 */
export async function processBatch(
  ports: BatchPorts,
  pipeline: Pipeline,
  records: readonly SourceRecord[],
  deadline: EpochMillis,
): Promise<SourceRecord | undefined> {
  ports.telemetry.count('received', records.length);
  const byGroup = splitByGroup(ports, pipeline, records);
  const outcomes = await Promise.all(
    [...byGroup].map(([group, part]) => commitGroup(ports, pipeline, group, part, deadline)),
  );
  const stopped: GroupRecord[] = [];
  for (const one of outcomes) {
    if (one.outcome === 'committed') continue;
    ports.telemetry.fault('commit', one.cause);
    stopped.push(one.from);
  }
  const first = records.find((record) => stopped.some((one) => isSame(one, record)));
  const last = records.at(-1);
  if (first !== undefined || last === undefined) return first;
  return (await noteProgress(ports, last)) ? undefined : last;
}

const isSame = (a: GroupRecord, b: SourceRecord): boolean =>
  a.position === b.position && a.lineage === b.lineage;

function splitByGroup(
  { telemetry }: BatchPorts,
  pipeline: Pipeline,
  records: readonly SourceRecord[],
): ReadonlyMap<number, GroupRecord[]> {
  const groups = pipeline.groups;
  const byGroup = new Map<number, GroupRecord[]>();
  // A digest costs as much as a tenth of all else that is done for a record.
  const known = new Map<string, number>();
  let filtered = 0;
  for (const source of records) {
    const decoded = decode(pipeline, source);
    if (decoded.outcome === 'filtered') {
      filtered++;
      continue;
    }
    // What has no key is counted in the group of its partition key.
    const key = decoded.outcome === 'record' ? decoded.key : source.partitionKey;
    const index = known.get(key) ?? groupOf(key, groups);
    known.set(key, index);
    const part = byGroup.get(index) ?? [];
    byGroup.set(index, part);
    part.push({ lineage: source.lineage, position: source.position, data: source.data, content: decoded });
  }
  telemetry.count('filtered', filtered);
  return byGroup;
}

/**
 * Notes that everything up to a record is committed; false where that fails. Then the record is asked for again, although
 * it is in: it may be the source's last for long, and until it is noted no silent key of the pipeline has its windows
 * closed.
 */
async function noteProgress(
  { progress, telemetry }: BatchPorts,
  { lineage, position }: SourceRecord,
): Promise<boolean> {
  try {
    await progress.note(lineage, position);
    return true;
  } catch (cause) {
    telemetry.fault('note progress', cause);
    return false;
  }
}
