import type { EpochMillis } from '../core/time.ts';

export interface Clock {
  now(): EpochMillis;
  /**
   * Calls `ring` once it is that late, never before `alarm` has returned. Until then it holds on to all that `ring` refers to,
   * so whoever sets an alarm gives it up as soon as it is not needed.
   *
   * @returns gives the alarm up; does nothing once it has rung
   */
  alarm(at: EpochMillis, ring: () => void): () => void;
  /** Settles in a later turn of the event loop, so that requests that were begun can be sent. */
  turn(): Promise<void>;
}

/**
 * What `work` comes to, or what `late` does where the work has no answer at `deadline`. Work that is late goes on, but nobody
 * waits for it: what it comes to, even a fault, is dropped.
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
