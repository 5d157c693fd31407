import { type MemorySource, memoryPorts, memorySource } from '../../src/adapters/memory/index.ts';
import { memoryOutlet } from '../../src/adapters/memory/outlet.ts';
import { flushing, powertoolsTelemetry } from '../../src/adapters/powertools/telemetry.ts';
import { type EpochMillis, type Millis, millis } from '../../src/core/time.ts';
import {
  type InvocationContext,
  panesArrivals,
  processHandler,
  projectHandler,
  sweepHandler,
} from '../../src/handlers.ts';
import type { Pipeline } from '../../src/index.ts';
import { sinkName } from '../../src/pipeline/sinks.ts';
import type { Ports } from '../../src/ports/index.ts';
import { LIMITS, type Limits } from '../../src/ports/limits.ts';
import type { SourceRecord } from '../../src/ports/source.ts';
import { sweptIn } from '../../src/ports/swept.ts';
import { zerosOf } from '../../src/ports/telemetry.ts';
import { behind, type Call, type Gate } from '../../src/simulation/gate.ts';
import { SHAPES } from '../../src/simulation/shapes.ts';
import type { Watched } from '../../src/watch/alarms.ts';
import { MAPPINGS } from '../../src/wiring/mappings.ts';
import { NOON } from '../engine/scene.ts';
import { type Sample, samplesOf } from './cloudwatch.ts';

/** What goes wrong in an account. Each is asked at every call, or every step. */
export interface Faults {
  /** Stands between a function and its stores. */
  readonly store?: (
    fn: Watched,
    call: Call,
    name: string,
  ) => 'fails' | 'throttled' | 'conflict' | Millis | undefined;
  /** Which functions Lambda does not run, as the account's concurrency is used up. */
  readonly throttles?: (fn: Watched) => boolean;
  /** Whether the schedule is disabled. */
  readonly unscheduled?: boolean;
}

export interface Sent {
  readonly data: string;
  readonly partitionKey: string;
  readonly shard?: number;
}

/** How the account is set up. */
export interface AccountOptions {
  /** How far the clock goes from one invocation of the schedule to the next. Default a minute, as in AWS. */
  readonly step?: Millis;
  /** For how long the source keeps a record. Default for ever. */
  readonly retention?: Millis;
  /** The stores of the pipeline whose panes are read. */
  readonly upstream?: Ports['upstream'];
}

/**
 * A pipeline at work in an account that stands in for AWS: the handlers as Lambda runs them, with their telemetry, on
 * stores in memory, once a step of a clock that stands still between. What AWS itself publishes is counted here by
 * what happens: the age of what waits, errors, durations, throttles, dead letters, what is given up.
 */
export class Account {
  readonly samples: Sample[] = [];
  readonly #pipeline: Pipeline;
  readonly #source: MemorySource;
  readonly #options: AccountOptions;
  readonly #ports = memoryPorts({ source: memorySource('readings', 2), start: NOON });
  readonly #written: string[] = [];
  readonly #functions: Readonly<Record<Watched, (event: unknown) => Promise<unknown>>>;
  readonly #setDate: (now: number) => void;
  readonly #waiting = new Map<string, { readonly record: SourceRecord; receives: number }[]>();
  #deadLetters = 0;
  faults: Faults = {};
  /** The bounds of the engine, which may be changed while it runs. */
  readonly limits: { -readonly [Of in keyof Limits]: Limits[Of] } = { ...LIMITS };

