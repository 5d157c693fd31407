import { LoggableError } from '../../core/loggable.ts';
import { type SubPosition, subPositionOf } from '../../core/position.ts';
import type { EpochMillis } from '../../core/time.ts';
import { inTime } from '../../ports/clock.ts';
import { Budget, FEW } from '../../ports/in-parallel.ts';
import type { Ports } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import type { SourceRecord } from '../../ports/source.ts';
import type { Tracer } from '../../ports/tracer.ts';
import { BatchKey, BatchKeys, type InternedKey } from '../group/batch-key.ts';
import { type Deployment, OutdatedError, present } from '../group/deployment.ts';
import { type Group, GroupRecord } from '../group/group.ts';
import { groupOf } from '../group/key-group.ts';
import { isSameDeployment } from '../log/definition-log.ts';
import { bytesOf } from '../log/group-cache.ts';
import type { GroupLogs } from '../log/group-logs.ts';
import { commitGroup, type GroupOutcome } from './commit-group.ts';
import { type Decoded, type DecodedPart, decodeAll, placedParts } from './decode.ts';
import { rangesOf } from './record-ranges.ts';
import { Spread } from './shard-overlap.ts';

type BatchPorts = Pick<Ports, 'objects' | 'progress' | 'clock' | 'telemetry' | 'limits' | 'tracer'>;

/** The outcome of a batch. */
export interface BatchOutcome {
  /**
   * The records that Lambda must redeliver, in order: for each group that stopped, everything from its
   * first uncommitted record on. Records among them that are committed by then are dropped. The list is
   * empty when all records are committed, and that is noted.
   */
  readonly again: readonly SourceRecord[];
  /** How the batch is spread over the key groups with which it began. */
  readonly spread: Spread;
  /** Whether a group stopped because the deployment has changed since it was read. */
  readonly outdated: boolean;
}

/**
 * Takes a batch in. Each group commits its part of the batch at once, or in several commits where one would
 * be too large.
 *
 * @param records in the order of their source
 * @param deadline no commit begins at or after it, and nobody waits for one that is under way then
 * @param renew finds the logs of another deployment where a group stopped as its deployment is outdated,
 * and the uncommitted records are then tried again; undefined where that took too long
 * @param wants says which parts of the records are to be taken in; all of them without it
 */
export async function processBatch(
  ports: BatchPorts,
  logs: GroupLogs,
  records: readonly SourceRecord[],
  deadline: EpochMillis,
  renew?: () => Promise<GroupLogs | undefined>,
  wants?: Wants,
): Promise<BatchOutcome> {
  const { deployment } = logs;
  let { unfinished, outdated, pending, spread } = await takeIn(
    ports,
    logs,
    records,
    deadline,
    new Map(),
    wants,
  );
  for (let tried = deployment; outdated && renew; ) {
    const found = await renew();
    // Only another deployment helps, and there may be several of them while one batch is taken in.
    if (found === undefined || isSameDeployment(tried, found.deployment)) break;
    tried = found.deployment;
    ({ unfinished, outdated, pending } = await takeIn(ports, found, unfinished, deadline, pending, wants));
  }
  // This covers the whole batch, whichever try took its last record in.
  const { notesProgress } = deployment.pipeline.source.lineage;
  return {
    again: notesProgress ? await noteProgress(ports, deployment, records, unfinished, deadline) : unfinished,
    spread,
    outdated,
  };
}

/** Says whether a part of a record is to be taken in. */
export type Wants = (source: SourceRecord, member: number, child: number) => boolean;

/**
 * For records at which an earlier try of the batch stopped, the parts that are not committed. The other
 * parts, and those that were filtered, are counted already. All parts of a record that is not listed are
 * still to be taken in.
 */
type Pending = ReadonlyMap<SourceRecord, ReadonlySet<SubPosition>>;

interface TakenIn {
  readonly unfinished: readonly SourceRecord[];
  readonly pending: Pending;
  readonly spread: Spread;
  readonly outdated: boolean;
}

