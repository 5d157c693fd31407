import { describe, expect, it } from 'vitest';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { OutdatedError } from '../../../src/engine/group/deployment.ts';
import { audit } from '../../../src/engine/inspect/audit.ts';
import { rescale } from '../../../src/engine/log/rescale.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { bucket, count, definePipeline, kinesis, table, tumbling } from '../../../src/index.ts';
import { definitionLog, groupLog } from '../../../src/wiring/names.ts';
import { at, type Reading, Scene } from '../scene.ts';

const readings = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
}).to(table(), bucket());

const MACHINES = Array.from({ length: 20 }, (_, n) => `machine-${n}`);

async function begun(): Promise<Scene> {
  const scene = await new Scene(readings).under(readings);
  await scene.process(MACHINES.map((machine) => scene.put(machine, at(0))));
  return scene;
}

const nothing = (): void => {};

const auditOf = ({ ports }: Scene) => audit({ ...ports, reading: memoryReading(ports) }, readings);

describe('a change of the number of key groups', () => {
  it.each([16, 256, 1])('to %i moves every key at once, and says how far it is', async (groups) => {
    const scene = await begun();
    let told = 0;
    const rescaled = await rescale(scene.engine, readings, groups, () => told++);
    expect(rescaled).toEqual({ isNew: true, generation: 2, groups, keys: MACHINES.length });
    expect(told).toBe(groups);
    const { logs } = scene.ports.log;
    const entries = Array.from(
      { length: groups },
      (_, group) => logs.get(groupLog('readings', 2, group))?.length,
    );
    expect(new Set(entries)).toEqual(new Set([1]));
    const next = await scene.under(readings);
    await next.process(MACHINES.map((machine) => next.put(machine, at(2))));
    await next.project();
    expect(next.lines()).toHaveLength(MACHINES.length);
    expect(await auditOf(next)).toMatchObject({ findings: [], records: { applied: 2 * MACHINES.length } });
  });

  it('to the number that it is changes nothing', async () => {
    const scene = await begun();
    await rescale(scene.engine, readings, 8, nothing);
    const entries = [...scene.ports.log.logs.values()].flat().length;
    expect(await rescale(scene.engine, readings, 8, nothing)).toEqual({
      isNew: false,
      generation: 2,
      groups: 8,
      keys: MACHINES.length,
    });
    expect([...scene.ports.log.logs.values()].flat()).toHaveLength(entries);
  });

  it.each(['log.append', 'log.latest'] as const)(
    'that fails at any %s is finished by the next',
    async (call) => {
      const scene = await begun();
      let failures = 0;
      for (let calls = 0, allowed = 0, ended = false; !ended; allowed += 3, calls = 0) {
        const failing = scene.through(async (one, _, carryOut) => {
          if (one === call && ++calls > allowed) throw new Error('refused');
          return carryOut();
        });
        ended = await rescale(enginePorts(failing), readings, 16, nothing).then(
          () => true,
          () => false,
        );
        if (!ended) failures++;
      }
      expect(failures).toBeGreaterThan(3);
      const next = await scene.under(readings);
      await next.project();
      expect(await auditOf(next)).toMatchObject({
        findings: [],
        records: { applied: MACHINES.length },
        logs: { generation: 2, groups: 16 },
      });
    },
  );

  it('is refused where nothing has begun, and nothing is written', async () => {
    const { ports } = new Scene(readings);
    await expect(rescale(enginePorts(ports), readings, 8, nothing)).rejects.toThrow(
      'Cannot rescale "readings" as it must have begun: there are no logs of it',
    );
    expect(ports.log.logs.size).toBe(0);
  });

  it('is refused by another definition than is at work, and nothing is written', async () => {
    const scene = await begun();
    const definitions = () => scene.ports.log.logs.get(definitionLog('readings'))?.length;
    await expect(rescale(scene.engine, { ...readings, version: 2 }, 8, nothing)).rejects.toThrow(
      'Cannot rescale "readings" as its definition must be the one at work: that is version 1, this is version 2',
    );
    expect(definitions()).toBe(1);
    await scene.under({ ...readings, version: 2 });
    await expect(rescale(scene.engine, readings, 8, nothing)).rejects.toThrow(OutdatedError);
    expect(definitions()).toBe(2);
  });

  it.each([0, 3, 8_192, Number.NaN])('to %d is refused, and nothing is written', async (groups) => {
    const scene = await begun();
    await expect(rescale(scene.engine, readings, groups, nothing)).rejects.toThrow(RangeError);
    expect(scene.ports.log.logs.get(definitionLog('readings'))).toHaveLength(1);
  });
});
