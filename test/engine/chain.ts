import { expect } from 'vitest';
import { type MemoryPorts, memoryPorts } from '../../src/adapters/memory/index.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { decodePanes } from '../../src/engine/format/entry.ts';
import { panesArrivals, processHandler, sweepHandler } from '../../src/handlers.ts';
import {
  collect,
  count,
  definePipeline,
  kinesis,
  type Pipeline,
  panesOf,
  rolling,
  running,
  sum,
  tumbling,
} from '../../src/index.ts';
import type { Ports } from '../../src/ports/index.ts';
import { sweptIn } from '../../src/ports/swept.ts';
import { kinesisEvent } from '../../src/simulation/shapes.ts';
import { groupLogPrefix } from '../../src/wiring/names.ts';
import { at, NOON, type Reading, Scene } from './scene.ts';

/** The second version has a window more. */
export const readings = (version: 1 | 2 = 1) =>
  definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    groups: 4,
    version,
    windows: {
      minute: tumbling({ size: '1m', emit: 'record' }, { n: count(), sum: sum('celsius') }),
      lastTwo: rolling({ count: 2 }, { sum: sum('celsius') }),
      all: running({}, { n: count() }),
      ...(version === 2 && { hour: tumbling({ size: '1h' }, { n: count() }) }),
    },
  });

export const byLine = (upstream = readings(), begin: 'first' | 'kept' = 'first') =>
  definePipeline('lines', panesOf(upstream, 'minute', { begin }), {
    key: ({ key }) => key.slice(0, 1),
    eventTime: ({ start }) => start,
    outOfOrderness: '5m',
    groups: 2,
    windows: {
      minute: tumbling({ size: '1m' }, { n: sum(({ results }) => results.n), of: collect('key') }),
    },
  });

export const invocation = { getRemainingTimeInMillis: () => 60_000 };

/** A pipeline of readings, and one that reads its panes. */
export class Chain {
  readonly first: Scene;
  readonly ports: MemoryPorts;
  pipeline: Pipeline;
  upstream: Pipeline;

  constructor(pipeline: Pipeline = byLine() as Pipeline, upstream: Pipeline = readings() as Pipeline) {
    this.upstream = upstream;
    this.first = new Scene(upstream);
    this.pipeline = pipeline;
    this.ports = { ...memoryPorts({ start: NOON }), clock: this.first.ports.clock };
  }

  get withUpstream(): Ports {
    const { log, objects, progress } = this.first.ports;
    const upstream = { name: 'readings-state', log, objects, swept: sweptIn(progress) };
    return { ...this.ports, upstream };
  }

  /** Takes readings of machines in, each a minute and `celsius`. */
  async send(...sent: readonly (readonly [machine: string, minute: number, celsius: number])[]) {
    const records = sent.map(([machine, minute, celsius]) => this.first.put(machine, at(minute), celsius));
    const answer = await processHandler(this.first.ports, this.upstream)(kinesisEvent(records), invocation);
    expect(answer.batchItemFailures).toEqual([]);
  }

  /** Lets time pass in the first pipeline. */
  async sweepFirst(minute: number) {
    this.first.ports.clock.set(at(minute));
    const arrivals = { frontier: async (now: EpochMillis) => now };
    const swept = sweptIn(this.first.ports.progress);
    await sweepHandler({ ...this.first.ports, arrivals, swept }, this.upstream)({}, invocation);
  }

  read = (ports: Ports = this.withUpstream, event: unknown = {}) =>
    processHandler(ports, this.pipeline)(event, invocation);

  async sweep(minute: number) {
    await this.sweepFirst(minute);
    await this.read();
    await this.sweepAlone(minute);
  }

  /** What tells one sweeper, which is kept from one sweep to the next, how far all is read. */
  arrivals = () => panesArrivals(this.ports, this.withUpstream.upstream as never, this.pipeline);

  async sweepAlone(minute: number, arrivals = this.arrivals()) {
    this.ports.clock.set(at(minute));
    await sweepHandler({ ...this.ports, arrivals }, this.pipeline)({}, invocation);
  }

  /** What the second pipeline has emitted: the key, the minute, and the results. */
  emitted(ports = this.ports, pipeline = this.pipeline): readonly unknown[] {
    return [...ports.log.logs].flatMap(([log, entries]) =>
      log.startsWith(groupLogPrefix(pipeline.name))
        ? entries
            .map(this.first.whole)
            .flatMap((entry) =>
              decodePanes(entry).map(({ key, start, results }) => [key, (start - NOON) / 60_000, results]),
            )
        : [],
    );
  }
}

/** Two lines of two machines each. */
export const sent = [
  ['a1', 0, 20],
  ['a2', 0, 21],
  ['b1', 0, 30],
  ['a1', 0.5, 22],
  ['a1', 1, 23],
  ['a2', 1, 24],
  ['b1', 1, 25],
  ['a1', 9, 1],
  ['a2', 9, 1],
  ['b1', 9, 1],
] as const;

export const forget = ({ log }: MemoryPorts, ...names: readonly string[]): void => {
  for (const name of names) (log.logs as Map<string, unknown>).delete(name);
};
