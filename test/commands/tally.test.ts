import { expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { createTally } from '../../src/commands/tally.ts';
import type { EpochMillis } from '../../src/core/time.ts';

it("tells latencies in the order of the pipeline's sinks, and of none that had nothing", () => {
  const tally = createTally(flights);
  const told = () => [...tally.latencies].map(([sink, { count }]) => [sink, count]);
  const now = Date.now() as EpochMillis;
  expect(told()).toEqual([]);
  tally.countDelivery('bucket', now, now);
  expect(told()).toEqual([['bucket', 1]]);
  tally.countDelivery('table', now, now);
  tally.countDelivery('table', now, now);
  expect(told()).toEqual([
    ['table', 2],
    ['bucket', 1],
  ]);
});
