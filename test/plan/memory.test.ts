import { expect, it } from 'vitest';
import { bucket, count, definePipeline, kinesis, table, tumbling } from '../../src/index.ts';
import { memoryFloor } from '../../src/plan/memory.ts';

const readings = definePipeline('readings', kinesis<{ machine: string; at: number }>(), {
  key: ({ machine }) => machine,
  eventTime: ({ at }) => at,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
});

it('is below what stacks give their functions, in steps of 64 MB', () => {
  expect(memoryFloor(readings.to(table(), bucket()))).toEqual({ handler: 704, sweeper: 384, projector: 256 });
});

it('grows by a step of panes for each sink, and asks for no projector where there is none', () => {
  expect(memoryFloor(readings).projector).toBeUndefined();
  expect(memoryFloor(readings.to(table())).projector).toBeLessThan(
    memoryFloor(readings.to(table(), bucket())).projector as number,
  );
});
