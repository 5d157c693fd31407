import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { type EpochMillis, type Millis, millis } from '../../../src/core/time.ts';
import { sweep } from '../../../src/engine/intake/sweep.ts';
import { holdDeployment } from '../../../src/engine/log/definition-log.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { processHandler, projectHandler, sweepHandler } from '../../../src/handlers.ts';
import { count, definePipeline, kinesis, mean, rolling, sum, tumbling } from '../../../src/index.ts';
import { ENTRY_LIFETIME } from '../../../src/ports/commit-log.ts';
import type { Ports } from '../../../src/ports/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { definitionLog, groupLogPrefix } from '../../../src/wiring/names.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

const minutes = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  groups: 4,
  windows: { minute: tumbling({ size: '1m' }, { mean: mean('celsius'), n: count() }) },
});

describe('a batch', () => {
  it('leaves no alarm behind, whether it was committed or not', async () => {
    const scene = new Scene(minutes);
    const batch = (time: number) =>
      Array.from({ length: 20 }, (_, machine) => scene.put(`machine-${machine}`, at(time)));
    for (let time = 0; time < 3; time++) {
      await scene.process(batch(time));
      expect(scene.ports.clock.alarms).toBe(0);
    }
    const refusing = scene.refusing((call) => call === 'log.append');
    expect(await scene.process(batch(3), refusing)).toHaveLength(20);
    expect(scene.ports.clock.alarms).toBe(0);
  });

  it('leaves nothing in memory: the heap after 100 is at most twice that after 10', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const pipeline = definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      groups: 4,
      windows: { last: rolling({ count: 2 }, { sum: sum('celsius') }) },
    });
    const ports = memoryPorts({ start: NOON });
    const handler = processHandler(ports, pipeline);
    let position = 0;
    const batch = async () => {
      const records = Array.from({ length: 2_000 }, (_, place) => {
        const reading = { machine: `machine-${place % 10}`, at: NOON + position, celsius: 20 };
        return {
          lineage: 'readings/shardId-000000000000',
          position: String(++position),
          arrival: NOON,
          partitionKey: reading.machine,
          data: Buffer.from(JSON.stringify(reading)),
        };
      });
      const answer = await handler(kinesisEvent(records as never), INVOCATION);
      expect(answer.batchItemFailures).toEqual([]);
      // What a store keeps is not kept by the handler.
      for (const entries of ports.log.logs.values()) (entries as unknown[]).splice(0, entries.length - 1);
    };
    for (let batches = 0; batches < 10; batches++) await batch();
    const afterTen = heap();
    for (let batches = 10; batches < 100; batches++) await batch();
    expect(heap() / afterTen).toBeLessThanOrEqual(2);
  });
});

const A_MINUTE = millis('1m');
const never = <Answer>() => new Promise<Answer>(() => {});
const nextTurn = () => new Promise<void>((settle) => setImmediate(settle));
const invocation = (left: number) => ({ getRemainingTimeInMillis: () => left });

describe('an invocation', () => {
  const withRecord = async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put('pump', at(0))]);
    await holdDeployment(scene.engine, minutes);
    return scene;
  };

  it('begins no commit in its last two seconds, which are for the answer', async () => {
    const scene = await withRecord();
    const record = scene.put('pump', at(0, 1));
    const handle = (left: number) =>
      processHandler(scene.ports, minutes)(kinesisEvent([record]), invocation(left));
    expect(await handle(2_000)).toEqual({ batchItemFailures: [{ itemIdentifier: record.position }] });
    expect(scene.entriesOf('pump')).toHaveLength(1);
    expect(await handle(2_001)).toEqual({ batchItemFailures: [] });
    expect(scene.entriesOf('pump')).toHaveLength(2);
  });

  //  58 s of a minute: what has no answer by then is not waited for
  it.each(['log.latest', 'log.append', 'progress.note'])(
    'of records answers in time where %s has no answer, and asks for what is left again',
    async (silent) => {
      const scene = await withRecord();
      const record = scene.put('pump', at(0, 1));
      const ports = scene.through((call, _, carryOut) => (call === silent ? never() : carryOut()));
      const answer = processHandler(ports, minutes)(kinesisEvent([record]), invocation(A_MINUTE));
      await nextTurn();
      scene.ports.clock.pass(millis('58s'));
      expect(await answer).toEqual({ batchItemFailures: [{ itemIdentifier: record.position }] });
      expect(scene.ports.telemetry.faults.at(-1)?.cause).toMatchObject({
        message: 'Cannot wait for a store any longer as the time of this invocation is up',
      });
      expect(scene.ports.clock.alarms).toBe(0);
    },
  );

  it.each([
    ['of time', sweepHandler],
    ['of panes', projectHandler],
  ])('%s ends in time where nobody says what is deployed', async (_, handlerOf) => {
    const scene = await withRecord();
    const ports = scene.through((call, _, carryOut) => (call === 'log.latest' ? never() : carryOut()));
    const ended = handlerOf(ports, minutes)({}, invocation(A_MINUTE));
    const refused = expect(ended).rejects.toThrow('as the time of this invocation is up');
    scene.ports.clock.pass(millis('58s'));
    await refused;
    expect(scene.ports.clock.alarms).toBe(0);
  });
});