  /**
   * @param setDate sets what `Date.now()` says, by which lines have their time
   * @param written receives what is written to standard output
   */
  constructor(
    pipeline: Pipeline,
    { setDate, written }: { readonly setDate: (now: number) => void; readonly written: string[] },
    options: AccountOptions = {},
  ) {
    this.#pipeline = pipeline;
    this.#options = options;
    this.#setDate = setDate;
    this.#written = written;
    this.#source = memorySource('readings', 2);
    const { name } = pipeline;
    const ofFunction = (fn: Watched, part: 'process' | 'sweep' | 'project') => {
      const telemetry = powertoolsTelemetry(name, this.#ports.clock, zerosOf(pipeline)[part]);
      const ports = behind(this.#gateOf(fn), {
        ...this.#ports,
        arrivals: options.upstream
          ? panesArrivals(this.#ports, options.upstream, pipeline)
          : { frontier: async (now) => this.#oldest() ?? now },
        swept: sweptIn(this.#ports.progress),
        telemetry,
        limits: this.limits,
        upstream: options.upstream,
        outlets: new Map(pipeline.sinks.map((sink) => [sinkName(sink), memoryOutlet(this.#ports.clock)])),
      });
      return { telemetry, ports };
    };
    const handler = ofFunction('handler', 'process');
    const sweeper = ofFunction('sweeper', 'sweep');
    const projector = ofFunction('projector', 'project');
    const process = processHandler(handler.ports, pipeline);
    const sweep = sweepHandler(sweeper.ports, pipeline);
    const project = projectHandler(projector.ports, pipeline);
    this.#functions = {
      handler: flushing(handler.telemetry, (event) => process(event, this.#context())),
      sweeper: flushing(sweeper.telemetry, (event) => sweep(event, this.#context())),
      projector: flushing(projector.telemetry, (event) => project(event as object, this.#context())),
    };
  }

  /** The stores by which another pipeline reads this one's panes. */
  get stores(): NonNullable<Ports['upstream']> {
    const { log, objects, progress } = this.#ports;
    return { name: 'state', log, objects, swept: sweptIn(progress) };
  }

  get now(): EpochMillis {
    return this.#ports.clock.now();
  }

  /** Lets the time pass until `until`, step by step, in each of which some records are sent. */
  async run(until: EpochMillis, send: (now: EpochMillis) => readonly Sent[] = () => []): Promise<void> {
    const { step = millis('1m') } = this.#options;
    while (this.now < until) {
      this.#setDate(this.now);
      const begun = this.now;
      for (const { shard = 0, partitionKey, data } of send(begun)) {
        const put = this.#source.put(shard, { arrival: begun, partitionKey, data: Buffer.from(data) });
        const record = { ...put, ...PLACES[this.#pipeline.source.kind]?.(put, shard) };
        const waiting = this.#waiting.get(record.lineage) ?? [];
        this.#waiting.set(record.lineage, waiting);
        waiting.push({ record, receives: 0 });
      }
      await this.#poll();
      if (!this.faults.unscheduled) {
        await this.#invoke('sweeper', {});
        if (this.#pipeline.sinks.length > 0) await this.#invoke('projector', {});
      }
      this.#ports.log.expire(this.now);
      this.#collect();
      this.#ports.clock.set(Math.max(this.now, begun + step) as EpochMillis);
    }
  }

  /** Loses an entry of each key group, the last but one. */
  drop(): void {
    for (const [log, entries] of this.#ports.log.logs)
      if (log.startsWith('readings/')) (entries as unknown[]).splice(-2, 1);
  }

  /** Passes what waits to the handler, as a mapping does. */
  async #poll(): Promise<void> {
    const { kind } = this.#pipeline.source;
    const shape = SHAPES[kind];
    this.#giveUp();
    this.#tellWaiting();
    if (kind === 'panes') {
      await this.#invoke('handler', {});
      return;
    }
    const lanes = [...this.#waiting.values()].filter((waiting) => waiting.length > 0);
    /** The message groups of which a message comes again, for which those behind it wait. */
    const blocked = new Set<string>();
    for (const offered of shape.lineages > 1 ? cut(lanes.flat(), shape.records) : lanes) {
      const batch = offered.filter(({ record }) => !blocked.has(record.lineage));
      if (batch.length === 0) continue;
      const event = shape.eventOf(batch.map(({ record }) => record));
      const answer = await this.#invoke('handler', event);
      if (answer === THROTTLED) continue;
      const again = this.#againOf(batch, answer);
      for (const one of batch) one.receives++;
      if (kind === 'fifo') for (const { record } of again) blocked.add(record.lineage);
      for (const [lineage, waiting] of this.#waiting) {
        this.#waiting.set(
          lineage,
          waiting.filter((one) => !batch.includes(one) || again.has(one)),
        );
      }
    }
    this.#bury();
  }

  /** Returns what an answer has come again. */
  #againOf(batch: readonly Waiting[], answer: unknown): ReadonlySet<Waiting> {
    if (answer === FAILED) return new Set(batch);
    const { identifierOf, fromNamedOn } = SHAPES[this.#pipeline.source.kind];
    const failures = (answer as { batchItemFailures: { itemIdentifier: unknown }[] } | undefined) ?? {
      batchItemFailures: [],
    };
    const named = new Set(
      failures.batchItemFailures.map(({ itemIdentifier }) => JSON.stringify(itemIdentifier)),
    );
    const isNamed = ({ record }: Waiting) => named.has(JSON.stringify(identifierOf(record)));
    const again = new Set<Waiting>();
    for (const one of batch) {
      const isAfter = [...again].some(({ record }) => record.lineage === one.record.lineage);
      if (isNamed(one) || (fromNamedOn && isAfter)) again.add(one);
    }
    return again;
  }

  /** Drops what the source keeps no longer. */
  #giveUp(): void {
    const { retention = Number.POSITIVE_INFINITY } = this.#options;
    for (const [lineage, waiting] of this.#waiting) {
      const kept = waiting.filter(({ record }) => this.now - record.arrival < retention);
      this.#waiting.set(lineage, kept);
      const dropped = waiting.length - kept.length;
      // What the stream has dropped cannot be read for the failures bucket, of which nothing is told then.
      if (dropped > 0)
        this.#publish('AWS/Lambda', 'DroppedEventCount', { EventSourceMappingUUID: 'mapping' }, dropped);
    }
  }

  /** Moves what a queue has handed out as often as it does to the dead-letter queue. */
  #bury(): void {
    const { kind } = this.#pipeline.source;
    const mapping = Object.entries(MAPPINGS).find(([name]) => name === kind)?.[1];
    if (mapping === undefined || !('maxReceives' in mapping)) return;
    for (const [lineage, waiting] of this.#waiting) {
      const kept = waiting.filter(({ receives }) => receives < mapping.maxReceives);
      this.#deadLetters += waiting.length - kept.length;
      this.#waiting.set(lineage, kept);
    }
    this.#publish('AWS/SQS', 'ApproximateNumberOfMessagesVisible', { QueueName: 'dead' }, this.#deadLetters);
  }

  #oldest(): EpochMillis | undefined {
    const arrivals = [...this.#waiting.values()].flatMap((all) =>
      all.slice(0, 1).map(({ record }) => record.arrival),
    );
    return arrivals.length === 0 ? undefined : (Math.min(...arrivals) as EpochMillis);
  }

  /** Publishes what services say of what waits. */
  #tellWaiting(): void {
    const waiting = [...this.#waiting.values()].flat();
    const age = this.now - (this.#oldest() ?? this.now);
    const handler = { FunctionName: 'handler' };
    // Lambda says it with what it reads.
    if (waiting.length > 0) this.#publish('AWS/Lambda', 'IteratorAge', handler, age);
    this.#publish('AWS/Lambda', 'OffsetLag', handler, waiting.length);
    this.#publish('AWS/SQS', 'ApproximateAgeOfOldestMessage', { QueueName: 'queue' }, age / 1_000);
    const queue = { Broker: 'broker', VirtualHost: '/', Queue: 'readings' };
    this.#publish('AWS/AmazonMQ', 'MessageCount', queue, waiting.length);
  }

  async #invoke(fn: Watched, event: unknown): Promise<unknown> {
    const of = { FunctionName: fn };
    const isThrottled = this.faults.throttles?.(fn) === true;
    this.#publish('AWS/Lambda', 'Throttles', of, Number(isThrottled));
    if (isThrottled) return THROTTLED;
    const begun = this.now;
    this.#setDate(begun);
    let answer: unknown = FAILED;
    try {
      answer = await this.#functions[fn](event);
    } catch {}
    this.#publish('AWS/Lambda', 'Errors', of, Number(answer === FAILED));
    this.#publish('AWS/Lambda', 'Duration', of, this.now - begun);
    return answer;
  }

  #context(): InvocationContext {
    const end = this.now + millis('1m');
    return { getRemainingTimeInMillis: () => end - this.now };
  }

  #gateOf(fn: Watched): Gate {
    return async (call, name, carryOut) => {
      const outcome = this.faults.store?.(fn, call, name);
      if (outcome === 'throttled')
        this.#publish('AWS/DynamoDB', 'WriteThrottleEvents', { TableName: 'state' }, 1);
      if (outcome === 'fails' || outcome === 'throttled') throw new Error(`${call} ${outcome}`);
      if (outcome === 'conflict') return 'conflict' as Awaited<ReturnType<typeof carryOut>>;
      if (outcome !== undefined) this.#ports.clock.pass(outcome);
      return carryOut();
    };
  }

  /** Takes a sample of what a service publishes. */
  #publish(
    namespace: string,
    metric: string,
    dimensions: Readonly<Record<string, string>>,
    value: number,
  ): void {
    this.samples.push({ namespace, metric, dimensions, at: this.now, values: [value] });
  }

  /** Takes the samples of what functions have written. */
  #collect(): void {
    const lines = this.#written.splice(0).flatMap((some) => some.trim().split('\n'));
    this.samples.push(...samplesOf(lines.filter((line) => line.startsWith('{'))));
  }
}

/** How sources name records that do not name them as a stream does. */
const PLACES: { readonly [kind: string]: (put: SourceRecord, shard: number) => Partial<SourceRecord> } = {
  kafka: (_, shard) => ({ lineage: `readings/${shard}` }),
  fifo: ({ partitionKey }) => ({ lineage: `readings/${partitionKey}` }),
  dynamodb: ({ data, partitionKey }, shard) => ({
    lineage: `readings/2026-01-05T08:00:00.000/shardId-${shard}`,
    data: Buffer.from(
      JSON.stringify({
        kind: 'INSERT',
        keys: { machine: partitionKey },
        newImage: JSON.parse(Buffer.from(data).toString()),
      }),
    ),
  }),
  // The shape of its events makes the partition key the message's id.
  rabbitmq: ({ position }) => ({ lineage: 'readings::/', partitionKey: position }),
};

const cut = <Of>(all: readonly Of[], size: number): readonly (readonly Of[])[] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, at) => all.slice(at * size, (at + 1) * size));

interface Waiting {
  readonly record: SourceRecord;
  receives: number;
}

const FAILED = Symbol('failed');
const THROTTLED = Symbol('throttled');
