import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type Sink, sinkName } from '../pipeline/sinks.ts';
import { upstreamOf } from '../pipeline/upstream.ts';
import { ENTRY_BYTES, readUnits, writeUnits } from './items.ts';
import type { Intake } from './lineages.ts';
import type { Load } from './load.ts';
import type { Rehearsal } from './rehearsal.ts';

/** What the functions of a pipeline ask of the services, a second. */
export interface Counts {
  readonly invocations: { readonly handler: number; readonly projector: number; readonly sweeper: number };
  /** Seconds of each function, a second. They are estimates: nothing was timed. */
  readonly seconds: { readonly handler: number; readonly projector: number; readonly sweeper: number };
  readonly queries: number;
  /** Items read by their key. */
  readonly gets: number;
  /** Items written, one to a request or many. */
  readonly puts: number;
  readonly readUnits: number;
  readonly writeUnits: number;
  readonly objectPuts: number;
  readonly objectHeads: number;
  readonly objectGets: number;
  /** Requests to the source that the sweeper makes. */
  readonly looks: number;
  /** Metrics of CloudWatch that it reads for that. */
  readonly metrics: number;
  /** Requests of each sink that sends messages, and their messages. */
  readonly messages: ReadonlyMap<
    string,
    { readonly requests: number; readonly messages: number; readonly bytes: number }
  >;
}

/** A minute, in seconds: the sweeper comes as often, and so does the projector's schedule. */
const MINUTE = 60;

/** Milliseconds of waiting for an answer of DynamoDB and of S3, and of a processor that a request, a record and a pane take. */
const DYNAMODB_MILLIS = 5;
const S3_MILLIS = 30;
const REQUEST_MILLIS = 0.3;
const RECORD_MILLIS = 0.003;
const PANE_MILLIS = 0.03;
/** A function has a whole processor at this memory, in MB, and less in proportion. */
const PROCESSOR = 1_769;
const SMALL = 512;

export type To = Extract<Sink, { readonly to: string }>['to'] | 'appsync';

/** The most messages of a request, and whether several may be of one key: not where a service keeps their order. */
const REQUESTS: { readonly [Of in To]: { readonly most: number; readonly sharesKeys: boolean } } = {
  sns: { most: 10, sharesKeys: true },
  'sns-fifo': { most: 10, sharesKeys: false },
  eventbridge: { most: 10, sharesKeys: true },
  kinesis: { most: 500, sharesKeys: false },
  sqs: { most: 10, sharesKeys: true },
  'sqs-fifo': { most: 10, sharesKeys: false },
  appsync: { most: 5, sharesKeys: true },
};

/** Returns the requests by which a number of messages is sent, on average, of which the last one is not full. */
const requestsFor = (messages: number, most: number): number =>
  messages > most ? messages / most + (most - 1) / (2 * most) : Math.min(1, messages);

/** Requests and units by which one thing happens. */
interface Ask {
  readonly queries?: number;
  readonly gets?: number;
  readonly puts?: number;
  readonly readUnits?: number;
  readonly writeUnits?: number;
  readonly objectPuts?: number;
  readonly objectHeads?: number;
  readonly objectGets?: number;
  readonly looks?: number;
  readonly metrics?: number;
}

const NONE = {
  queries: 0,
  gets: 0,
  puts: 0,
  readUnits: 0,
  writeUnits: 0,
  objectPuts: 0,
  objectHeads: 0,
  objectGets: 0,
  looks: 0,
  metrics: 0,
};

type Total = typeof NONE;

/** Adds up what happens so often a second. */
const sum = (parts: readonly (readonly [rate: number, ask: Ask])[]): Total => {
  const total = { ...NONE };
  for (const [rate, ask] of parts) {
    for (const name of Object.keys(ask) as (keyof Total)[]) total[name] += rate * (ask[name] ?? 0);
  }
  return total;
};

/** Queries of which each takes one unit, as what it reads is small or nothing. */
const small = (queries: number): Ask => ({ queries, readUnits: queries });

/** What a note of how far something has come takes up: a cursor of each group, deflated. */
const noteBytes = (groups: number): number => ENTRY_BYTES + 40 + 5 * groups;

/**
 * Counts what a pipeline asks of the services, at rest where `load` brings nothing.
 *
 * @param rehearsal how a group fares under a load; undefined for a pipeline at rest
 */
