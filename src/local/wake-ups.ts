import { setTimeout as delay } from 'node:timers/promises';
import type { DynamoDBStreamEvent } from 'aws-lambda';
import { STATE_KEY } from '../wiring/names.ts';

type Projector = (event: Partial<DynamoDBStreamEvent>) => Promise<void>;

export interface WakeUps {
  /** An entry was appended to the log of that name. */
  insert(log: string): void;
  /** The once-a-minute event, which names no groups. */
  schedule(): void;
  /** Wakes the projector now instead of when the window is over; settles when nothing waits for it. */
  settled(): Promise<void>;
  /** Lets the projector end what it is at, and wakes it no more. */
  stop(): Promise<void>;
}

/** A shorter window than in AWS: someone is watching. */
const WINDOW_MILLIS = 2_000;
const RETRY_MILLIS = 200;

/**
 * Lambda's event source mapping for the state table's stream: what comes in within the window, or while the projector
 * runs, is one batch; a batch that failed is given again.
 */
export function startWakeUps(project: Projector, onError: (error: unknown) => void): WakeUps {
  const stopping = new AbortController();
  let hurry = new AbortController();
  let waiting: string[] = [];
  let scheduled = false;
  let running: Promise<void> | undefined;

  const pause = (milliseconds: number, ...signals: AbortSignal[]): Promise<void> =>
    delay(milliseconds, undefined, { signal: AbortSignal.any([stopping.signal, ...signals]) }).catch(
      () => undefined,
    );

  const run = async (): Promise<void> => {
    while ((waiting.length > 0 || scheduled) && !stopping.signal.aborted) {
      await pause(WINDOW_MILLIS, hurry.signal);
      const event = scheduled ? {} : streamEvent(waiting);
      scheduled = false;
      waiting = [];
      for (let done = false; !done && !stopping.signal.aborted; ) {
        try {
          await project(event);
          done = true;
        } catch (error) {
          onError(error);
          await pause(RETRY_MILLIS);
        }
      }
    }
    running = undefined;
  };

  const start = (): void => {
    if (!stopping.signal.aborted) running ??= run();
  };

  return {
    insert(log) {
      waiting.push(log);
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

const streamEvent = (logs: readonly string[]): DynamoDBStreamEvent => ({
  Records: logs.map((log, at) => ({
    eventID: String(at),
    eventName: 'INSERT',
    eventSource: 'aws:dynamodb',
    eventVersion: '1.1',
    awsRegion: 'us-east-1',
    dynamodb: { Keys: { [STATE_KEY.partition]: { S: log } }, StreamViewType: 'KEYS_ONLY' },
  })),
});
