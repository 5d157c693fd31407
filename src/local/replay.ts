import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { positionOf } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import { present } from '../engine/group/deployment.ts';
import { type Counters, sumOfCounters } from '../engine/group/group.ts';
import { decodeRecord, placedParts } from '../engine/intake/decode.ts';
import { holdDeployment } from '../engine/log/definition-log.ts';
import { GroupLogs } from '../engine/log/group-logs.ts';
import { enginePorts } from '../engine/log/spill.ts';
import { makesSeveral } from '../pipeline/decoders.ts';
import { LONGEST_RETENTION } from '../pipeline/sources/kinesis.ts';
import { inParallel } from '../ports/in-parallel.ts';
import type { RunClock } from './clock.ts';
import type { InputRecord } from './input.ts';
import { addRefused, beginningOf, type Refused, type RefusedByCode, refusedLine } from './refused.ts';
import type { LocalRuntime, LocalStage } from './runtime.ts';

export interface Replay {
  readonly input: AsyncIterable<InputRecord>;
  /**
   * Event time passes this many times as fast as the clock. Without it, records are sent as fast as possible.
   */
  readonly speed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onSent?: (sent: number, eventTime: EpochMillis | undefined) => void;
  /**
   * Is called when all records are committed, before time is made to pass for the windows that are still
   * open.
   */
  readonly onDrained?: () => void;
}

/** Where the records of an input went. */
export interface Replayed extends Counters {
  readonly read: number;
  /** How many of these records an earlier run of the same data directory had sent. */
  readonly resumed: number;
  /**
   * How many members and children the sent records were taken apart into, at least one each; undefined where
   * the source makes one record of each.
   */
  readonly children: number | undefined;
  readonly filtered: number;
  /** The lines that are too large for a record of the source. */
  readonly refused: readonly { readonly line: number; readonly bytes: number; readonly beginning: string }[];
  /** The records of the input that the pipeline refuses as it decodes them. */
  readonly poisonLines: RefusedByCode;
  /** How many records the source holds, or has held, that the input does not have. */
  readonly others: number;
  /** The last record that was sent, of those that are short enough for a person to send again. */
  readonly last: { readonly partitionKey: string; readonly text: string } | undefined;
  /** How far the clock was moved ahead for the windows that were still open, in milliseconds. */
  readonly ahead: number;
  /** The number of windows that did not close, as the source held time back; 0 otherwise. */
  readonly open: number;
}

/**
 * Whether every record that was read went somewhere, or with an `expand` step every child. Of the records
 * that the input does not have, it is not known how many were filtered, nor how many children they have.
 */
export function isAccountedFor(replayed: Replayed): boolean {
  const { read, children, others, applied, lateForAll, poison, filtered, refused } = replayed;
  const somewhere = applied + lateForAll + poison + filtered;
  const sent = children ?? read - refused.length;
  const most = children === undefined || others === 0 ? sent + others : Number.POSITIVE_INFINITY;
  return somewhere >= sent && somewhere <= most;
}

/**
 * Sends an input through the whole path, and then lets time pass until every window has closed, or the source
 * holds time back for longer than it would in AWS.
 *
 * @throws AbortError when the signal ends it early; what was sent and committed stays
 */
export async function replay(runtime: LocalRuntime, options: Replay): Promise<Replayed> {
  const [{ pipeline }] = runtime.stages;
  const { input, speed, signal, onSent, onDrained } = options;
  const feed = await runtime.source.openFeed();
  const refused: { line: number; bytes: number; beginning: string }[] = [];
  const poisonLines = new Map<string, Refused>();
  const { clock } = runtime;
  const pace = pacer(clock, speed);
  const isExpanded = pipeline.source.steps.some((step) => 'expand' in step);
  const severalMembers = makesSeveral(pipeline.source.decoder);
  let read = 0;
  let children = 0;
  let filtered = 0;
  let last: { partitionKey: string; data: Uint8Array } | undefined;
  for await (const record of input) {
    const { line, data, length } = record;
    signal?.throwIfAborted();
    read++;
    const source = { lineage: '', position: NOWHERE, arrival: clock.real(), partitionKey: '', data };
    const parts = placedParts(source, decodeRecord(pipeline, source));
    const taken = parts.map(({ part }) => part).find((part) => part.outcome === 'record');
    const eventTime = taken?.record.at;
    filtered += parts.filter(({ part }) => part.outcome === 'filtered').length;
    const partitionKey = taken ? partitionKeyOf(taken.key) : NO_KEY;
    let sent = feed.holds(partitionKey, data);
    if (sent) pace.passed(eventTime);
    else {
      await pace.until(eventTime, feed.flush, signal);
      sent = await feed.send(partitionKey, data);
    }
    if (!sent) refused.push({ line, bytes: length, beginning: beginningOf(data) });
    else {
      children += parts.length;
      for (const placed of parts) {
        const { member, child, part } = placed;
        if (part.outcome !== 'poison') continue;
        addRefused(poisonLines, part.poison.code, () => ({
          ...refusedLine(pipeline, record, source, placed, part.poison),
          member: severalMembers ? member : undefined,
          child: parts.length > 1 && isExpanded ? child : undefined,
        }));
      }
      if (taken && data.length <= MAX_SHOWN_BYTES) last = { partitionKey, data };
    }
    onSent?.(read, eventTime);
  }
  await feed.flush();
  await abortable(feed.handled(), signal);
  clock.start();
  onDrained?.();

  const { ahead, open } = await closeWindows(runtime.stages, signal);
  for (const stage of runtime.stages) await abortable(stage.projected(), signal);
  return {
    ...(await totals(runtime.stages[0])),
    read,
    children: isExpanded || severalMembers ? children : undefined,
    resumed: feed.resumed,
    others: feed.held - feed.resumed,
    filtered,
    refused,
    poisonLines,
    last: last && { partitionKey: last.partitionKey, text: Buffer.from(last.data).toString() },
    ahead,
    open,
  };
}

