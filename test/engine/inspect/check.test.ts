import { describe, expect, it } from 'vitest';
import { checkDefinition } from '../../../src/engine/inspect/check.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { processHandler } from '../../../src/handlers.ts';
import { count, definePipeline, kinesis, type Pipeline, tumbling } from '../../../src/index.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { at, type Reading, Scene } from '../scene.ts';

const minute = tumbling({ size: '1m' }, { n: count() });
const hour = tumbling({ size: '1h' }, { n: count() });

const define = (version: number, windows: { readonly [name: string]: typeof minute }): Pipeline =>
  definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    version,
    windows,
  });

async function worked(): Promise<Scene> {
  const scene = new Scene(define(3, { kept: minute, altered: minute, gone: minute }));
  const event = kinesisEvent([scene.put('pump', at(0))]);
  await processHandler(scene.ports, scene.pipeline)(event, { getRemainingTimeInMillis: () => 60_000 });
  return scene;
}

describe('a check of a definition', () => {
  it('says which windows are kept, begin anew, are added and removed, and writes nothing', async () => {
    const scene = await worked();
    const entries = () => [...scene.ports.log.logs.values()].flat().length;
    const before = entries();
    const next = define(4, { kept: minute, altered: hour, more: minute });
    expect(await checkDefinition(scene.engine, next)).toEqual({
      pipeline: 'readings',
      version: 4,
      atWork: {
        version: 3,
        generation: 1,
        groups: 4,
        source: 'arn:aws:kinesis:eu-central-1:123456789012:stream/readings',
      },
      windows: [
        { name: 'kept', change: 'kept' },
        { name: 'altered', change: 'begins anew' },
        { name: 'more', change: 'added' },
        { name: 'gone', change: 'removed' },
      ],
      refused: undefined,
    });
    expect(entries()).toBe(before);
  });

  it.each([
    [3, 'give it version: 4'],
    [2, 'Cannot run version 2 of "readings" as version 3 has been at work'],
  ])('of version %i says that it would be refused, and what to do', async (version, why) => {
    const { ports } = await worked();
    expect((await checkDefinition(enginePorts(ports), define(version, { kept: hour }))).refused).toContain(
      why,
    );
  });

  it('says so of another source, where that is named', async () => {
    const { ports, pipeline } = await worked();
    const there = 'arn:aws:kinesis:us-east-1:123456789012:stream/readings';
    expect((await checkDefinition(enginePorts(ports), pipeline, there)).refused).toContain(
      `Cannot take records of ${there} in`,
    );
    expect((await checkDefinition(enginePorts(ports), pipeline)).refused).toBeUndefined();
  });

  it('of a pipeline of which nothing has committed finds nothing against it', async () => {
    const scene = new Scene(define(1, { kept: minute }));
    expect(await checkDefinition(scene.engine, scene.pipeline)).toMatchObject({
      atWork: undefined,
      windows: [{ name: 'kept', change: 'added' }],
      refused: undefined,
    });
  });
});