export function countsOf(
  pipeline: Pipeline,
  load: Load,
  intake: Intake,
  rehearsal: Rehearsal | undefined,
): Counts {
  const handler = handlerOf(pipeline, load, intake, rehearsal);
  const sweeper = sweeperOf(pipeline, intake, rehearsal);
  const projector = projectorOf(pipeline, load, intake, rehearsal);
  const all = sum([...handler.asks, ...sweeper.asks, ...projector.asks]);
  const records = rehearsal === undefined ? 0 : load.recordsPerSecond;
  const panes = rehearsal === undefined ? 0 : rehearsal.panes.panes * rehearsal.groups;
  const secondsOf = (
    calls: number,
    { asks, width }: { readonly asks: Asks; readonly width: number },
    memory: number,
    work: number,
  ): number => {
    const { queries, gets, puts, objectPuts, objectHeads, objectGets, looks } = sum(asks);
    const table = queries + gets + puts;
    const objects = objectPuts + objectHeads + objectGets;
    const processor = (work + REQUEST_MILLIS * (table + objects + looks)) / Math.min(1, memory / PROCESSOR);
    return (processor + (DYNAMODB_MILLIS * (table + looks) + S3_MILLIS * objects) / width + calls) / 1_000;
  };
  const invocations = { handler: handler.calls, projector: projector.calls, sweeper: sweeper.calls };
  return {
    ...all,
    invocations,
    seconds: {
      handler: secondsOf(handler.calls, handler, load.memory, records * RECORD_MILLIS),
      projector: secondsOf(projector.calls, projector, SMALL, panes * PANE_MILLIS * pipeline.sinks.length),
      sweeper: secondsOf(sweeper.calls, sweeper, SMALL, 0),
    },
    messages: projector.messages,
  };
}

type Asks = readonly (readonly [rate: number, ask: Ask])[];

/** What the calls of a function ask for, and how many requests are under way side by side. */
interface Work {
  readonly calls: number;
  readonly asks: Asks;
  readonly width: number;
}

/**
 * The handler reads the definition once a minute; of each group that a batch touches what another wrote since, which is
 * nothing but for the sweeper's entries; appends; and notes how far a shard is read.
 */
function handlerOf(pipeline: Pipeline, load: Load, intake: Intake, rehearsal: Rehearsal | undefined): Work {
  const { batches, lineages } = intake;
  const reading = readingOf(pipeline, load, rehearsal && intake);
  if (rehearsal === undefined) return { ...reading, width: 1 };
  const { groups, handler, sweeper, touched } = rehearsal;
  const environments = Math.min(lineages, Math.max(1, batches * MINUTE));
  const { notesProgress } = pipeline.source.lineage;
  return {
    calls: batches + reading.calls,
    asks: [
      ...reading.asks,
      [Math.min(environments / MINUTE, batches), small(1)],
      [batches * touched, small(1)],
      [groups * sweeper.rate, { ...small(1), objectGets: sweeper.objects }],
      [groups * handler.rate, { puts: 1, writeUnits: handler.writeUnits, objectPuts: handler.objects }],
      ...(notesProgress ? [[batches, { puts: 1, writeUnits: 1 }] as const] : []),
    ],
    width: Math.max(1, touched),
  };
}

/**
 * What a handler reads of another pipeline's panes, beside what it does with them: once a minute, and as each shard of the
 * stream of that pipeline's state table wakes it. It reads the definition, how far it came, and the log of each group,
 * until nothing is left. Of the shards one brings panes, and the others find that these are taken in.
 */
function readingOf(
  pipeline: Pipeline,
  { tableShards, bytes }: Load,
  intake: Intake | undefined,
): { readonly calls: number; readonly asks: Asks } {
  const of = upstreamOf(pipeline);
  if (of === undefined) return { calls: 0, asks: [] };
  const found = small(2 + of.groups);
  if (intake === undefined) return { calls: 1 / MINUTE, asks: [[1 / MINUTE, found]] };
  const { batches, batch } = intake;
  const shards = Math.min(tableShards, of.groups);
  const busy = of.groups * (1 - (1 - 1 / of.groups) ** batch);
  const units = busy * readUnits((batch / busy) * bytes);
  return {
    calls: 1 / MINUTE + batches * (shards - 1),
    asks: [
      [1 / MINUTE + batches * shards, found],
      [batches, { queries: 2 + of.groups + busy, readUnits: 2 + of.groups + units, puts: 1, writeUnits: 1 }],
    ],
  };
}