describe('an environment', () => {
  /** A handler whose first questions for what is deployed are answered as told. */
  const environment = async (...answers: (() => Promise<never>)[]) => {
    const scene = new Scene(minutes);
    // What is written down with the first batch is there.
    await processHandler(scene.ports, minutes)(kinesisEvent([scene.put('oven', at(-1))]), INVOCATION);
    let asked = 0;
    const ports = scene.through(async (call, name, carryOut) => {
      if (call !== 'log.latest' || name !== definitionLog('readings')) return carryOut();
      return (await answers[asked++]?.()) ?? carryOut();
    });
    const handler = processHandler(ports, minutes);
    return {
      scene,
      asked: () => asked,
      handle: (...records: readonly SourceRecord[]) => handler(kinesisEvent(records), INVOCATION),
    };
  };
  const refused = async () => {
    throw new Error('no answer');
  };

  it('that met a fault at its start asks again', async () => {
    const { scene, handle, asked } = await environment(refused);
    const record = scene.put('pump', at(0));
    await expect(handle(record)).rejects.toThrow('no answer');
    expect(await handle(record)).toEqual({ batchItemFailures: [] });
    await handle(scene.put('pump', at(0, 30)));
    expect(asked()).toBe(2);
  });

  it('asks once for all that are under way at its start, and again where that fails', async () => {
    const { scene, handle, asked } = await environment(refused);
    const record = scene.put('pump', at(0));
    const first = await Promise.allSettled([handle(record), handle(record)]);
    expect(first.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(asked()).toBe(1);
    expect(await handle(record)).toEqual({ batchItemFailures: [] });
    expect(asked()).toBe(2);
  });

  it('that met a fault when groups had changed asks again', async () => {
    const works = async () => undefined as never;
    const { scene, handle, asked } = await environment(works, refused);
    await handle(scene.put('pump', at(0)));
    await beginGeneration(scene.engine, minutes, 8);
    await (await scene.under(minutes)).process([scene.put('pump', at(0, 1))]);
    const record = scene.put('pump', at(0, 2));
    await expect(handle(record)).rejects.toThrow('no answer');
    expect(await handle(record)).toEqual({ batchItemFailures: [] });
    expect(asked()).toBe(3);
  });

  it('that had no answer at its start asks again, and keeps that though the first fails at last', async () => {
    let fail = (_: Error): void => {};
    const { scene, handle, asked } = await environment(
      () =>
        new Promise<never>((_, refuse) => {
          fail = refuse;
        }),
    );
    const record = scene.put('pump', at(0));
    const first = handle(record);
    scene.ports.clock.pass(millis('58s'));
    expect((await first).batchItemFailures).toHaveLength(1);
    expect(await handle(record)).toEqual({ batchItemFailures: [] });
    fail(new Error('no answer'));
    await nextTurn();
    await handle(scene.put('pump', at(1)));
    expect(asked()).toBe(2);
  });
});

describe('a sweep', () => {
  /** Each of 32 groups with an entry; the clock stands where a snapshot of each is due. */
  const due = async () => {
    const pipeline = definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      groups: 32,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    });
    const scene = new Scene(pipeline);
    await scene.process(Array.from({ length: 400 }, (_, n) => scene.put(`machine-${n}`, at(0))));
    const logs = [...scene.ports.log.logs].filter(([name]) => name.startsWith(groupLogPrefix('readings')));
    expect(logs).toHaveLength(32);
    scene.ports.clock.set((at(0) + ENTRY_LIFETIME / 4) as EpochMillis);
    const renewed = () => logs.filter(([, entries]) => entries.length > 1).length;
    const run = (ports: Ports, left: number = A_MINUTE) =>
      sweep(ports, scene.logsOf(ports), (scene.ports.clock.now() + left) as EpochMillis);
    return { scene, logs, renewed, run };
  };
  const asking = (ports: Ports, frontier: (now: EpochMillis) => Promise<EpochMillis>): Ports => ({
    ...ports,
    arrivals: { frontier },
  });

  it('renews before its source has said anything, and all groups once a third of its time is over', async () => {
    const { scene, renewed, run } = await due();
    const swept = run(asking(scene.ports, never));
    await nextTurn();
    expect(renewed()).toBeGreaterThan(0);
    scene.ports.clock.pass((A_MINUTE / 3 - 1) as Millis);
    await nextTurn();
    expect(renewed()).toBeLessThan(32);
    scene.ports.clock.pass(1 as Millis);
    expect(await swept).toEqual({ open: 400, panes: 0, now: undefined });
    expect(renewed()).toBe(32);
    expect(scene.ports.telemetry.faults.map(({ what }) => what)).toEqual(['tell what waits at the source']);
    expect(scene.ports.clock.alarms).toBe(0);
  });

  it.each([
    ['fails', async () => Promise.reject(new Error('no answer'))],
    [
      'throws at once',
      () => {
        throw new Error('no answer');
      },
    ],
  ])('renews all groups where its source %s', async (_, frontier) => {
    const { scene, renewed, run } = await due();
    expect(await run(asking(scene.ports, frontier))).toEqual({ open: 400, panes: 0, now: undefined });
    expect(renewed()).toBe(32);
    expect(scene.ports.clock.alarms).toBe(0);
  });

  it('lets no time pass on an answer that comes late', async () => {
    const { scene, run } = await due();
    let answer = (_: EpochMillis): void => {};
    const late = new Promise<EpochMillis>((settle) => {
      answer = settle;
    });
    const swept = run(asking(scene.ports, () => late));
    scene.ports.clock.pass((A_MINUTE / 3) as Millis);
    answer(scene.ports.clock.now());
    expect(await swept).toEqual({ open: 400, panes: 0, now: undefined });
    expect(await run(asking(scene.ports, async (now) => now))).toMatchObject({ open: 0, panes: 400 });
  });

  it('visits no group at or after its deadline', async () => {
    const { scene, renewed, run } = await due();
    await run(scene.ports, 0);
    expect(renewed()).toBe(0);
    const slow = scene.through(async (call, _, carryOut) => {
      if (call === 'log.latest') scene.ports.clock.pass(A_MINUTE);
      return carryOut();
    });
    await run(slow);
    expect(renewed()).toBeLessThanOrEqual(16);
  });

  it('ends at its deadline though a group has no answer, and the others are swept', async () => {
    const { scene, logs, renewed, run } = await due();
    const [stuck] = logs[0] ?? [''];
    const ports = scene.through((call, name, carryOut) =>
      call === 'log.latest' && name === stuck ? never() : carryOut(),
    );
    const swept = run(ports);
    while (renewed() < 31) await nextTurn();
    scene.ports.clock.pass(A_MINUTE);
    await swept;
    expect(scene.ports.telemetry.faults).toMatchObject([
      {
        what: 'sweep',
        cause: { message: expect.stringMatching(/^Cannot wait for the sweep of group \d+ any/) },
      },
    ]);
    expect(scene.ports.clock.alarms).toBe(0);
  });

  it('begins with another group each minute, so that all have their turn', async () => {
    const { scene, run } = await due();
    const firsts: number[] = [];
    const start = scene.ports.clock.now();
    for (let minute = 0; minute < 32; minute++) {
      scene.ports.clock.set((start + minute * A_MINUTE) as EpochMillis);
      const visited: string[] = [];
      const watched = scene.through(async (call, name, carryOut) => {
        if (call === 'log.latest') visited.push(name);
        return carryOut();
      });
      await run(watched);
      firsts.push(Number(visited[0]?.split('/').at(-1)));
    }
    const [first = 0] = firsts;
    expect(firsts).toEqual(Array.from({ length: 32 }, (_, minute) => (first + minute) % 32));
  });
});