async function takeIn(
  ports: BatchPorts,
  logs: GroupLogs,
  records: readonly SourceRecord[],
  deadline: EpochMillis,
  before: Pending,
  wants: Wants | undefined,
): Promise<TakenIn> {
  const { pipeline } = logs.deployment;
  const { shares, decoded, spread } = await (ports.tracer
    ? tracedSplit(ports.tracer, ports, logs, records, deadline, before, wants)
    : splitByGroup(ports, logs, records, deadline, before, wants));
  const outcomes = await Promise.all(
    [...shares].map(([index, { take, leave, records: share }]) => {
      let uncommitted: readonly GroupRecord[] = share;
      const onCommit = (remaining: readonly GroupRecord[]) => {
        uncommitted = remaining;
      };
      const options = { deadline, groups: shares.size, onCommit };
      return inTime(
        ports.clock,
        deadline,
        commitGroup(ports, logs, index, take(), share, options).finally(leave),
        (): GroupOutcome => ({ outcome: 'stopped', uncommitted, cause: TIME_IS_UP }),
      );
    }),
  );
  const stopped = outcomes.filter((outcome) => outcome.outcome === 'stopped');
  const pending = new Map<SourceRecord, Set<SubPosition>>();
  for (const { uncommitted } of stopped) {
    for (const { source, position } of uncommitted) {
      const parts = pending.get(source) ?? new Set();
      pending.set(source, parts.add(position));
    }
  }
  const groups = [...shares.keys()];
  for (const [at, outcome] of outcomes.entries()) {
    if (outcome.outcome === 'committed') continue;
    const { uncommitted, cause } = outcome;
    const records = [...new Set(uncommitted.map(({ source }) => source))];
    const place = { log: logs.nameOf(groups[at] as number), records: rangesOf(pipeline, records) };
    ports.telemetry.fault('commit', cause, place);
  }
  if (decoded < records.length) {
    ports.telemetry.fault('decode', TIME_IS_UP, { records: rangesOf(pipeline, records.slice(decoded)) });
  }
  return {
    unfinished:
      pending.size === 0
        ? records.slice(decoded)
        : records.filter((record, at) => at >= decoded || pending.has(record)),
    pending: new Map([...before, ...pending]),
    spread,
    outdated: stopped.some(({ cause }) => cause instanceof OutdatedError),
  };
}

export const TIME_IS_UP = new LoggableError(
  'Cannot wait for a store any longer as the time of this invocation is up',
);

const TAKEN = new Promise<never>(() => {});

/** A batch's records of one group, and the group, which is being loaded. */
interface Share {
  /**
   * Returns the group, once: nothing else refers to the group, so that its memory is free after its commit.
   */
  readonly take: () => Promise<Group>;
  /** Lets another group be loaded, once this group is committed. */
  readonly leave: () => void;
  readonly records: GroupRecord[];
}

/** A key of a batch, and the share to which its records belong. */
class SharedKey extends BatchKey {
  readonly share: Share;

  constructor(text: string, hash: number, interned: InternedKey | undefined, share: Share) {
    super(text, hash, interned);
    this.share = share;
  }
}

/** The records of a batch, or the first of them, by their groups. */
interface Split {
  readonly shares: ReadonlyMap<number, Share>;
  readonly spread: Spread;
  /** How many records were decoded before half of the time was over. The others wait for another try. */
  readonly decoded: number;
}

/**
 * Decodes records, and splits them by their groups. It loads groups while it decodes the records after
 * their first, as many groups at a time as there is memory for. The others are loaded once those are
 * committed.
 */
