import { before, millis } from '../../core/time.ts';
import type { Gauge } from '../../ports/gauge.ts';
import type { Arrivals } from '../../ports/stores.ts';

/** How far behind the broker its counts of messages are taken to be. They are some seconds behind. */
const BEHIND = millis('1m');

/**
 * Tells what waits on a queue, from the number of its messages, those that a consumer has not acknowledged among
 * them: nothing, as of when it was last 0. While there are any, nobody can tell how old they are.
 *
 * @param messages the number of messages that the broker holds for the queue
 */
export const rabbitArrivals = (messages: Gauge): Arrivals => ({
  async frontier(now) {
    const latest = await messages.latest(now);
    return latest?.value === 0 ? before(latest.at, BEHIND) : undefined;
  },
});
