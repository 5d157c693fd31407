import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { KafkaEvent } from '../../../src/adapters/kafka/records.ts';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { after, type EpochMillis, type Millis } from '../../../src/core/time.ts';
import { groupOf, hashOf } from '../../../src/engine/group/key-group.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { processHandler } from '../../../src/handlers.ts';
import { count, definePipeline, kafka, tumbling } from '../../../src/index.ts';
import { NOON } from '../scene.ts';

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };
const HOUR = 3_600_000 as Millis;

const pipeline = definePipeline('readings', kafka<{ machine: string; at: number }>({ topic: 'readings' }), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  groups: 4,
  windows: { day: tumbling({ size: '1d' }, { n: count() }) },
});

/** A record of a partition: its machine, and by how many seconds its producer's clock is behind. */
interface Sent {
  readonly machine: string;
  readonly behind: number;
}

const topics = fc.array<Sent>(
  fc.record({ machine: fc.constantFrom('a', 'b', 'c', 'd', 'e'), behind: fc.nat(600) }),
  { minLength: 1, maxLength: 24 },
);

/** Batches: how far back each begins, how long it is, and into how many groups the keys fall from then on. */
const deliveries = fc.array(
  fc.record({
    back: fc.nat(6),
    length: fc.integer({ min: 1, max: 9 }),
    groups: fc.option(fc.constantFrom(1, 2, 4, 8)),
  }),
  { maxLength: 16 },
);

const eventOf = (topic: readonly Sent[], since: EpochMillis, from = 0, to = topic.length): KafkaEvent => ({
  eventSourceArn: 'arn:aws:kafka:eu-central-1:123456789012:cluster/plant/0123',
  records: {
    'readings-0': topic.slice(from, to).map(({ machine, behind }, at) => ({
      topic: 'readings',
      partition: 0,
      offset: from + at,
      timestamp: since + (from + at - behind) * 1_000,
      value: Buffer.from(JSON.stringify({ machine, at: NOON })).toString('base64'),
    })),
  },
});

function consumer() {
  const ports = memoryPorts({ start: after(NOON, HOUR) });
  const handle = processHandler(ports, pipeline);
  return { ports, handle: (event: KafkaEvent) => handle(event, INVOCATION) };
}

it('takes whatever comes again for what it is, however producers stamp it and groups change', async () => {
  await fc.assert(
    fc.asyncProperty(topics, deliveries, async (topic, batches) => {
      const { ports, handle } = consumer();
      let reached = 0;
      for (const { back, length, groups } of [...batches, { back: 9, length: 99, groups: null }]) {
        if (groups !== null) await beginGeneration(enginePorts(ports), pipeline, groups);
        const from = Math.max(0, reached - back);
        reached = Math.max(reached, Math.min(topic.length, from + length));
        expect(await handle(eventOf(topic, NOON, from, from + length))).toEqual({ batchItemFailures: [] });
      }
      expect(ports.telemetry.counted.applied).toBe(topic.length);
    }),
  );
});

it('refuses every record of a topic that was made again where another record was, and drops none', async () => {
  await fc.assert(
    fc.asyncProperty(topics, topics, async (topic, anew) => {
      const { ports, handle } = consumer();
      await handle(eventOf(topic, NOON));
      const groups = (records: readonly Sent[]) =>
        records.map(({ machine }) => groupOf(hashOf(machine), pipeline.groups));
      const last = (group: number) => groups(topic).lastIndexOf(group);
      const stopped = new Set(groups(anew).filter((group, at) => at <= last(group)));
      const named = groups(anew).findIndex((group) => stopped.has(group));

      expect(await handle(eventOf(anew, after(NOON, HOUR)))).toEqual({
        batchItemFailures: named < 0 ? [] : [{ itemIdentifier: { partition: 'readings-0', offset: named } }],
      });
      const taken = groups(anew).filter((group) => !stopped.has(group)).length;
      expect(ports.telemetry.counted).toMatchObject({ applied: topic.length + taken, duplicate: 0 });
      const causes = ports.telemetry.faults.map(({ cause }) => String(cause));
      expect(causes).toHaveLength(stopped.size);
      for (const cause of causes) {
        expect(cause).toMatch(
          /^RangeError: Cannot take records of readings\/0 in as what comes again must have come before: the one at \d+ came at 2026-01-05T1\d:\d\d:\d\d.000Z, and all that are in, up to there and beyond, by 2026-01-05T1\d:\d\d:\d\d.000Z, so the source was made again under its name; give the source, or the pipeline, another name$/,
        );
      }
    }),
  );
});
