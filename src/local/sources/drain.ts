import { setTimeout as delay } from 'node:timers/promises';
import type { EpochMillis } from '../../core/time.ts';
import type { HandlerOutcome } from '../mapping/answer.ts';
import type { ShardMachine, ShardStep, StreamItem } from '../mapping/stream.ts';

/** The time of a clock that nobody puts back, as batches wait by it. */
export const steadyTime = (): EpochMillis =>
  Math.round(performance.timeOrigin + performance.now()) as EpochMillis;

/** Returns what a handler made of a batch, and reports its error. */
export const outcomeOf = (
  handling: Promise<unknown>,
  onError: (error: unknown) => void,
): Promise<HandlerOutcome> =>
  handling.then(
    (answer) => ({ answer }),
    (error: unknown) => {
      onError(error);
      return { error };
    },
  );

/** Records that a mapping has given up. */
export type GivenUpStep<Item> = Extract<ShardStep<Item>, { readonly step: 'discard' }>;

/** Has a handler take everything that a mapping was offered, until it is done or given up or the signal ends it. */
export async function drain<Item extends StreamItem>(
  machine: ShardMachine<Item>,
  {
    invoke,
    giveUp,
    reached,
    signal,
  }: {
    readonly invoke: (batch: readonly Item[]) => Promise<HandlerOutcome>;
    /** Takes what is given up. A mapping that tries for ever gives nothing up. */
    readonly giveUp?: (step: GivenUpStep<Item>) => Promise<void>;
    /** Is called after each step with the last record that is done or given up. */
    readonly reached: (checkpoint: Item) => void;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for (let due = machine.due(); due !== undefined && !signal.aborted; due = machine.due()) {
    const wait = due - steadyTime();
    if (wait > 0) {
      await delay(wait, undefined, { signal }).catch(() => undefined);
      continue;
    }
    const step = machine.next(steadyTime());
    if (step?.step === 'invoke') machine.settle(await invoke(step.batch), steadyTime());
    else if (step) await giveUp?.(step);
    if (machine.checkpoint) reached(machine.checkpoint);
  }
}
