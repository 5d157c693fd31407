import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryCommitLog } from '../../src/adapters/memory/commit-log.ts';
import { count, definePipeline, kinesis, table, tumbling } from '../../src/index.ts';
import { lambdaHandler, projectHandler, sweepHandler } from '../../src/lambda.ts';
import { openTelemetry } from '../../src/opentelemetry.ts';
import { kinesisEvent } from '../../src/simulation/shapes.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { NOON, type Reading, Scene } from '../engine/scene.ts';

// No service answers: the logs are in memory, and all else fails at once.
vi.mock(import('../../src/adapters/aws/client.ts'), () => ({
  clientOf: () => ({ send: () => Promise.reject(new Error('no service')) }) as never,
}));
vi.mock(import('../../src/adapters/dynamodb/commit-log.ts'), () => ({
  dynamoCommitLog: () => memoryCommitLog(),
}));

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };
const readings = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
}).to(table());

const exporter = new InMemorySpanExporter();
const tracer = openTelemetry(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);
const written: string[] = [];
beforeEach(() => {
  vi.stubEnv(ENVIRONMENT.pipeline, 'readings');
  for (const name of ['stateTable', 'rowsTable', 'bucket', 'stream'] as const)
    vi.stubEnv(ENVIRONMENT[name], name);
  vi.spyOn(process.stdout, 'write').mockImplementation((some) => written.push(String(some)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  exporter.reset();
  written.length = 0;
});

const published = () =>
  written
    .flatMap((some) => some.trim().split('\n'))
    .map((line) => JSON.parse(line))
    .filter((line) => '_aws' in line);
const spans = () => exporter.getFinishedSpans().map(({ name }) => name);

describe('in Lambda there are zeros and spans', () => {
  const event = kinesisEvent([new Scene(readings).putText('{}', NOON)]);

  it('of the handler of records', async () => {
    const handler = lambdaHandler(readings, { tracer });
    await handler(event, INVOCATION).catch(() => {});
    expect(published()).toMatchObject([
      { window: 'minute', lateForWindow: 0 },
      { received: 1, applied: 0, conflicts: 0, misaligned: 0 },
    ]);
    expect(spans()).toContain('batch');
  });

  it('of the sweeper, without spans', async () => {
    await sweepHandler(readings)({}, INVOCATION).catch(() => {});
    expect(published()).toMatchObject([
      { panes: 0, cutPanes: 0, sweeps: 1, keys: 0, roomUsed: 0, faults: 1 },
    ]);
  });

  it('of the projector', async () => {
    await projectHandler(readings, { tracer })({}, INVOCATION);
    expect(published()).toMatchObject([
      { sink: 'table', sinkLag: 0 },
      { gaps: 0, faults: 0 },
    ]);
    expect(spans()).toEqual(['project']);
  });

  it('without a tracer no spans', async () => {
    await lambdaHandler(readings)(event, INVOCATION).catch(() => {});
    await projectHandler(readings)({}, INVOCATION);
    expect(spans()).toEqual([]);
  });
});
