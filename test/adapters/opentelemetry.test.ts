import { AsyncLocalStorage } from 'node:async_hooks';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type Context,
  type ContextManager,
  context,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loggable } from '../../src/core/loggable.ts';
import { millis } from '../../src/core/time.ts';
import { processHandler, projectHandler } from '../../src/handlers.ts';
import { bucket, count, definePipeline, kinesis, type Pipeline, rolling, table } from '../../src/index.ts';
import { openTelemetry } from '../../src/opentelemetry.ts';
import type { Ports } from '../../src/ports/index.ts';
import { kinesisEvent } from '../../src/simulation/shapes.ts';
import { at, type Reading, Scene } from '../engine/scene.ts';
import { importsOf } from '../imports.ts';

const SECRET = 'canary';

const readings = definePipeline('readings', kinesis<Reading>({ shards: 2 }), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  windows: { latest: rolling({ count: 1 }, { n: count() }) },
}).to(table(), bucket({ every: '0s' })) as Pipeline;

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = openTelemetry(provider);
beforeEach(() => exporter.reset());
afterEach(() => context.disable());

const spans = (name?: string): readonly ReadableSpan[] =>
  exporter.getFinishedSpans().filter((span) => name === undefined || span.name === name);
const only = (name: string): ReadableSpan => {
  expect(spans(name)).toHaveLength(1);
  return spans(name)[0] as ReadableSpan;
};
const parentOf = ({ parentSpanContext }: ReadableSpan) => parentSpanContext?.spanId;
const idOf = (span: ReadableSpan) => span.spanContext().spanId;

/** All that a span says. */
const told = ({ name, attributes, status, events, links }: ReadableSpan) =>
  JSON.stringify({ name, attributes, status, events, links });

const recordsOf = (scene: Scene) => [
  scene.put(SECRET, at(0, 1), 20, 0, { note: SECRET }),
  scene.put('oven', at(0, 2)),
  scene.putText(`{"machine":"${SECRET}`, at(0, 3), 0, SECRET),
  scene.put(SECRET, at(0, 4)),
];

const handle = (scene: Scene, ports: Ports, records = recordsOf(scene)) =>
  processHandler(ports, scene.pipeline)(kinesisEvent(records), INVOCATION);

const outcomeOf = (work: Promise<unknown>): Promise<unknown> => work.catch((cause: unknown) => cause);

describe('OpenTelemetry gets', () => {
  it('a span of a batch, and within it those of decoding, and of each group folding and committing', async () => {
    const scene = new Scene(readings);
    await handle(scene, { ...scene.ports, tracer });
    const logs = [scene.logOf(SECRET), scene.logOf('oven')].sort();
    expect(new Set(logs).size).toBe(2);
    const batch = only('batch');
    expect(parentOf(batch)).toBeUndefined();
    expect(batch.instrumentationScope.name).toBe('millrace');
    expect(batch.attributes).toEqual({
      'millrace.pipeline': 'readings',
      'millrace.records': 4,
      'millrace.again': 0,
    });
    expect(only('decode').attributes).toEqual({
      'millrace.records': 4,
      'millrace.taken': 4,
      'millrace.groups': 2,
    });
    for (const name of ['fold', 'commit']) {
      expect(
        spans(name)
          .map(({ attributes }) => attributes['millrace.log'])
          .sort(),
      ).toEqual(logs);
    }
    const ofOven = (name: string) =>
      spans(name).find(({ attributes }) => attributes['millrace.log'] === scene.logOf('oven'));
    expect(ofOven('fold')?.attributes).toMatchObject({
      'millrace.records': 1,
      'millrace.taken': 1,
      'millrace.panes': 1,
    });
    expect(ofOven('commit')?.attributes).toEqual({
      'millrace.log': scene.logOf('oven'),
      'millrace.bytes': scene.entriesOf('oven')[0]?.body.length,
      'millrace.outcome': 'committed',
    });
    expect(spans()).toHaveLength(6);
    for (const span of spans()) {
      expect(span.status.code).toBe(SpanStatusCode.UNSET);
      if (span !== batch) expect(parentOf(span)).toBe(idOf(batch));
      expect(told(span)).not.toContain(SECRET);
    }
  });

  it('a span of each sink that is delivered to', async () => {
    const scene = new Scene(readings);
    await handle(scene, scene.ports);
    expect(spans()).toEqual([]);
    await projectHandler({ ...scene.ports, tracer }, readings)({}, INVOCATION);
    const bySink = Object.fromEntries(
      spans('project').map(({ attributes: { 'millrace.sink': sink, ...rest } }) => [sink, rest]),
    );
    const covered = { 'millrace.pipeline': 'readings', 'millrace.entries': 2, 'millrace.panes': 3 };
    expect(bySink).toEqual({
      table: { ...covered, 'millrace.log': 'rows/readings' },
      bucket: { ...covered, 'millrace.log': 'objects/readings' },
    });
    expect(spans()).toHaveLength(2);
    expect(spans().map(told).join('')).not.toContain(SECRET);
  });

  it('failures, with no message but that of an error of ours', async () => {
    for (const [fault, message] of [
      [new Error(`no room for ${SECRET}`), undefined],
      [loggable(new RangeError('Cannot write as 2 is 3')), 'Cannot write as 2 is 3'],
      [SECRET, undefined],
    ] as const) {
      exporter.reset();
      const scene = new Scene(readings);
      const failing: Ports = {
        ...scene.ports,
        tracer,
        log: {
          ...scene.ports.log,
          append: (name, entry) =>
            name === scene.logOf(SECRET) ? Promise.reject(fault) : scene.ports.log.append(name, entry),
        },
      };
      expect(await handle(scene, failing)).toMatchObject({ batchItemFailures: [{}] });
      const failed = spans().filter(({ status }) => status.code === SpanStatusCode.ERROR);
      expect(failed.map(({ name }) => name)).toEqual(['commit', 'batch']);
      const [commit] = failed;
      expect(commit?.status.message).toBe(message);
      expect(commit?.attributes).toMatchObject({
        'millrace.log': scene.logOf(SECRET),
        'error.type': fault instanceof Error ? fault.name : 'string',
      });
      expect(spans().map(told).join('')).not.toContain(SECRET);
    }
  });

  it('a failure of a sink, which is thrown as it was, while the other sink goes on', async () => {
    const scene = new Scene(readings);
    await handle(scene, scene.ports);
    const fault = new Error(SECRET);
    const failing: Ports = { ...scene.ports, tracer, rows: { put: () => Promise.reject(fault) } };
    expect(await outcomeOf(projectHandler(failing, readings)({}, INVOCATION))).toBe(fault);
    const failed = spans('project').filter(({ status }) => status.code === SpanStatusCode.ERROR);
    expect(failed.map(({ attributes }) => attributes['millrace.sink'])).toEqual(['table']);
    expect(spans('project')).toHaveLength(2);
    expect(spans().map(told).join('')).not.toContain(SECRET);
  });

  it('a race that was lost, which is no failure', async () => {
    const scene = new Scene(readings);
    let races = 1;
    const losing: Ports = {
      ...scene.ports,
      tracer,
      log: {
        ...scene.ports.log,
        append: async (name, entry) =>
          name === scene.logOf('oven') && races-- > 0 ? 'conflict' : scene.ports.log.append(name, entry),
      },
    };
    await handle(scene, losing, [scene.put('oven', at(0, 1))]);
    expect(spans('commit').map(({ attributes }) => attributes['millrace.outcome'])).toEqual([
      'conflict',
      'committed',
    ]);
    expect(spans('fold')).toHaveLength(2);
    expect(spans().every(({ status }) => status.code === SpanStatusCode.UNSET)).toBe(true);
  });

  it('spans within what is active, and those of others within them', async () => {
    context.setGlobalContextManager(contextManager());
    const scene = new Scene(readings);
    const others = provider.getTracer('others');
    const watched: Ports = {
      ...scene.ports,
      tracer,
      log: {
        ...scene.ports.log,
        append(name, entry) {
          if (name === scene.logOf('oven')) others.startSpan('PutItem').end();
          return scene.ports.log.append(name, entry);
        },
      },
    };
    const invocation = others.startSpan('invocation');
    await context.with(trace.setSpan(context.active(), invocation), () =>
      handle(scene, watched, [scene.put('oven', at(0, 1))]),
    );
    invocation.end();
    expect(parentOf(only('batch'))).toBe(invocation.spanContext().spanId);
    expect(parentOf(only('PutItem'))).toBe(idOf(only('commit')));
  });
});

