import { setTimeout as delay } from 'node:timers/promises';
import type { DynamoDBStreamEvent } from 'aws-lambda';
import { STATE_KEY } from '../wiring/names.ts';

type Projector = (event: Partial<DynamoDBStreamEvent>) => Promise<void>;

export interface WakeUps {
  /** Reports that an entry was appended to the log of this name, under this ordinal. */
  insert(log: string, ordinal: number): void;
  /** Sends the event of the once-a-minute schedule, which names no groups. */
  schedule(): void;
  /** Wakes the projector now instead of at the end of the window; settles when no wake-up is waiting. */
  settled(): Promise<void>;
  /** Lets the projector finish the batch under way, and wakes it no more. */
  stop(): Promise<void>;
}

/** The batching window of a projector, which is shorter than in AWS as someone is watching. */
const WINDOW_MILLIS = 2_000;

/** That of a pipeline that reads another's panes, as its rows wait for the windows of all pipelines before it. */
export const READING_WINDOW_MILLIS = 200;
const RETRY_MILLIS = 200;

/**
 * Stands in for Lambda's event source mapping of the state table's stream. The wake-ups that come in within
 * the window, or while the projector runs, form one batch; a batch that fails is delivered again.
 */
export function startWakeUps(
  project: Projector,
  onError: (error: unknown) => void,
  windowMillis = WINDOW_MILLIS,
): WakeUps {
  const stopping = new AbortController();
  let hurry = new AbortController();
  let waiting: Inserted[] = [];
  let scheduled = false;
  let running: Promise<void> | undefined;

  const pause = (milliseconds: number, ...signals: AbortSignal[]): Promise<void> =>
    delay(milliseconds, undefined, { signal: AbortSignal.any([stopping.signal, ...signals]) }).catch(
      () => undefined,
    );

  const untilDone = async (event: Partial<DynamoDBStreamEvent>): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        return await project(event);
      } catch (error) {
        onError(error);
        await pause(RETRY_MILLIS);
      }
    }
  };

  const run = async (): Promise<void> => {
    while ((waiting.length > 0 || scheduled) && !stopping.signal.aborted) {
      await pause(windowMillis, hurry.signal);
      // The schedule's event names no commits, and what is pushed is what an event names.
      const events = [...(scheduled ? [{}] : []), ...(waiting.length > 0 ? [streamEvent(waiting)] : [])];
      scheduled = false;
      waiting = [];
      for (const event of events) await untilDone(event);
    }
    running = undefined;
  };

  const start = (): void => {
    if (!stopping.signal.aborted) running ??= run();
  };

  return {
    insert(log, ordinal) {
      waiting.push({ log, ordinal });
      start();
    },
    schedule() {
      scheduled = true;
      start();
    },
    async settled() {
      hurry.abort();
      await running;
      hurry = new AbortController();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** An entry that was appended. */
interface Inserted {
  readonly log: string;
  readonly ordinal: number;
}

const streamEvent = (inserted: readonly Inserted[]): DynamoDBStreamEvent => ({
  Records: inserted.map(({ log, ordinal }, at) => ({
    eventID: String(at),
    eventName: 'INSERT',
    eventSource: 'aws:dynamodb',
    eventVersion: '1.1',
    awsRegion: 'us-east-1',
    dynamodb: {
      Keys: { [STATE_KEY.partition]: { S: log }, [STATE_KEY.sort]: { N: String(ordinal) } },
      StreamViewType: 'KEYS_ONLY',
    },
  })),
});
