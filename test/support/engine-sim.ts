import {
  type MemoryPorts,
  type MemorySource,
  memoryPorts,
  memorySource,
} from '../../src/adapters/memory/index.ts';
import { memoryTelemetry } from '../../src/adapters/memory/telemetry.ts';
import type { Position } from '../../src/core/position.ts';
import type { Millis } from '../../src/core/time.ts';
import { processHandler, projectHandler, sweepHandler } from '../../src/handlers.ts';
import type { Pipeline } from '../../src/index.ts';
import { groupLogPrefix, rowsLog } from '../../src/wiring/names.ts';
import { checkAnswer } from './engine-audit.ts';
import { drawPipeline, drawRecords, SECOND, START, STREAM, type Truth } from './engine-drawn.ts';
import { kinesisEvent, wakeUpOf } from './engine-events.ts';
import { Random } from './engine-random.ts';
import { type Actor, type Ending, Stage } from './engine-stage.ts';

export interface World {
  readonly pipeline: Pipeline;
  readonly ports: MemoryPorts;
  readonly source: MemorySource;
  /** By lineage, in order; all of them have arrived once the world is quiet. */
  readonly truths: ReadonlyMap<string, readonly Truth[]>;
}

/** What happened in some schedules, to be sure that they go where they should. */
export interface Tally {
  faults: number;
  turns: number;
  batches: number;
  zombies: number;
  timeouts: number;
  sweeps: number;
  sweptPanes: number;
  projections: number;
  conflicts: number;
  duplicates: number;
  late: number;
  poison: number;
  panes: number;
  /** Panes that late records revised. */
  corrections: number;
}

export const emptyTally = (): Tally => ({
  faults: 0,
  turns: 0,
  batches: 0,
  zombies: 0,
  timeouts: 0,
  sweeps: 0,
  sweptPanes: 0,
  projections: 0,
  conflicts: 0,
  duplicates: 0,
  late: 0,
  poison: 0,
  panes: 0,
  corrections: 0,
});

const INVOCATION_MILLIS = 60 * SECOND;

/** Runs one schedule with faults, then without until nothing is left to do. */
export async function simulate(seed: number, tally: Tally): Promise<World> {
  const random = new Random(seed);
  const pipeline = drawPipeline(random);
  const truths = drawRecords(random, pipeline);
  const source = memorySource(STREAM, truths.length);
  const ports = memoryPorts({ source, start: START, answerBytes: random.pick([400, 2_000, 1_048_576]) });
  const simulation = new Simulation(random, pipeline, ports, source, truths, tally);
  await simulation.runWithFaults();
  await simulation.runToQuiet();
  return {
    pipeline,
    ports,
    source,
    truths: new Map([...source.shards.keys()].map((lineage, shard) => [lineage, truths[shard] ?? []])),
  };
}

/** The event source mapping of one shard. */
interface Mapping {
  readonly shard: number;
  readonly truths: readonly Truth[];
  /** How many of the truths the source holds, and how many the mapping has been told are done. */
  arrived: number;
  done: number;
  current: Actor | undefined;
  /** What has been delivered, for zombies. */
  readonly delivered: (readonly [from: number, to: number])[];
}

class Simulation {
  readonly #random: Random;
  readonly #pipeline: Pipeline;
  readonly #ports: MemoryPorts;
  readonly #stage: Stage;
  readonly #source: MemorySource;
  readonly #mappings: readonly Mapping[];
  readonly #tally: Tally;
  readonly #wakeUps: string[] = [];
  readonly #failures: unknown[] = [];
  #running = 0;