/** What the sweeper reads of a source. */
const looksOf = (source: Pipeline['source'], shards: number): Ask => {
  const atShards = (): Ask => ({ looks: 1 + 2 * shards, gets: shards, readUnits: shards });
  const measured = (): Ask => ({ looks: 1, metrics: 1 });
  return byKind<Pipeline['source'], Ask>(source, {
    kinesis: atShards,
    dynamodb: atShards,
    sqs: measured,
    fifo: measured,
    kafka: measured,
    rabbitmq: measured,
    panes: ({ of }) => ({ queries: 2 + of.groups, gets: 1, readUnits: 3 + of.groups }),
  });
};

/**
 * The sweeper reads the definition, what waits in the source, and the entries of each group since it came last; it
 * appends where windows have closed by silence, and notes how far it came.
 */
function sweeperOf(pipeline: Pipeline, { lineages }: Intake, rehearsal: Rehearsal | undefined): Work {
  const each = 1 / MINUTE;
  const common: Asks = [
    [each, small(1)],
    [each, looksOf(pipeline.source, lineages)],
    [each, { puts: 1, writeUnits: 1 }],
  ];
  const width = 16;
  if (rehearsal === undefined)
    return { calls: each, asks: [...common, [each * pipeline.groups, small(1)]], width };
  const { groups, handler, sweeper } = rehearsal;
  const entries = MINUTE * handler.rate;
  const busy = groups * Math.min(1, entries);
  const bytes = Math.max(1, entries) * handler.itemBytes;
  return {
    calls: each,
    asks: [
      ...common,
      [each * pipeline.groups, small(1)],
      [
        each * busy,
        { queries: 1, readUnits: readUnits(bytes), objectGets: Math.max(1, entries) * handler.objects },
      ],
      [groups * sweeper.rate, { puts: 1, writeUnits: sweeper.writeUnits, objectPuts: sweeper.objects }],
    ],
    width,
  };
}

/** What wakes the projector, a second, and the groups that one wake-up is about. */
interface WakeUps {
  readonly rate: number;
  readonly logs: number;
}

/**
 * Each shard of the state table's stream gathers for a delivery window, from the first entry on that it holds. Entries
 * come in bursts, as a batch commits all groups that it touches at once; so a window ends, and the next burst opens
 * another.
 */
function wakeUpsOf(
  { deliveryWindow, tableShards }: Load,
  { batches, groups: reached }: Intake,
  { groups, sweeper, touched, allGroups }: Rehearsal,
): WakeUps {
  const shards = Math.max(1, Math.min(tableShards, groups));
  const bursts = batches * (1 - (1 - 1 / shards) ** touched);
  const window = deliveryWindow / 1_000;
  const interval = Math.max(1, Math.ceil(window * bursts)) / bursts;
  const groupsOfBatch = Math.max(1, (reached * groups) / allGroups);
  const batchesOfGroup = (interval * batches * groupsOfBatch) / groups;
  const untouched = Math.max(0, 1 - touched / groupsOfBatch) ** batchesOfGroup;
  // What the sweeper writes while no window is open opens one.
  const sweeps = Math.min(1 / MINUTE, sweeper.rate * groups) * Math.max(0, 1 - window / interval);
  return { rate: shards / interval + sweeps, logs: Math.max(1, (groups / shards) * (1 - untouched)) };
}

