import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { positionOf, unorderedPositionOf } from '../../../src/core/position.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import {
  type DeadLetterOptions,
  type LettersLeft,
  redriveDeadLetters,
} from '../../../src/engine/intake/dead-letters.ts';
import { keptRecords } from '../../../src/engine/intake/kept-records.ts';
import { Redrive, type RedriveCounts, redrivenRecords } from '../../../src/engine/intake/redrive.ts';
import { holdDeployment, writeDown } from '../../../src/engine/log/definition-log.ts';
import { GroupLogs } from '../../../src/engine/log/group-logs.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { count, definePipeline, type Pipeline, sqs, tumbling } from '../../../src/index.ts';
import type { DeadLetter, DeadLetterQueue } from '../../../src/ports/dead-letters.ts';
import type { Ports } from '../../../src/ports/index.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const QUEUE = 'arn:aws:sqs:eu-central-1:111122223333:readings';

const readings = (fifo: boolean, version = 1): Pipeline =>
  definePipeline('readings', (fifo ? sqs<Reading>({ fifo: true }) : sqs<Reading>()) as never, {
    filter: ({ note }: Reading) => note !== 'test',
    key: ({ machine }: Reading) => machine,
    eventTime: (reading: Reading) => {
      if (version === 1 && reading.note === 'cold') throw new Error('it is cold');
      return reading.at;
    },
    groups: 4,
    version,
    windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
  }) as Pipeline;

/** A dead-letter queue as SQS has it: what was received is hidden until it is released, or for a while. */
class FakeQueue implements DeadLetterQueue {
  readonly letters: DeadLetter[] = [];
  readonly hidden = new Set<string>();
  /** How many messages one receive returns at most. */
  most = 10;
  #receipts = 0;
  readonly #fifo: boolean;

  constructor(fifo: boolean) {
    this.#fifo = fifo;
  }

  /** Time passes, until no message is hidden any more. */
  showAll(): void {
    this.hidden.clear();
  }