async function splitByGroup(
  ports: BatchPorts,
  logs: GroupLogs,
  records: readonly SourceRecord[],
  deadline: EpochMillis,
  pending: Pending,
  wants: Wants | undefined,
): Promise<Split> {
  const begun = ports.clock.now();
  const pause = begun + (deadline - begun) / 2;
  const { deployment } = logs;
  const { groups } = present(deployment);
  const { held } = ports.limits ?? LIMITS;
  const budget = new Budget(held);
  const shares = new Map<number, Share>();
  const shareOf = (index: number): Share => {
    const existing = shares.get(index);
    if (existing) return existing;
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
    // The failure surfaces where the batch waits for the group, so it is not an unhandled one until then.
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
  const keys = new BatchKeys(
    (text, hash, interned?: InternedKey) =>
      new SharedKey(text, hash, interned, shareOf(groupOf(hash, groups))),
  );
  let filtered = 0;
  const spread = new Spread(shares, groups);
  const { ordered } = deployment.pipeline.source.lineage;
  const add = (
    source: SourceRecord,
    partitionKey: string | undefined,
    member: number,
    child: number,
    content: DecodedPart,
    expanded: boolean,
    packed: boolean,
  ): void => {
    const parts = pending.size > 0 ? pending.get(source) : undefined;
    if (parts?.has(subPositionOf(ordered, source.position, member, child)) === false) return;
    if (wants?.(source, member, child) === false) return;
    if (content.outcome === 'filtered') {
      filtered++;
      return;
    }
    const interned = content.outcome === 'record' ? content.interned : undefined;
    // A record without a key counts in the group of its partition key.
    const key = interned
      ? keys.ofInterned(interned)
      : keys.of(content.outcome === 'record' ? content.key : (partitionKey ?? source.partitionKey));
    if (spread.looksOn) spread.add(key, partitionKey ?? source.partitionKey);
    key.share.records.push(new GroupRecord(ordered, source, member, child, key, content, expanded, packed));
  };
  let taken = 0;
  for (const decoded of decodeAll(deployment.pipeline, records)) {
    const before = shares.size;
    for (let at = 0; at < decoded.length; at++) {
      const source = records[taken + at] as SourceRecord;
      const content = decoded[at] as Decoded;
      if (content.outcome !== 'expanded' && content.outcome !== 'packed') {
        add(source, undefined, 0, 0, content, false, false);
        continue;
      }
      for (const { member, child, expanded, partitionKey, part } of placedParts(source, content)) {
        add(source, partitionKey, member, child, part, expanded, content.outcome === 'packed');
      }
    }
    taken += decoded.length;
    if (taken < records.length) {
      if (ports.clock.now() >= pause) break;
      if (shares.size > before || decoded.length === 0) await ports.clock.turn();
    }
  }
  ports.telemetry.count('filtered', filtered);
  return { shares, spread, decoded: taken };
}

/** Decodes and splits within a span. */
function tracedSplit(tracer: Tracer, ...splitting: Parameters<typeof splitByGroup>): Promise<Split> {
  return tracer.span('decode', { records: splitting[2].length }, async (span) => {
    const split = await splitByGroup(...splitting);
    span.set({ taken: split.decoded, groups: split.shares.size });
    return split;
  });
}

/**
 * Notes the progress of each lineage whose records are all committed. Where that fails, it asks for the
 * lineage's last record again, although that is committed. It may be the source's last record for long, and
 * until it is noted no silent key of the pipeline has its windows closed.
 *
 * @returns the records that Lambda must redeliver, in order
 */
async function noteProgress(
  { clock, progress, telemetry }: BatchPorts,
  { pipeline }: Deployment,
  records: readonly SourceRecord[],
  unfinished: readonly SourceRecord[],
  deadline: EpochMillis,
): Promise<readonly SourceRecord[]> {
  const lasts = new Map<string, SourceRecord>();
  for (let at = 0; at < records.length; at++) {
    const record = records[at] as SourceRecord;
    if (records[at + 1]?.lineage !== record.lineage) lasts.set(record.lineage, record);
  }
  for (const { lineage } of unfinished) lasts.delete(lineage);
  const again = new Set(unfinished);
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