const NOWHERE = positionOf('0');

const MAX_SHOWN_BYTES = 300;

/** The partition key of records that no key is known of, such as those that cannot be decoded. */
export const NO_KEY = 'none';

/** Returns the partition key of a record's key. It hashes a long one, as Kinesis takes partition keys of up to 256 characters. */
export const partitionKeyOf = (key: string): string =>
  key.length <= 256 ? key : createHash('md5').update(key).digest('hex');

const CLOCK_MARGIN_MILLIS = 11_000;

/**
 * Sweeps further and further ahead until no window is open. What a window emits does not depend on these
 * steps.
 *
 * The sweeper lets no time pass beyond a record that waits at the source, however far ahead it sweeps. A record
 * that was given up waits as any other does, and the stream of a local run never drops it. So the steps end once
 * any stream in AWS would have dropped it.
 */
async function closeWindows(
  stages: LocalRuntime['stages'],
  signal?: AbortSignal,
): Promise<Pick<Replayed, 'ahead' | 'open'>> {
  const longest = Math.max(...stages.map(({ pipeline }) => pipeline.rules.time.idleAfter));
  let reached: EpochMillis | undefined;
  for (let ahead = longest + CLOCK_MARGIN_MILLIS; ; ahead *= 2) {
    let open = 0;
    let now: EpochMillis | undefined;
    // A stage lets no more time pass than the one before, whose panes it has by then.
    for (const stage of stages) {
      signal?.throwIfAborted();
      await abortable(stage.read(), signal);
      const swept = await stage.sweep(ahead);
      open += swept.open;
      now = swept.now;
    }
    const isHeldBack = now === reached;
    if (open === 0 || (isHeldBack && ahead > LONGEST_RETENTION)) return { ahead, open };
    reached = now;
  }
}

/** Sums the counters of all key groups since the pipeline began. */
async function totals({ ports, pipeline }: LocalStage): Promise<Counters> {
  const engine = enginePorts(ports);
  const deployment = await holdDeployment(engine, pipeline);
  const logs = new GroupLogs(engine, deployment);
  const groups = Array.from({ length: present(deployment).groups }, (_, index) => index);
  return sumOfCounters(await inParallel(groups, async (index) => (await logs.load(index)).counters));
}

/** The longest delay of a timer in milliseconds, some 25 days. */
const LONGEST_DELAY = 2 ** 31 - 1;

/** Lets event time pass at a speed. It begins where the records end that the stream already holds. */
function pacer(clock: RunClock, speed: number | undefined) {
  let origin: { readonly worked: number; readonly eventTime: number } | undefined;
  return {
    /** Notes that an earlier run sent a record of this event time. */
    passed(eventTime: EpochMillis | undefined): void {
      if (eventTime !== undefined) origin = { worked: clock.worked(), eventTime };
    },
    /** Waits until an event time is due, and flushes before it waits. */
    async until(
      eventTime: EpochMillis | undefined,
      flush: () => Promise<void>,
      signal?: AbortSignal,
    ): Promise<void> {
      if (speed === undefined || eventTime === undefined) return;
      origin ??= { worked: clock.worked(), eventTime };
      const due = origin.worked + (eventTime - origin.eventTime) / speed;
      if (due - clock.worked() < 20) return;
      await flush();
      for (let remaining = due - clock.worked(); remaining > 0; remaining = due - clock.worked()) {
        await delay(Math.min(remaining, LONGEST_DELAY), undefined, signal ? { signal } : {});
      }
    },
  };
}

async function abortable<Result>(work: Promise<Result>, signal?: AbortSignal): Promise<Result> {
  if (signal === undefined) return work;
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
