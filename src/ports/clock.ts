import type { EpochMillis } from '../core/time.ts';

export interface Clock {
  now(): EpochMillis;
  /**
   * Calls `ring` once the clock reads `at` or later, and never before `alarm` has returned. Until then the
   * clock holds on to all that `ring` refers to, so whoever sets an alarm cancels it as soon as it is not
   * needed.
   *
   * @returns a function that cancels the alarm; it does nothing once the alarm has rung
   */
  alarm(at: EpochMillis, ring: () => void): () => void;
  /** Settles in a later turn of the event loop, so that requests that were begun can be sent. */
  turn(): Promise<void>;
}

/**
 * Returns the result of `work`, or of `late` where the work has no result at `deadline`. Late work goes on,
 * but nobody waits for it: its result, even a fault, is dropped.
 */
export async function inTime<Result, Late>(
  clock: Clock,
  deadline: EpochMillis,
  work: Promise<Result>,
  late: () => Late,
): Promise<Result | Late> {
  const first = await new Promise<{ readonly result: Result } | undefined>((settle, refuse) => {
    const giveUp = clock.alarm(deadline, () => settle(undefined));
    work.finally(giveUp).then((result) => settle({ result }), refuse);
  });
  return first === undefined ? late() : first.result;
}
