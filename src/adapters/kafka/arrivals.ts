import { before, millis } from '../../core/time.ts';
import type { Gauge } from '../../ports/gauge.ts';
import type { Arrivals } from '../../ports/stores.ts';

/** How long before their arrival producers may have stamped records that had not reached the topic. */
const ON_THE_WAY = millis('1m');

/**
 * Tells what waits on a topic, from its lag: nothing, as of when its lag was last 0. While there is a lag,
 * nobody can tell how old it is.
 *
 * @param lag the number of records that the topic holds and its consumer has not taken
 */
export const kafkaArrivals = (lag: Gauge): Arrivals => ({
  async frontier(now) {
    const latest = await lag.latest(now);
    return latest?.value === 0 ? before(latest.at, ON_THE_WAY) : undefined;
  },
});
