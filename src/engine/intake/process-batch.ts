import { LoggableError } from '../../core/loggable.ts';
import { type SubPosition, subPositionOf } from '../../core/position.ts';
import type { EpochMillis } from '../../core/time.ts';
import { inTime } from '../../ports/clock.ts';
import { Budget, FEW } from '../../ports/in-parallel.ts';
import type { Ports } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import type { SourceRecord } from '../../ports/source.ts';
import { type Deployment, OutdatedError, present } from '../group/deployment.ts';
import type { Group, GroupRecord } from '../group/group.ts';
import { groupOf, hashOf } from '../group/key-group.ts';
import { isSameDeployment } from '../log/definition-log.ts';
import { bytesOf } from '../log/group-cache.ts';
import type { GroupLogs } from '../log/group-logs.ts';
import { commitGroup, type GroupOutcome } from './commit-group.ts';
import { type Decoded, type DecodedPart, decodeAll, decodedParts } from './decode.ts';
import { rangesOf } from './record-ranges.ts';

type BatchPorts = Pick<Ports, 'objects' | 'progress' | 'clock' | 'telemetry' | 'limits'>;

/** What became of a batch. */
export interface BatchOutcome {
  /**
   * The records to be given again, in order: of each group that stopped all from the first on that is not committed. Those of
   * them that are committed by then are dropped. None when all are committed, and that is noted.
   */
  readonly again: readonly SourceRecord[];
  /** Whether some group stopped because the deployment is no longer what it was. */
  readonly outdated: boolean;
}

/**
 * Takes a batch in: every group's part of it in one commit, or in several where one would be too large.
 *
 * @param records in the order of their source
 * @param deadline no commit is begun at or after it, and none that is under way is waited for
 * @param renew finds the logs of another deployment where some group stopped as its own is outdated: what is left is then tried
 *   again; undefined where that took too long
 */
export async function processBatch(
  ports: BatchPorts,
  logs: GroupLogs,
  records: readonly SourceRecord[],
  deadline: EpochMillis,
  renew?: () => Promise<GroupLogs | undefined>,
): Promise<BatchOutcome> {
  const { deployment } = logs;
  let { left, outdated, pending } = await takeIn(ports, logs, records, deadline, new Map());
  for (let known = deployment; outdated && renew; ) {
    const found = await renew();
    // Only another deployment can be gone on with, and there may be several while one batch is taken in.
    if (found === undefined || isSameDeployment(known, found.deployment)) break;
    known = found.deployment;
    ({ left, outdated, pending } = await takeIn(ports, found, left, deadline, pending));
  }
  // Up to the last record of the batch, whichever try took it in.
  const { notesProgress } = deployment.pipeline.source.lineage;
  return {
    again: notesProgress ? await noteProgress(ports, deployment, records, left, deadline) : left,
    outdated,
  };
}

/**
 * Of records at which an earlier try of the batch stopped, the parts that are not in: the others, and those that were filtered, are
 * counted already. Of a record that is not there all parts are still to be taken in.
 */
type Pending = ReadonlyMap<SourceRecord, ReadonlySet<SubPosition>>;

interface TakenIn {
  readonly left: readonly SourceRecord[];
  readonly pending: Pending;
  readonly outdated: boolean;
}

async function takeIn(
  ports: BatchPorts,
  logs: GroupLogs,
  records: readonly SourceRecord[],
  deadline: EpochMillis,
  before: Pending,
): Promise<TakenIn> {
  const { pipeline } = logs.deployment;
  const { shares, decoded } = await splitByGroup(ports, logs, records, deadline, before);
  const outcomes = await Promise.all(
    [...shares].map(([index, { take, leave, records: share }]) => {
      let rest: readonly GroupRecord[] = share;
      const onCommit = (left: readonly GroupRecord[]) => {
        rest = left;
      };
      const options = { deadline, groups: shares.size, onCommit };
      return inTime(
        ports.clock,
        deadline,
        commitGroup(ports, logs, index, take(), share, options).finally(leave),
        (): GroupOutcome => ({ outcome: 'stopped', rest, cause: TIME_IS_UP }),
      );
    }),
  );
  const stopped = outcomes.filter((one) => one.outcome === 'stopped');
  const pending = new Map<SourceRecord, Set<SubPosition>>();
  for (const { rest } of stopped) {
    for (const { source, position } of rest) {
      const parts = pending.get(source) ?? new Set();
      pending.set(source, parts.add(position));
    }
  }
  const groups = [...shares.keys()];
  for (const [at, outcome] of outcomes.entries()) {
    if (outcome.outcome === 'committed') continue;
    const { rest, cause } = outcome;
    const records = [...new Set(rest.map(({ source }) => source))];
    const place = { log: logs.nameOf(groups[at] as number), records: rangesOf(pipeline, records) };
    ports.telemetry.fault('commit', cause, place);
  }
  if (decoded < records.length) {
    ports.telemetry.fault('decode', TIME_IS_UP, { records: rangesOf(pipeline, records.slice(decoded)) });
  }
  return {
    left: records.filter((record, at) => at >= decoded || pending.has(record)),
    pending: new Map([...before, ...pending]),
    outdated: stopped.some(({ cause }) => cause instanceof OutdatedError),
  };
}

