import { describe, expect, it } from 'vitest';
import { count, definePipeline, kinesis, mean, rolling, sqs, tumbling } from '../../src/index.ts';
import { pipelineOver } from '../../src/local/over.ts';
import { LOCAL_KINDS } from '../../src/local/sources/index.ts';
import { tryPipeline } from '../../src/testing.ts';

interface Reading {
  readonly machine: string;
  readonly at: number;
  readonly celsius: number;
}

const readings = kinesis<Reading>({ shards: 3 }).map((reading) => reading);
const rest = { key: ({ machine }: Reading) => machine, eventTime: ({ at }: Reading) => at };

const both = definePipeline('readings', readings, {
  ...rest,
  windows: {
    lastThree: rolling({ count: 3 }, { mean: mean('celsius') }),
    minute: tumbling({ size: '1m' }, { count: count(), mean: mean('celsius') }),
  },
});
const ordered = definePipeline('readings', readings, {
  ...rest,
  windows: { lastThree: rolling({ count: 3 }, { mean: mean('celsius') }) },
});
const forgetful = definePipeline('readings', readings, {
  ...rest,
  maxLateness: '1d',
  windows: { minute: tumbling({ size: '1m' }, { count: count() }) },
});

const records = Array.from({ length: 20 }, (_, at) => ({
  machine: `m${at % 2}`,
  at: Date.UTC(2026, 0, 5, 12) + 20_000 * at,
  celsius: at,
}));

describe('a pipeline over a source of another kind', () => {
  it.each(LOCAL_KINDS)('keeps how records are decoded: over %s', (kind) => {
    const definition = both;
    const { pipeline } = pipelineOver(definition, kind);
    expect(pipeline.source.kind).toBe(kind);
    expect(pipeline.source.steps).toBe(definition.source.steps);
    expect(pipeline.groups).toBe(definition.groups);
  });

  it('is the definition itself over the kind that it has', () => {
    const definition = ordered;
    expect(pipelineOver(definition, 'kinesis')).toEqual({ pipeline: definition, left: [] });
  });

  it('keeps the shards of a stream as the partitions of a topic', () => {
    const { pipeline } = pipelineOver(ordered, 'kafka');
    expect(pipeline.source).toMatchObject({ topic: 'readings', partitions: 3 });
  });

  it('keeps every window where the order of the source is kept', () => {
    for (const kind of ['kinesis', 'fifo', 'kafka'] as const) {
      const { pipeline, left } = pipelineOver(both, kind);
      expect(left).toEqual([]);
      expect(pipeline.rules.windows.map(({ name }) => name)).toEqual(['lastThree', 'minute']);
    }
  });

  it('leaves out the windows that follow an order that is not there, and the others emit what they did', () => {
    const definition = both;
    const { pipeline, left } = pipelineOver(definition, 'sqs');
    expect(left).toEqual(['lastThree']);
    const alone = definePipeline('readings', sqs<Reading>(), {
      ...rest,
      windows: { minute: tumbling({ size: '1m' }, { count: count(), mean: mean('celsius') }) },
    });
    const panes = tryPipeline(pipeline, records).panes;
    expect(panes).toEqual(tryPipeline(alone, records).panes);
    expect(panes).toEqual(
      tryPipeline(definition, records).panes.filter(({ window }) => window !== 'lastThree'),
    );
    expect(panes.length).toBeGreaterThan(0);
  });

  it('is refused where no window would be left', () => {
    expect(() => pipelineOver(ordered, 'sqs')).toThrow(
      'Cannot run "readings" over sqs as some window must not follow the order of the source, which has none: all do (lastThree)',
    );
  });

  it('is refused where a key is forgotten while the queue may give a record again', () => {
    expect(() => pipelineOver(forgetful, 'sqs')).toThrow(
      'Cannot run "readings" over sqs as a queue may give a record again for 14 days: maxLateness must be >= "14d"',
    );
    expect(() => pipelineOver(forgetful, 'fifo')).not.toThrow();
  });
});
