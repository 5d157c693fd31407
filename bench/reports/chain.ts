import { setTimeout as delay } from 'node:timers/promises';
import { stateOf } from '../../examples/hierarchy/state-of.ts';
import { memoryTelemetry } from '../../src/adapters/memory/telemetry.ts';
import {
  collect,
  definePipeline,
  kinesis,
  last,
  panesOf,
  rolling,
  sum,
  table,
  topK,
} from '../../src/index.ts';
import { startLocal } from '../../src/local/runtime.ts';
import type { Ports } from '../../src/ports/index.ts';
import { readFlights } from '../../test/e2e/flights.ts';

/**
 * `npx tsx bench/reports/chain.ts [flights] [per second]`: how long after a flight is sent it is in the row of the last
 * of three pipelines, airport → state → everywhere, in a local run. Their windows are of flights and not of days, as
 * those of examples/hierarchy are, so that none waits for a day to end.
 */
const [flights = 1_000, perSecond = 100] = process.argv.slice(2).map(Number);

/** A flight, or a pane about the flights of a key up to that one. */
interface Sent {
  readonly key: string;
  readonly at: number;
  readonly number: number;
  readonly minutesLate: number;
}

/** More than are sent between two rows, so that each flight is in some row. */
const ROW_FLIGHTS = 1_000;

const windows = {
  latest: rolling<Sent, { minutesLate: number; number: number }>(
    { count: 1 },
    { minutesLate: sum('minutesLate'), number: last('number') },
  ),
};
const airports = definePipeline('airports', kinesis<Sent>({ shards: 2 }), {
  key: 'key',
  eventTime: 'at',
  windows,
});
const sentOf = (pane: { readonly key: string; readonly end: string; readonly results: object }): Sent => ({
  ...(pane.results as Pick<Sent, 'minutesLate' | 'number'>),
  key: pane.key,
  at: Date.parse(pane.end),
});
const states = definePipeline('states', panesOf(airports).map(sentOf), {
  key: ({ key }) => stateOf(key),
  eventTime: 'at',
  outOfOrderness: '1h',
  windows,
});
const everywhere = definePipeline('everywhere', panesOf(states).map(sentOf), {
  key: () => 'everywhere',
  eventTime: 'at',
  outOfOrderness: '1h',
  windows: {
    latest: rolling(
      { count: ROW_FLIGHTS },
      { topTen: topK('key', 10, { by: 'minutesLate' }), numbers: collect('number') },
    ),
  },
}).to(table());

/** When the first row was written that has a flight, by the number of the flight. */
const written = new Map<number, number>();
const watch = (ports: Ports): Ports => ({
  ...ports,
  rows: {
    async put(rows) {
      await ports.rows.put(rows);
      const now = performance.now();
      for (const { pane } of rows)
        for (const number of (pane.results?.['numbers'] ?? []) as readonly number[])
          if (!written.has(number)) written.set(number, now);
    },
  },
});

const runtime = await startLocal({
  pipeline: everywhere,
  telemetry: memoryTelemetry(),
  decorate: watch,
  upstream: () => ({ telemetry: memoryTelemetry() }),
});
const feed = await runtime.source.openFeed();
const sent: number[] = [];
for (const [number, { origin, delay: minutes }] of readFlights(flights).entries()) {
  sent.push(performance.now());
  const record: Sent = { key: origin, at: Date.now(), number, minutesLate: Math.max(0, minutes) };
  await feed.send(record.key, Buffer.from(JSON.stringify(record)));
  await feed.flush();
  await delay(1_000 / perSecond);
}
await feed.handled();
for (const stage of runtime.stages) {
  await stage.read();
  await stage.projected();
}
await runtime.close();

const latencies = sent
  .flatMap((at, number) => {
    const row = written.get(number);
    return row === undefined ? [] : [row - at];
  })
  .sort((a, b) => a - b);
const share = (q: number) => Math.round(latencies[Math.floor(q * (latencies.length - 1))] ?? Number.NaN);
console.info(
  `${latencies.length} of ${flights} flights, ${perSecond} a second: p50 ${share(0.5)} ms, p99 ${share(0.99)} ms`,
);