describe('a handler that is traced', () => {
  /** What a handler writes and answers. */
  const ran = async (traced: Partial<Ports>) => {
    const scene = new Scene(readings);
    const ports = { ...scene.ports, ...traced };
    const answer = await handle(scene, ports);
    scene.ports.clock.pass(millis('1s'));
    await projectHandler(ports, readings)({}, INVOCATION);
    return { answer, logs: [...scene.ports.log.logs], objects: [...scene.ports.objects.stored] };
  };

  it('writes and answers the same', async () => {
    expect(await ran({ tracer })).toEqual(await ran({}));
    expect(spans().length).toBeGreaterThan(0);
  });

  it('does so where its tracer fails, whatever fails of it', async () => {
    const fail = (): never => {
      throw new Error('no traces today');
    };
    const span = { setAttributes: fail, setAttribute: fail, setStatus: fail, end: fail, spanContext: fail };
    const untraced = await ran({});
    for (const startSpan of [fail, () => span]) {
      const failing = { getTracer: () => ({ startSpan }) } as never;
      expect(await ran({ tracer: openTelemetry(failing) })).toEqual(untraced);
    }
  });

  it('throws what is thrown, at once and later', async () => {
    const fault = new Error('no');
    expect(() =>
      tracer.span('fold', {}, () => {
        throw fault;
      }),
    ).toThrow(fault);
    const rejected = Promise.reject(fault);
    const answered = tracer.span('fold', {}, () => rejected);
    expect(answered).toBe(rejected);
    expect(await outcomeOf(answered)).toBe(fault);
    expect(spans('fold').map(({ status }) => status.code)).toEqual([
      SpanStatusCode.ERROR,
      SpanStatusCode.ERROR,
    ]);
  });
});

it('nothing that is imported without tracing imports OpenTelemetry', () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const name of importsOf(readFileSync(file, 'utf8'))) {
      expect(name).not.toContain('opentelemetry');
      if (name.startsWith('.')) visit(join(dirname(file), name));
    }
  };
  for (const entry of ['src/index.ts', 'src/lambda.ts', 'src/testing.ts', 'bin/millrace.ts']) visit(entry);
  expect(seen.size).toBeGreaterThan(100);
});

function contextManager(): ContextManager {
  const active = new AsyncLocalStorage<Context>();
  return {
    active: () => active.getStore() ?? ROOT_CONTEXT,
    with: (within, work, self, ...args) => active.run(within, () => work.apply(self, args)),
    bind: (_within, target) => target,
    enable() {
      return this;
    },
    disable() {
      return this;
    },
  };
}
