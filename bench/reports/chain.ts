import { setTimeout as delay } from 'node:timers/promises';
import { memoryTelemetry } from '../../src/adapters/memory/telemetry.ts';
import { count, definePipeline, kinesis, last, panesOf, rolling, table } from '../../src/index.ts';
import { startLocal } from '../../src/local/runtime.ts';
import type { Ports } from '../../src/ports/index.ts';

/**
 * `npx tsx bench/reports/chain.ts [records] [per second]`: how long after a record is sent the row of the last of three
 * pipelines has it, in a local run. Their windows emit with each record, so that none waits for a window to close.
 */
const [records = 1_000, perSecond = 100] = process.argv.slice(2).map(Number);

interface Sent {
  readonly key: string;
  readonly at: number;
  readonly sent: number;
}

const windows = {
  each: rolling<Sent, { n: number; sent: number }>({ count: 1 }, { n: count(), sent: last('sent') }),
};
const machines = definePipeline('machines', kinesis<Sent>(), {
  key: ({ key }) => key,
  eventTime: ({ at }) => at,
  windows,
});
const sentOf = (pane: { readonly key: string; readonly start: string; readonly results: object }): Sent => ({
  key: pane.key,
  at: Date.parse(pane.start),
  sent: (pane.results as { readonly sent: number }).sent,
});
const lines = definePipeline('lines', panesOf(machines).map(sentOf), {
  key: ({ key }) => key.slice(0, 1),
  eventTime: ({ at }) => at,
  outOfOrderness: '1h',
  windows,
});
const plant = definePipeline('plant', panesOf(lines).map(sentOf), {
  key: () => 'plant',
  eventTime: ({ at }) => at,
  outOfOrderness: '1h',
  windows: { each: rolling({ count: 1 }, { sent: last('sent') }) },
}).to(table());

/** The latest record that a row has, and when it was written. */
const written: { readonly sent: number; readonly at: number }[] = [];
const watch = (ports: Ports): Ports => ({
  ...ports,
  rows: {
    async put(rows) {
      await ports.rows.put(rows);
      for (const { pane } of rows)
        written.push({ sent: Number(pane.results?.['sent']), at: performance.now() });
    },
  },
});

const runtime = await startLocal({
  pipeline: plant,
  telemetry: memoryTelemetry(),
  decorate: watch,
  upstream: () => ({ telemetry: memoryTelemetry() }),
});
const feed = await runtime.source.openFeed();
const sent: number[] = [];
for (let n = 0; n < records; n++) {
  const now = performance.now();
  const record: Sent = { key: `${'abcd'[n % 4]}${n % 40}`, at: Date.now(), sent: now };
  await feed.send(record.key, Buffer.from(JSON.stringify(record)));
  await feed.flush();
  sent.push(now);
  await delay(1_000 / perSecond);
}
await feed.handled();
for (const stage of runtime.stages) {
  await stage.read();
  await stage.projected();
}
await runtime.close();

// A row has the latest record alone: one that came before is in by then.
const latencies = sent
  .flatMap((at) => {
    const row = written.find((one) => one.sent >= at);
    return row ? [row.at - at] : [];
  })
  .sort((a, b) => a - b);
const share = (q: number) => Math.round(latencies[Math.floor(q * (latencies.length - 1))] ?? Number.NaN);
console.info(
  `${latencies.length} of ${records} records, ${perSecond} a second: p50 ${share(0.5)} ms, p99 ${share(0.99)} ms`,
);