function projectorOf(
  pipeline: Pipeline,
  load: Load,
  intake: Intake,
  rehearsal: Rehearsal | undefined,
): Work & Pick<Counts, 'messages'> {
  const { sinks } = pipeline;
  const messages = new Map<string, { requests: number; messages: number; bytes: number }>();
  if (sinks.length === 0) return { calls: 0, asks: [], width: 1, messages };
  const { groups: logs } = pipeline;
  const tick = 1 / MINUTE;
  const wakeUps = rehearsal && wakeUpsOf(load, intake, rehearsal);
  const asks: (readonly [number, Ask])[] = [[tick + (wakeUps?.rate ?? 0), small(1)]];
  const note = noteBytes(logs);
  const cursor: Ask = { puts: 1, writeUnits: writeUnits(note) };
  const latest: Ask = { queries: 1, readUnits: readUnits(note) };

  // What a wake-up reads of the groups that it is about: their entries, then that there are no more, and once again in
  // the step after that.
  const readOf = ({ handler, sweeper }: Rehearsal, { rate, logs }: WakeUps, groups: number): Asks => {
    const entries = ((handler.rate + sweeper.rate) * groups) / (rate * logs);
    const bytes = entries * average(handler, sweeper, ({ itemBytes }) => itemBytes);
    const objects = entries * average(handler, sweeper, (of) => of.objects);
    return [[rate * logs, { queries: 3, readUnits: readUnits(bytes) + 2, objectGets: objects }]];
  };

  const noting = (sink: Sink): void => {
    // Once a minute nothing is left to deliver.
    asks.push([tick, latest], [tick * logs, small(1)]);
    if (rehearsal === undefined || wakeUps === undefined) return;
    asks.push(
      [2 * wakeUps.rate, latest],
      [wakeUps.rate, cursor],
      ...readOf(rehearsal, wakeUps, rehearsal.groups),
    );
    if ('limit' in sink && sink.limit !== undefined) asks.push([wakeUps.rate, cursor]);
    sending(sink);
  };
  const sending = (sink: Sink): void => {
    const made = rehearsal?.panes.messages.get(sinkName(sink));
    if (rehearsal === undefined || wakeUps === undefined || made === undefined) return;
    const { count, bytes, rounds, bursts } = made;
    const { most, sharesKeys } = REQUESTS['to' in sink ? sink.to : 'appsync'];
    const { groups } = rehearsal;
    const { rate } = wakeUps;
    const ofWakeUp = (sharesKeys ? [count] : rounds).reduce((sum, together, round) => {
      const busy = bursts[round] ?? 1;
      return sum + busy * requestsFor((together * groups) / rate / busy, most);
    }, 0);
    const sent = { requests: rate * ofWakeUp, messages: count * groups, bytes: bytes * groups };
    messages.set(sinkName(sink), sent);
  };

  for (const sink of sinks) {
    byKind<Sink, void>(sink, {
      table(rows) {
        noting(rows);
        if (rehearsal === undefined) return;
        const { rows: single, settledRows, rowUnits } = rehearsal.panes;
        asks.push([rehearsal.groups, { puts: single + settledRows, writeUnits: rowUnits }]);
      },
      bucket({ every }) {
        const pause = every / 1_000;
        if (rehearsal === undefined || wakeUps === undefined) {
          asks.push([tick, { ...latest, objectHeads: 1 }], [tick * logs, small(1)]);
          return;
        }
        // Every wake-up looks whether the last step is done; one in so many takes the next.
        const wakes = tick + wakeUps.rate;
        const steps = 1 / (Math.max(1, Math.ceil(pause * wakes - 0.2)) / wakes);
        const entries = (rehearsal.handler.rate + rehearsal.sweeper.rate) / steps;
        const busy = rehearsal.groups * Math.min(1, entries);
        const { handler, sweeper } = rehearsal;
        const bytes = Math.max(1, entries) * average(handler, sweeper, ({ itemBytes }) => itemBytes);
        const objects = entries * average(handler, sweeper, (of) => of.objects);
        const full = Math.min(1, (rehearsal.panes.panes * rehearsal.groups) / steps);
        const intent = { puts: 1, writeUnits: writeUnits(2.5 * note) };
        asks.push(
          [wakes + steps, { ...latest, objectHeads: full }],
          [steps * logs, small(1)],
          [steps * busy, { queries: 1, readUnits: readUnits(bytes), objectGets: objects }],
          [steps, { ...intent, objectHeads: full, objectPuts: full }],
        );
        if (pause === 0) asks.push([steps * logs, small(1)]);
      },
      notify: noting,
      stream: noting,
      push(sink) {
        if (rehearsal === undefined || wakeUps === undefined) return;
        const entries =
          ((rehearsal.handler.rate + rehearsal.sweeper.rate) * rehearsal.groups) /
          (wakeUps.rate * wakeUps.logs);
        const bytes = entries * average(rehearsal.handler, rehearsal.sweeper, ({ itemBytes }) => itemBytes);
        asks.push([wakeUps.rate * wakeUps.logs, { queries: 2, readUnits: readUnits(bytes) + 1 }]);
        sending(sink);
      },
      sink: noting,
    });
  }
  return { calls: tick + (wakeUps?.rate ?? 0), asks, width: 8, messages };
}

/** Returns what an entry comes to, whoever wrote it. */
function average(
  handler: Rehearsal['handler'],
  sweeper: Rehearsal['sweeper'],
  of: (entries: Rehearsal['handler']) => number,
): number {
  const rate = handler.rate + sweeper.rate;
  return rate === 0 ? 0 : (handler.rate * of(handler) + sweeper.rate * of(sweeper)) / rate;
}