  async receive(): Promise<readonly DeadLetter[]> {
    const blocked = new Set(
      this.letters
        .filter(({ record }) => this.hidden.has(record.position))
        .map(({ record }) => record.lineage),
    );
    const some = this.letters
      .filter(({ record }) => !(this.#fifo ? blocked.has(record.lineage) : this.hidden.has(record.position)))
      .slice(0, this.most)
      .map((letter) => ({ ...letter, receipt: `${this.#receipts++}` }));
    for (const { record } of some) this.hidden.add(record.position);
    return some;
  }

  async remove(letters: readonly DeadLetter[]): Promise<void> {
    for (const { record } of letters) {
      const place = this.letters.findIndex((letter) => letter.record.position === record.position);
      if (place >= 0) this.letters.splice(place, 1);
      this.hidden.delete(record.position);
    }
  }

  async release(letters: readonly DeadLetter[]): Promise<void> {
    for (const { record } of letters) this.hidden.delete(record.position);
  }

  async count(): Promise<number> {
    return this.letters.length;
  }
}

/** A pipeline over a queue, and the queue to which that one moves what it gives up. */
class World {
  readonly queue: FakeQueue;
  scene: Scene;
  readonly #fifo: boolean;

  private constructor(scene: Scene, fifo: boolean) {
    this.scene = scene;
    this.#fifo = fifo;
    this.queue = new FakeQueue(fifo);
  }

  static async begin(fifo = false): Promise<World> {
    const ports = Object.assign(memoryPorts({ start: NOON }), { limits: LIMITS });
    const pipeline = readings(fifo);
    const deployment = await holdDeployment(enginePorts(ports), pipeline, QUEUE);
    await writeDown(enginePorts(ports), deployment);
    return new World(new Scene(pipeline, deployment, { ports }), fifo);
  }

  /** A message as the source delivers it: of the group of its machine, or of another. */
  messageOf(n: number, more: Partial<Reading> = {}, group = `m${n % 5}`): SourceRecord {
    const reading = { machine: `m${n % 5}`, at: at(0, n), celsius: 1, ...more };
    return {
      lineage: this.#fifo ? `readings.fifo/${group}` : 'readings',
      position: this.#fifo ? positionOf(String(1_000 + n)) : unorderedPositionOf(`message-${n}`),
      arrival: at(0, n),
      partitionKey: this.#fifo ? group : `message-${n}`,
      data: Buffer.from(JSON.stringify(reading)),
    };
  }

  async handOver(minute: number, messages: readonly SourceRecord[], failing: readonly string[] = []) {
    this.scene.ports.clock.set(at(minute));
    const logs = failing.map((machine) => this.scene.logOf(machine));
    const ports = this.scene.refusing((call, name) => call === 'log.append' && logs.includes(name));
    return this.scene.process(messages, ports);
  }

  /** Moves a message to the dead-letter queue, after it was handed over from one minute to another. */
  giveUp(
    message: SourceRecord,
    tried?: readonly [from: number, until: number],
    source: string | undefined = QUEUE,
  ): void {
    const position = unorderedPositionOf(
      message.position.startsWith('message')
        ? message.position
        : `message-${Number(message.position.slice(-4)) - 1_000}`,
    );
    this.queue.letters.push({
      receipt: '',
      source,
      record: { ...message, position },
      tried: tried && { from: at(tried[0]), until: at(tried[1]) },
    });
  }

  async redrive({
    ports = this.scene.ports,
    queue = this.queue,
    ...options
  }: Partial<DeadLetterOptions> & {
    readonly ports?: Ports;
    readonly queue?: DeadLetterQueue;
  } = {}): Promise<RedriveCounts & LettersLeft> {
    const all = { ...enginePorts(ports), reading: memoryReading(this.scene.ports) };
    const redrive = await Redrive.begin(all, this.scene.pipeline);
    const chosen = { chooses: () => true, unconfirmed: false, ...options };
    const left = await redriveDeadLetters(all, queue, this.scene.pipeline, redrive, chosen);
    return { ...redrive.counts, ...left };
  }

  async counters() {
    const logs = new GroupLogs(this.scene.engine, this.scene.deployment);
    const all = await Promise.all([0, 1, 2, 3].map((index) => logs.load(index)));
    const total = (of: 'applied' | 'lateForAll' | 'poison') =>
      all.reduce((sum, { counters }) => sum + counters[of], 0);
    return { applied: total('applied'), lateForAll: total('lateForAll'), poison: total('poison') };
  }

  async kept(kind: 'poison' | 'late') {
    const ports = { log: this.scene.engine.log, reading: memoryReading(this.scene.ports) };
    const listed = await redrivenRecords(ports, 'readings');
    const kept: string[] = [];
    for await (const { id, record } of keptRecords(ports, 'readings', kind))
      if (!listed.has(id)) kept.push(record.position);
    return kept;
  }
}

const span = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** A world in which some messages were given up of which the groups of all but one machine have taken theirs in. */
async function givenUp(fifo: boolean): Promise<World> {
  const world = await World.begin(fifo);
  const messages = span(0, 14).map((n) => world.messageOf(n));
  await world.handOver(1, messages, ['m1']);
  // The answers of the others were lost, as it were: a standard queue gives up what was taken in, too.
  const isFailed = (n: number) => world.scene.logOf(`m${n % 5}`) === world.scene.logOf('m1');
  for (const [n, message] of messages.entries()) if (!fifo || isFailed(n)) world.giveUp(message, [2, 300]);
  return world;
}

describe.each([{ fifo: false }, { fifo: true }])('dead letters of a queue, fifo: $fifo', ({ fifo }) => {
  it('are taken in where no group has, and are gone from their queue', async () => {
    const world = await givenUp(fifo);
    const before = await world.counters();
    expect(before.applied).toBeLessThan(15);
    expect(await world.redrive()).toMatchObject({
      records: fifo ? 15 - before.applied : 15,
      applied: 15 - before.applied,
      unconfirmed: 0,
      others: 0,
      unseen: 0,
    });
    expect(await world.counters()).toEqual({ applied: 15, lateForAll: 0, poison: 0 });
    expect(world.queue.letters).toEqual([]);
    expect(await world.redrive()).toMatchObject({ records: 0 });
  });

  it('are taken in once and deleted only once they are, wherever a redrive is killed', async () => {
    const countedCalls = async (
      world: World,
      act: (call: number, carryOut: () => unknown) => Promise<unknown>,
    ) => {
      let call = 0;
      const calling = (carryOut: () => unknown) => act(++call, carryOut) as never;
      const ports = world.scene.through((_call, _name, carryOut) => calling(carryOut));
      const { queue } = world;
      const killed: DeadLetterQueue = {
        receive: () => calling(() => queue.receive()),
        remove: (letters) => calling(() => queue.remove(letters)),
        // A killed process releases nothing.
        release: async () => {},
        count: () => calling(() => queue.count()),
      };
      await world.redrive({ ports, queue: killed }).catch(() => {});
      return call;
    };
    const calls = await countedCalls(await givenUp(fifo), async (_, carryOut) => carryOut());
    expect(calls).toBeGreaterThan(10);
    for (let kill = 1; kill <= calls; kill++) {
      for (const lands of [false, true]) {
        const world = await givenUp(fifo);
        const letters = world.queue.letters.length;
        await countedCalls(world, async (call, carryOut) => {
          if (call < kill) return carryOut();
          if (call === kill && lands) await carryOut();
          throw new Error('killed');
        });
        // Whatever is deleted is in.
        if (world.queue.letters.length < letters)
          expect(await world.counters()).toMatchObject({ applied: 15 });
        world.queue.showAll();
        await world.redrive();
        expect([kill, lands, await world.counters(), world.queue.letters]).toEqual([
          kill,
          lands,
          { applied: 15, lateForAll: 0, poison: 0 },
          [],
        ]);
      }
    }
  });

  it('change nothing where they were not deleted, also once their windows have closed and entries expired', async () => {
    const world = await givenUp(fifo);
    const { queue } = world;
    const undeleted = { receive: () => queue.receive(), count: () => queue.count(), release: async () => {} };
    const killed = { ...undeleted, remove: () => Promise.reject(new Error('killed')) };
    await expect(world.redrive({ queue: killed })).rejects.toThrow('killed');
    queue.showAll();
    await world.scene.sweepAt(at(9 * 24 * 60));
    expect(await world.redrive()).toMatchObject({ records: 0, unconfirmed: 0 });
    expect(await world.counters()).toEqual({ applied: 15, lateForAll: 0, poison: 0 });
    expect(await world.kept('late')).toEqual([]);
    expect(queue.letters).toEqual([]);
  });

  it('are taken in once by two people at once, who may receive the same message', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.boolean(), async (scheduler, hides) => {
        const world = await givenUp(fifo);
        const { queue } = world;
        const inTurns = world.scene.through((call, _name, carryOut) =>
          scheduler.schedule(Promise.resolve(), call).then(carryOut),
        );
        const other = new FakeQueue(fifo);
        other.letters.push(...queue.letters);
        await scheduler.waitFor(
          Promise.all([
            world.redrive({ ports: inTurns }),
            world.redrive({ ports: inTurns, queue: hides ? queue : other }),
          ]),
        );
        expect(await world.counters()).toEqual({ applied: 15, lateForAll: 0, poison: 0 });
        expect(queue.letters).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  it('are kept and deleted where they are refused, and are listed as refused', async () => {
    const world = await World.begin(fifo);
    await world.handOver(1, [world.messageOf(0)]);
    world.giveUp(world.messageOf(1, { note: 'cold' }), [2, 300]);
    expect(await world.redrive()).toMatchObject({ records: 1, poison: 1 });
    expect(world.queue.letters).toEqual([]);
    expect(await world.kept('poison')).toHaveLength(1);
  });

  it('of another queue, or of none, are left where they are', async () => {
    const world = await World.begin(fifo);
    world.giveUp(world.messageOf(1), [2, 300], `${QUEUE}-2`);
    world.queue.letters.push({
      ...(world.queue.letters[0] as DeadLetter),
      source: undefined,
      record: { ...world.messageOf(2), position: unorderedPositionOf('message-2') },
    });
    world.giveUp(world.messageOf(3), [2, 300]);
    expect(await world.redrive()).toMatchObject({ records: 1, others: 2, unseen: 0 });
    expect(world.queue.letters.map(({ record }) => record.position)).toEqual(['message-1', 'message-2']);
    expect(world.queue.hidden).toEqual(new Set());
  });

  it('that are hidden from it are counted, and so is nothing that it left', async () => {
    const world = await World.begin(fifo);
    for (const n of [1, 2, 3]) world.giveUp(world.messageOf(n), [2, 300]);
    await world.queue.receive();
    await world.queue.release([world.queue.letters[0] as DeadLetter]);
    expect(await world.redrive({ chooses: () => false })).toMatchObject({ records: 0, unseen: 2 });
    expect(await world.redrive()).toMatchObject({ records: 1, unseen: 2 });
    expect(world.queue.letters).toHaveLength(2);
  });

  it('are received to the last, however many there are', async () => {
    const world = await World.begin(fifo);
    for (const n of span(0, 1_234)) world.giveUp(world.messageOf(n, { at: at(0) }), [2, 300]);
    world.queue.most = 100;
    expect(await world.redrive()).toMatchObject({ records: 1_235, applied: 1_235 });
    expect(world.queue.letters).toEqual([]);
  });

  it('end a redrive that receives again and again what it left', async () => {
    const world = await World.begin(fifo);
    world.giveUp(world.messageOf(1), [2, 300], 'arn:aws:sqs:eu-central-1:111122223333:others');
    const { queue } = world;
    let receives = 0;
    const forgetful: DeadLetterQueue = {
      async receive() {
        receives++;
        queue.showAll();
        // Every other time it is asked too soon.
        return receives % 2 === 0 ? [] : queue.receive();
      },
      remove: (letters) => queue.remove(letters),
      release: (letters) => queue.release(letters),
      count: () => queue.count(),
    };
    expect(await world.redrive({ queue: forgetful })).toMatchObject({ others: 1 });
    expect(receives).toBe(4);
  });
});

describe('dead letters of a standard queue', () => {
  it('are chosen by their arrival', async () => {
    const world = await World.begin();
    for (const n of [1, 2, 3]) world.giveUp(world.messageOf(n));
    const chooses: DeadLetterOptions['chooses'] = ({ arrival }) => Date.parse(arrival) >= at(0, 2);
    expect(await world.redrive({ chooses })).toMatchObject({ records: 2 });
    expect(world.queue.letters.map(({ record }) => record.position)).toEqual(['message-1']);
  });

  it('that a redrive refused can be taken in by another version', async () => {
    const world = await World.begin();
    world.giveUp(world.messageOf(1, { note: 'cold' }));
    await world.redrive();
    world.scene = await world.scene.under(readings(false, 2));
    const ports = { ...world.scene.engine, reading: memoryReading(world.scene.ports) };
    const redrive = await Redrive.begin(ports, world.scene.pipeline);
    for await (const { record } of keptRecords(ports, 'readings', 'poison')) await redrive.take([record]);
    expect(redrive.counts).toMatchObject({ records: 1, applied: 1 });
    expect(await world.kept('poison')).toEqual([]);
  });

  it('are dropped where they were refused before they were given up', async () => {
    const world = await World.begin();
    const cold = world.messageOf(1, { note: 'cold' });
    await world.handOver(1, [cold]);
    world.giveUp(cold);
    expect(await world.redrive()).toMatchObject({ records: 1, poison: 0 });
    expect(await world.counters()).toMatchObject({ poison: 1 });
    expect(world.queue.letters).toEqual([]);
  });
});

describe('dead letters of a FIFO queue', () => {
  const redriven = async (
    handedOver: number | undefined,
    tried: readonly [number, number] | undefined,
    options: {
      readonly group?: string;
      readonly machine?: string;
      readonly letter?: Partial<Reading>;
      readonly unconfirmed?: boolean;
      readonly now?: number;
    } = {},
  ) => {
    const world = await World.begin(true);
    const { group = 'm1', machine = 'm1', letter = {}, unconfirmed = false, now } = options;
    if (handedOver !== undefined) await world.handOver(handedOver, [world.messageOf(6, { machine }, group)]);
    world.giveUp(world.messageOf(11, letter), tried);
    world.scene.ports.clock.set(at(now ?? 400) as EpochMillis);
    const { records, unconfirmed: left } = await world.redrive({ unconfirmed });
    return [records, left, world.queue.letters.length];
  };

  it('are taken in where their groups moved in their message group before and after, but not meanwhile', async () => {
    expect(await redriven(undefined, [100, 300])).toEqual([1, 0, 0]);
    expect(await redriven(99, [100, 300])).toEqual([1, 0, 0]);
    expect(await redriven(301, [100, 300])).toEqual([1, 0, 0]);
  });

  it('are left where their groups moved in their message group meanwhile, unless they are asked for', async () => {
    // At the ends, clocks may differ by a second.
    for (const minute of [99.99, 100, 200, 300, 300.01]) {
      expect(await redriven(minute, [100, 300])).toEqual([0, 1, 1]);
      expect(await redriven(minute, [100, 300], { unconfirmed: true })).toEqual([1, 0, 0]);
    }
  });

  it('are taken in where other groups moved, or their groups in another message group', async () => {
    const world = await World.begin(true);
    const other = span(0, 99)
      .map((n) => `m${n}`)
      .find((name) => world.scene.logOf(name) !== world.scene.logOf('m1'));
    expect(await redriven(200, [100, 300], { machine: other as string })).toEqual([1, 0, 0]);
    expect(await redriven(200, [100, 300], { group: 'm2' })).toEqual([1, 0, 0]);
    const letter = { machine: other as string };
    expect(await redriven(200, [100, 300], { letter })).toEqual([1, 0, 0]);
    expect(await redriven(200, [100, 300], { ...letter, letter })).toEqual([0, 1, 1]);
  });

  it('are deleted where the filter leaves them out', async () => {
    expect(await redriven(200, [100, 300], { letter: { note: 'test' } })).toEqual([1, 0, 0]);
  });

  it('are left where the queue does not say when they were handed over', async () => {
    expect(await redriven(undefined, undefined)).toEqual([0, 1, 1]);
  });

  it('are left once entries that could tell have expired', async () => {
    const days = 8 * 24 * 60;
    expect(await redriven(undefined, [100, 300], { now: 99 + days })).toEqual([1, 0, 0]);
    expect(await redriven(undefined, [100, 300], { now: 100 + days })).toEqual([0, 1, 1]);
  });

  it('are taken in although a snapshot that was written meanwhile names where their group stood', async () => {
    const world = await World.begin(true);
    await world.handOver(1, [world.messageOf(1)]);
    // Many messages of another message group, of the same machine, so that the log gets a snapshot.
    for (const n of span(0, 199))
      await world.handOver(100 + n, [world.messageOf(1_000 + n, { machine: 'm1' }, 'others')]);
    const named = world.scene.entriesOf('m1').length;
    expect(named).toBe(201);
    world.giveUp(world.messageOf(6), [90, 350]);
    expect(await world.redrive()).toMatchObject({ records: 1, unconfirmed: 0 });
  });

  it('behind one that is left wait for another run, and are counted', async () => {
    const world = await World.begin(true);
    await world.handOver(200, [world.messageOf(1)]);
    for (const n of [6, 11]) world.giveUp(world.messageOf(n), n === 6 ? [100, 300] : [310, 390]);
    world.queue.most = 1;
    world.scene.ports.clock.set(at(400));
    expect(await world.redrive()).toMatchObject({ records: 0, unconfirmed: 1, unseen: 1 });
    expect(world.queue.hidden.size).toBe(0);
    expect(await world.redrive({ unconfirmed: true })).toMatchObject({ records: 2, unseen: 0 });
  });
});
