import type { EpochMillis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Message, Outlet } from '../../ports/outlet.ts';

/** A message, and when it was given to an outlet. */
interface Sent extends Message {
  readonly at: EpochMillis;
}

/** An outlet that keeps what it accepts. */
export interface MemoryOutlet extends Outlet {
  /** What it accepted, in order, each as often as it was sent. */
  readonly accepted: readonly Sent[];
  /** What it was given, whether it accepted it or not. */
  readonly given: readonly Sent[];
}

/** @param refuses whether a message is refused, as a service does that is busy */
export function memoryOutlet(
  clock: Pick<Clock, 'now'>,
  {
    maxBytes = 262_144,
    refuses = () => false,
  }: { readonly maxBytes?: number; readonly refuses?: (message: Message) => boolean } = {},
): MemoryOutlet {
  const accepted: Sent[] = [];
  const given: Sent[] = [];
  return {
    maxBytes,
    accepted,
    given,
    async send(messages, deadline) {
      const back: Message[] = [];
      const stopped = new Set<string>();
      for (const message of messages) {
        const sent = { ...message, at: clock.now() };
        const isLate = sent.at >= deadline;
        if (!isLate) given.push(sent);
        if (isLate || stopped.has(message.key) || refuses(message)) {
          stopped.add(message.key);
          back.push(message);
        } else accepted.push(sent);
      }
      return back;
    },
  };
}
