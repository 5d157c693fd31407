import type { DynamoDBStreamEvent, KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import { recordsOf, responseOf } from './adapters/kinesis/records.ts';
import type { EpochMillis } from './core/time.ts';
import { holdGroups } from './engine/groups.ts';
import { processBatch } from './engine/process-batch.ts';
import { projectObjects } from './engine/project-objects.ts';
import { projectRows } from './engine/project-rows.ts';
import { type Sweep, sweep } from './engine/sweep.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import type { Clock } from './ports/clock.ts';
import type { Ports } from './ports/index.ts';
import { groupLogPrefix, STATE_KEY } from './wiring/names.ts';

/** What a handler reads of Lambda's context. */
export interface Invocation {
  getRemainingTimeInMillis(): number;
}

/** Left for the answer: no commit is begun in the last of an invocation's time. */
const ANSWER_MARGIN = 2_000;

/** Takes the records of a Kinesis event in. */
export function processHandler(
  ports: Pick<Ports, 'log' | 'objects' | 'progress' | 'clock' | 'telemetry'>,
  pipeline: Pipeline,
) {
  const groupsHeld = once(() => holdGroups(ports, pipeline));
  return async (event: KinesisStreamEvent, invocation: Invocation): Promise<KinesisStreamBatchResponse> => {
    const deadline = deadlineOf(ports.clock, invocation);
    await groupsHeld();
    return responseOf(await processBatch(ports, pipeline, recordsOf(event), deadline));
  };
}

/** Visits every key group, once a minute. */
export const sweepHandler =
  (ports: Pick<Ports, 'log' | 'arrivals' | 'clock' | 'telemetry'>, pipeline: Pipeline) =>
  async (): Promise<Sweep> => {
    await holdGroups(ports, pipeline);
    return sweep(ports, pipeline);
  };

/**
 * Brings every sink up to the logs: those of the groups that a DynamoDB Streams event names, or, on any other event, of
 * all groups, which makes good a wake-up that was lost.
 */
export function projectHandler(
  ports: Pick<Ports, 'log' | 'objects' | 'rows' | 'clock' | 'telemetry'>,
  pipeline: Pipeline,
) {
  const groupsHeld = once(() => holdGroups(ports, pipeline));
  const sinks = new Set(pipeline.sinks.map(({ kind }) => kind));
  return async (event: Partial<DynamoDBStreamEvent>, invocation: Invocation): Promise<void> => {
    const deadline = deadlineOf(ports.clock, invocation);
    await groupsHeld();
    const groups = groupsNamedBy(event, pipeline);
    const outcomes = await Promise.allSettled([
      sinks.has('table') ? projectRows(ports, pipeline, groups, deadline) : undefined,
      sinks.has('bucket') ? projectObjects(ports, pipeline, groups, deadline) : undefined,
    ]);
    for (const one of outcomes) {
      if (one.status === 'fulfilled') continue;
      ports.telemetry.fault('project', one.reason);
      throw one.reason;
    }
  };
}

const deadlineOf = (clock: Clock, invocation: Invocation): EpochMillis =>
  (clock.now() + invocation.getRemainingTimeInMillis() - ANSWER_MARGIN) as EpochMillis;

/** Done when first asked for, and again only after a failure. */
function once(task: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= task().catch((error) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}

function groupsNamedBy(event: Partial<DynamoDBStreamEvent>, pipeline: Pipeline): readonly number[] {
  const all = Array.from({ length: pipeline.groups }, (_, group) => group);
  if (event.Records === undefined) return all;
  const prefix = groupLogPrefix(pipeline.name);
  const logs = new Set(event.Records.map(({ dynamodb }) => dynamodb?.Keys?.[STATE_KEY.partition]?.S));
  return all.filter((group) => logs.has(`${prefix}${group}`));
}
