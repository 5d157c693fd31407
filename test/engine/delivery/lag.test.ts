import { describe, expect, it } from 'vitest';
import { memoryOutlet } from '../../../src/adapters/memory/outlet.ts';
import { memoryTelemetry } from '../../../src/adapters/memory/telemetry.ts';
import { millis } from '../../../src/core/time.ts';
import { projectHandler } from '../../../src/handlers.ts';
import {
  bucket,
  count,
  definePipeline,
  kinesis,
  notify,
  type Pipeline,
  rolling,
  table,
} from '../../../src/index.ts';
import type { Ports } from '../../../src/ports/index.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import { at, type Reading, Scene } from '../scene.ts';

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

const each = (...sinks: Parameters<ReturnType<typeof bare>['to']>) => bare().to(...sinks) as Pipeline;
const bare = () =>
  definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    groups: 1,
    windows: { latest: rolling({ count: 1 }, { n: count() }) },
  });

/** Lets the projector run as the schedule calls it, and returns the lag of each sink. */
async function lagsOf(scene: Scene, ports: Partial<Ports> = {}, event = {}) {
  const telemetry = memoryTelemetry();
  await projectHandler({ ...scene.ports, ...ports, telemetry }, scene.pipeline)(event, INVOCATION).catch(
    () => {},
  );
  return Object.fromEntries(telemetry.lags);
}

describe('for how long panes have waited for a sink', () => {
  it('is 0 where the sink has all of them', async () => {
    const scene = new Scene(each(table(), bucket({ every: '0s' })));
    expect(await lagsOf(scene)).toEqual({ table: 0, bucket: 0 });
    await scene.process([scene.put('pump', at(0, 1))]);
    scene.ports.clock.pass(millis('5m'));
    expect(await lagsOf(scene)).toEqual({ table: 0, bucket: 0 });
  });

  it('is less than `every` while a bucket gathers panes', async () => {
    const scene = new Scene(each(bucket({ every: '5m' })));
    expect(await lagsOf(scene)).toEqual({ bucket: 0 });
    scene.ports.clock.pass(millis('5m'));
    await scene.process([scene.put('pump', at(5, 1))]);
    expect(await lagsOf(scene)).toEqual({ bucket: 0 });
    scene.ports.clock.pass(millis('4m'));
    await scene.process([scene.put('pump', at(9, 10))]);
    expect((await lagsOf(scene))['bucket']).toBeLessThan(millis('5m'));
    expect((await lagsOf(scene))['bucket']).toBeGreaterThanOrEqual(millis('4m'));
  });

  it('counts from the first commit that a limit holds back', async () => {
    const scene = new Scene(each(notify({ to: 'sns', name: 'alerts', limit: 1 })));
    const ports = { outlets: new Map([['alerts', memoryOutlet(scene.ports.clock)]]) };
    await lagsOf(scene, ports);
    for (const second of [1, 2, 3]) await scene.process([scene.put('pump', at(1, second))]);
    scene.ports.clock.set(at(1, 10));
    // The first is sent, and the second was committed eight seconds ago.
    expect(await lagsOf(scene, ports)).toEqual({ alerts: 8_000 });
    scene.ports.clock.set(at(2, 10));
    expect(await lagsOf(scene, ports)).toEqual({ alerts: 67_000 });
    scene.ports.clock.set(at(3, 10));
    expect(await lagsOf(scene, ports)).toEqual({ alerts: 0 });
  });

  it('counts from the last commit that was delivered, where the time is up before the others are read', async () => {
    const scene = new Scene(each(table()));
    await lagsOf(scene);
    for (const second of [1, 2, 3, 4]) await scene.process([scene.put('pump', at(1, second))]);
    scene.ports.clock.set(at(4));
    const rows: Ports['rows'] = {
      async put(some) {
        await scene.ports.rows.put(some);
        scene.ports.clock.pass(millis('58s'));
      },
    };
    const lags = await lagsOf(scene, { rows, limits: { ...LIMITS, rowsStep: 2 } });
    expect(lags).toEqual({ table: at(4, 58) - at(1, 2) });
  });

  it('is not known where the sink cannot be written to, or where only some groups are looked at', async () => {
    const scene = new Scene(each(table()));
    await scene.process([scene.put('pump', at(0, 1))]);
    const ports = scene.refusing((call) => call === 'rows.put');
    expect(await lagsOf(scene, ports)).toEqual({});
    expect(await lagsOf(scene, {}, { Records: [] })).toEqual({});
  });
});
