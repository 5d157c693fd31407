import { before, millis } from '../../core/time.ts';
import type { Gauge } from '../../ports/gauge.ts';
import type { Arrivals } from '../../ports/stores.ts';

/** For records that were stamped by their producers, and had not reached the topic. */
const ON_THE_WAY = millis('1m');

/**
 * What waits on a topic, as far as is published: nothing, as of when its lag was last 0. While there is a lag it cannot be
 * told how old it is.
 *
 * @param lag records that the topic holds and its consumer has not taken
 */
export const kafkaArrivals = (lag: Gauge): Arrivals => ({
  async frontier(now) {
    const latest = await lag.latest(now);
    return latest?.value === 0 ? before(latest.at, ON_THE_WAY) : undefined;
  },
});
