import { describe, expect, it } from 'vitest';
import { millis } from '../../../src/core/time.ts';
import { projectHandler } from '../../../src/handlers.ts';
import {
  bucket,
  count,
  definePipeline,
  kinesis,
  type Pipeline,
  rolling,
  table,
  tumbling,
} from '../../../src/index.ts';
import type { Ports } from '../../../src/ports/index.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import { at, type Reading, Scene } from '../scene.ts';

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

const options = {
  key: ({ machine }: Reading) => machine,
  eventTime: (reading: Reading) => reading.at,
  groups: 1,
};

/** Each record shows in a pane. */
const each = definePipeline('readings', kinesis<Reading>(), {
  ...options,
  windows: { latest: rolling({ count: 1 }, { n: count() }) },
}).to(table(), bucket({ every: '0s' })) as Pipeline;

const minutes = definePipeline('readings', kinesis<Reading>(), {
  ...options,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
}).to(table()) as Pipeline;

const deliver = (scene: Scene, ports: Ports = scene.ports) =>
  projectHandler(ports, scene.pipeline)({}, INVOCATION);

const latencies = ({ ports }: Scene) => Object.fromEntries(ports.telemetry.deliveries);

describe('the time from arrival to delivery', () => {
  it('is that of the earliest record of a commit, by sink', async () => {
    const scene = new Scene(each);
    await scene.process([
      scene.put('pump', at(0, 1)),
      scene.put('pump', at(0, 4)),
      scene.put('pump', at(0, 3)),
    ]);
    scene.ports.clock.pass(millis('250ms'));
    await deliver(scene);
    expect(latencies(scene)).toEqual({ table: [3_250], bucket: [3_250] });
    expect(scene.storedOf('pump').map(({ arrived }) => arrived)).toEqual([at(0, 1)]);

    // What is delivered is not counted again.
    scene.ports.clock.pass(millis('1m'));
    await deliver(scene);
    expect(latencies(scene)).toEqual({ table: [3_250], bucket: [3_250] });
  });

  it('is counted with the last panes of a commit, where these take several steps', async () => {
    const scene = new Scene(each);
    const limits = { ...LIMITS, rowsStep: 2, objectsStep: 2 };
    await scene.process(Array.from({ length: 5 }, (_, second) => scene.put('pump', at(0, second))));
    const steps: number[] = [];
    const ports: Ports = {
      ...scene.ports,
      limits,
      rows: {
        async put(rows) {
          steps.push(rows.length);
          await scene.ports.rows.put(rows);
          scene.ports.clock.pass(millis('1s'));
        },
      },
    };
    await projectHandler(ports, { ...each, sinks: each.sinks.filter(({ kind }) => kind === 'table') })(
      {},
      INVOCATION,
    );
    expect(steps.length).toBeGreaterThan(2);
    // Four seconds from the first arrival to the last, and a second for each of the three steps that have panes.
    expect(latencies(scene)).toEqual({ table: [7_000] });
  });

  it('is none of a commit without panes, of panes that silence brings, and of entries that do not say it', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put('pump', at(0, 1))]);
    await deliver(scene);
    expect(latencies(scene)).toEqual({});

    await scene.sweepAt(at(10));
    expect(scene.storedOf('pump').map(({ arrived }) => arrived)).toEqual([at(0, 1), undefined]);
    await deliver(scene);
    expect(scene.ports.telemetry.counted.panes).toBe(1);
    expect(latencies(scene)).toEqual({});

    await scene.process([scene.put('pump', at(12)), scene.put('pump', at(14))]);
    const { log } = scene.ports;
    const forgetful: Ports['log'] = {
      ...log,
      after: async (...from) => (await log.after(...from)).map(({ arrived: _, ...entry }) => entry),
    };
    await deliver(scene, { ...scene.ports, log: forgetful });
    expect(scene.ports.telemetry.counted.panes).toBe(2);
    expect(latencies(scene)).toEqual({});
  });
});