export const TIME_IS_UP = new LoggableError(
  'Cannot wait for a store any longer as the time of this invocation is up',
);

const TAKEN = new Promise<never>(() => {});

/** What a batch has of a group, which is being loaded. */
interface Share {
  /** The group, to be asked for once: it is held by nobody else, so that it leaves memory with its commit. */
  readonly take: () => Promise<Group>;
  /** Lets another group be loaded, once this one is committed. */
  readonly leave: () => void;
  readonly records: GroupRecord[];
}

/** The records of a batch, or the first of them, by the group that they are of. */
interface Split {
  readonly shares: ReadonlyMap<number, Share>;
  /** How many were decoded before half of the time was over: the others are for another try. */
  readonly decoded: number;
}

/**
 * Decodes records, and splits them. Groups are read while the records after their first are decoded: as many at a time as
 * memory is kept for, the others once those are committed.
 */
async function splitByGroup(
  ports: BatchPorts,
  logs: GroupLogs,
  records: readonly SourceRecord[],
  deadline: EpochMillis,
  pending: Pending,
): Promise<Split> {
  const begun = ports.clock.now();
  const pause = begun + (deadline - begun) / 2;
  const { deployment } = logs;
  const { groups } = present(deployment);
  const { held } = ports.limits ?? LIMITS;
  const budget = new Budget(held);
  const shares = new Map<number, Share>();
  const shareOf = (index: number): Share => {
    const known = shares.get(index);
    if (known) return known;
    let leave = (): void => {};
    const load = async (holds: (bytes: number) => void): Promise<Group> => {
      leave = () => holds(0);
      if (ports.clock.now() >= deadline) throw TIME_IS_UP;
      const group = await logs.load(index);
      holds(bytesOf(group));
      return group;
    };
    const size = logs.sizeOf(index) ?? held / FEW;
    let group = new Promise<Group>((settle) => budget.enter(size, (holds) => settle(load(holds))));
    // It is thrown where the group is waited for.
    group.catch(() => {});
    const take = (): Promise<Group> => {
      const taken = group;
      group = TAKEN;
      return taken;
    };
    const share = { take, leave: () => leave(), records: [] };
    shares.set(index, share);
    return share;
  };
  const byKey = new Map<string, { readonly hash: number; readonly share: Share }>();
  const placeOf = (key: string) => {
    const hash = hashOf(key);
    const place = { hash, share: shareOf(groupOf(hash, groups)) };
    byKey.set(key, place);
    return place;
  };
  let filtered = 0;
  const { ordered } = deployment.pipeline.source.lineage;
  const add = (source: SourceRecord, child: number, content: DecodedPart): void => {
    const position = subPositionOf(ordered, source.position, 0, child);
    if (pending.get(source)?.has(position) === false) return;
    if (content.outcome === 'filtered') {
      filtered++;
      return;
    }
    const { lineage, arrival, partitionKey } = source;
    // What has no key is counted in the group of its partition key.
    const key = content.outcome === 'record' ? content.key : partitionKey;
    const { hash, share } = byKey.get(key) ?? placeOf(key);
    share.records.push({ source, lineage, position, arrival, hash, content });
  };
  let taken = 0;
  for (const decoded of decodeAll(deployment.pipeline, records)) {
    const before = shares.size;
    for (let at = 0; at < decoded.length; at++) {
      const source = records[taken + at] as SourceRecord;
      const parts = decodedParts(decoded[at] as Decoded);
      for (let child = 0; child < parts.length; child++) add(source, child, parts[child] as DecodedPart);
    }
    taken += decoded.length;
    if (taken < records.length) {
      if (ports.clock.now() >= pause) break;
      if (shares.size > before) await ports.clock.turn();
    }
  }
  ports.telemetry.count('filtered', filtered);
  return { shares, decoded: taken };
}

/**
 * Notes how far each lineage is committed of which nothing is left. Where that fails its last record is asked for again,
 * although it is in: it may be the source's last for long, and until it is noted no silent key of the pipeline has its
 * windows closed.
 *
 * @returns the records to be given again, in order
 */
async function noteProgress(
  { clock, progress, telemetry }: BatchPorts,
  { pipeline }: Deployment,
  records: readonly SourceRecord[],
  left: readonly SourceRecord[],
  deadline: EpochMillis,
): Promise<readonly SourceRecord[]> {
  const lasts = new Map<string, SourceRecord>();
  for (let at = 0; at < records.length; at++) {
    const record = records[at] as SourceRecord;
    if (records[at + 1]?.lineage !== record.lineage) lasts.set(record.lineage, record);
  }
  for (const { lineage } of left) lasts.delete(lineage);
  const again = new Set(left);
  for (const last of lasts.values()) {
    try {
      await inTime(clock, deadline, progress.note(last.lineage, last.position), () => {
        throw TIME_IS_UP;
      });
    } catch (cause) {
      telemetry.fault('note progress', cause, { records: rangesOf(pipeline, [last]) });
      again.add(last);
    }
  }
  return again.size === 0 ? [] : records.filter((record) => again.has(record));
}