  constructor(
    random: Random,
    pipeline: Pipeline,
    ports: MemoryPorts,
    source: MemorySource,
    truths: readonly (readonly Truth[])[],
    tally: Tally,
  ) {
    this.#random = random;
    this.#pipeline = pipeline;
    this.#stage = new Stage(random);
    this.#ports = {
      ...ports,
      log: { ...ports.log, append: this.#appending(ports.log.append) },
      arrivals: {
        // Now and then it cannot be told what waits.
        frontier: async (now) =>
          random.chance(this.#stage.faultRate) ? undefined : ports.arrivals.frontier(now),
      },
    };
    this.#source = source;
    this.#tally = tally;
    this.#mappings = truths.map((all, shard) => ({
      shard,
      truths: all,
      arrived: 0,
      done: 0,
      current: undefined,
      delivered: [],
    }));
  }

  async runWithFaults(): Promise<void> {
    const random = this.#random;
    this.#stage.faultRate = random.pick([0, 0.01, 0.03, 0.08, 0.2]);
    // Some schedules lag, so that records wait while others sweep; some crowd, so that many meet in one group.
    const eagerness = random.pick([0.1, 0.4, 1]);
    const crowd = random.pick([2, 4, 8]);
    for (let round = 0; round < 700 && !this.#isConsumed(); round++) {
      if (this.#running < crowd && random.chance(0.35)) this.#begin(eagerness);
      if (random.chance(0.25)) this.#pass(random.whole(0, random.chance(0.05) ? 90 : 4) * SECOND);
      if (random.chance(0.04)) this.#giveUp(random.pick(this.#mappings));
      for (let turns = random.whole(1, 6); turns > 0; turns--) await this.#step();
    }
  }

  async runToQuiet(): Promise<void> {
    this.#stage.faultRate = 0;
    while (!this.#isConsumed()) {
      this.#pass(10 * SECOND);
      for (const mapping of this.#mappings) this.#deliver(mapping);
      while (await this.#step());
    }
    while (await this.#step());
    this.#pass(2 * 86_400 * SECOND);
    this.#sweep();
    while (await this.#step());
    this.#project({});
    while (await this.#step());
    if (this.#failures.length > 0) throw this.#failures[0];
    if (this.#running > 0) throw new Error('Some invocation neither ended nor called');
    this.#tally.faults += Object.values(this.#stage.injected).reduce((total, times) => total + times, 0);
  }

  async #step(): Promise<boolean> {
    this.#tally.turns++;
    return this.#stage.step();
  }

  #begin(eagerness: number): void {
    const random = this.#random;
    const mapping = random.pick(this.#mappings);
    const draw = random.next();
    if (draw < 0.45) {
      if (!random.chance(eagerness)) return;
      // Now and then to all shards at once, and twice.
      for (const one of random.chance(0.3) ? this.#mappings : [mapping]) {
        this.#deliver(one);
        if (random.chance(0.2)) this.#redeliver(one);
      }
    } else if (draw < 0.6) this.#redeliver(mapping);
    else if (draw < 0.75) this.#sweep();
    else if (draw < 0.95) this.#wakeProjector();
    else this.#project({});
  }

  /** Moves the clock on; what has arrived by then is in the source. */
  #pass(length: number): void {
    this.#ports.clock.pass(length as Millis);
    for (const mapping of this.#mappings) {
      for (;;) {
        const next = mapping.truths[mapping.arrived];
        if (next === undefined || next.record.arrival > this.#ports.clock.now()) break;
        this.#source.put(mapping.shard, next.record);
        mapping.arrived++;
      }
    }
  }

  /** The next batch of a shard, cut anywhere, unless one is in flight. */
  #deliver(mapping: Mapping): void {
    if (mapping.current?.running || mapping.done === mapping.arrived) return;
    const from = mapping.done;
    const to = Math.min(mapping.arrived, from + this.#random.whole(1, this.#random.pick([1, 4, 12, 40])));
    mapping.delivered.push([from, to]);
    mapping.current = this.#process(mapping, from, to, (answer) => {
      if (answer.ended !== 'answered') return;
      mapping.done = answer.result === undefined ? to : from + answer.result;
    });
  }

  /** A batch from the past once more, beside whatever is in flight. */
  #redeliver(mapping: Mapping): void {
    if (mapping.delivered.length === 0) return;
    // Most often the one in flight, which it then races.
    const old = this.#random.chance(0.3);
    const [from, to] = this.#random.pick(old ? mapping.delivered : mapping.delivered.slice(-1));
    this.#tally.zombies++;
    this.#process(mapping, from, this.#random.whole(from + 1, to), () => {});
  }

  /** The mapping believes that its invocation is lost; the invocation may know nothing of it. */
  #giveUp(mapping: Mapping): void {
    if (!mapping.current?.running) return;
    this.#tally.timeouts++;
    if (this.#random.chance(0.5)) mapping.current.crash();
    mapping.current = undefined;
  }

  #process(
    mapping: Mapping,
    from: number,
    to: number,
    answered: (answer: Ending<number | undefined>) => void,
  ): Actor {
    this.#tally.batches++;
    const batch = mapping.truths.slice(from, to);
    const telemetry = memoryTelemetry();
    const deadline = this.#ports.clock.now() + INVOCATION_MILLIS;
    const handle = async (ports: Parameters<typeof processHandler>[0]): Promise<number | undefined> => {
      const context = { getRemainingTimeInMillis: () => deadline - this.#ports.clock.now() };
      const event = kinesisEvent(batch.map(({ record }) => record));
      const { batchItemFailures } = await processHandler({ ...ports, telemetry }, this.#pipeline)(
        event,
        context,
      );
      if (batchItemFailures.length === 0) return undefined;
      const named = batchItemFailures[0]?.itemIdentifier as Position;
      return batch.findIndex(({ record }) => record.position === named);
    };
    const actor: Actor = this.#begun(handle, (ending) => {
      this.#tally.conflicts += telemetry.counted.conflicts;
      this.#tally.duplicates += telemetry.counted.duplicate;
      this.#tally.late += telemetry.counted.late;
      this.#tally.poison += telemetry.counted.poison;
      if (ending.ended === 'answered') {
        const excused = actor.met.length > 0 || this.#ports.clock.now() >= deadline - 2 * SECOND;
        checkAnswer(this.#pipeline, this.#ports, batch, ending.result, telemetry.counted, excused);
      } else if (ending.ended === 'threw' && !/ of layout\//.test(String(ending.error))) {
        // Only where it cannot be told how many groups there are does a handler fail as a whole.
        throw ending.error;
      }
      // A mapping that has given up on it hears nothing.
      if (mapping.current === actor) answered(ending);
    });
    return actor;
  }

  #sweep(): void {
    this.#tally.sweeps++;
    this.#begun(
      (ports) => sweepHandler(ports, this.#pipeline)(),
      (ending) => {
        if (ending.ended === 'answered') this.#tally.sweptPanes += ending.result.panes;
      },
    );
  }

  /** Some of the wake-ups, in any order; now and then one is lost, or comes again. */
  #wakeProjector(): void {
    const random = this.#random;
    const waiting = random.shuffled(this.#wakeUps.splice(0));
    const taken = waiting.splice(0, random.whole(1, 4));
    this.#wakeUps.push(
      ...waiting.filter(() => !random.chance(0.1)),
      ...taken.filter(() => random.chance(0.2)),
    );
    if (taken.length > 0) this.#project(wakeUpOf(taken), () => this.#wakeUps.push(...taken));
  }

  #project(event: Parameters<ReturnType<typeof projectHandler>>[0], failed: () => void = () => {}): void {
    this.#tally.projections++;
    this.#begun(
      (ports) => projectHandler(ports, this.#pipeline)(event, { getRemainingTimeInMillis: () => 60_000 }),
      ({ ended }) => {
        if (ended !== 'answered') failed();
      },
    );
  }

  #begun<Result>(
    task: (ports: MemoryPorts) => Promise<Result>,
    ended: (ending: Ending<Result>) => void,
  ): Actor {
    this.#running++;
    return this.#stage.run(
      this.#ports,
      (ports) => task(ports as MemoryPorts),
      (ending) => {
        this.#running--;
        try {
          ended(ending);
        } catch (failure) {
          this.#failures.push(failure);
        }
      },
    );
  }

  /** Every entry wakes the projector, those of its own logs as well. */
  #appending =
    (append: MemoryPorts['log']['append']): MemoryPorts['log']['append'] =>
    async (log, entry) => {
      const outcome = await append(log, entry);
      if (outcome === 'committed' && (log.startsWith(groupLogPrefix(STREAM)) || log === rowsLog(STREAM))) {
        this.#wakeUps.push(log);
      }
      return outcome;
    };

  #isConsumed(): boolean {
    return this.#mappings.every(({ truths, done, current }) => done === truths.length && !current?.running);
  }
}
