import type { DynamoDBStreamEvent } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { type MemoryOutlet, memoryOutlet } from '../../../src/adapters/memory/outlet.ts';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { after, type EpochMillis, millis } from '../../../src/core/time.ts';
import { backfillMessages } from '../../../src/engine/delivery/backfill.ts';
import type { NotingSink } from '../../../src/engine/delivery/project-messages.ts';
import { restore } from '../../../src/engine/delivery/restore.ts';
import { resume } from '../../../src/engine/delivery/resume.ts';
import { decodeSinkCursor } from '../../../src/engine/format/sink-cursor.ts';
import { audit } from '../../../src/engine/inspect/audit.ts';
import { addGeneration, holdDeployment } from '../../../src/engine/log/definition-log.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { projectHandler } from '../../../src/handlers.ts';
import {
  count,
  definePipeline,
  kinesis,
  last,
  notify,
  type Pipeline,
  push,
  rolling,
  sink,
  stream,
  table,
  tumbling,
} from '../../../src/index.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import type { Message, Outlet } from '../../../src/ports/outlet.ts';
import { messagesLog, STATE_KEY } from '../../../src/wiring/names.ts';
import { at, type Reading, Scene } from '../scene.ts';

/** Of two key groups. */
const PUMP = 'pump';
const OVEN = 'oven';

const INVOCATION = { getRemainingTimeInMillis: () => 62_000 };

/** Each record is a pane of `each`, and each minute that closes one of `minute`. */
const readings = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  groups: 2,
  windows: {
    each: rolling({ count: 1 }, { celsius: last('celsius') }),
    minute: tumbling({ size: '1m' }, { n: count() }),
  },
});

const streaming = readings.to(stream({ to: 'kinesis', windows: ['each'], message: (pane) => pane.index }));

/** Puts a scene to work, whose sink is there from the beginning. */
const working = (pipeline: Pipeline): Promise<Scene> => new Scene(pipeline).under(pipeline);

/** Has machines report, each once a second, and commits the records of each machine by themselves. */
async function report(scene: Scene, times: number, ...machines: readonly string[]): Promise<void> {
  for (let time = 0; time < times; time++) {
    for (const machine of machines) {
      await scene.process([scene.put(machine, scene.ports.clock.now(), time, machine === PUMP ? 0 : 1)]);
    }
  }
}

/** Calls the projector once, as the schedule does. */
const project = (
  scene: Scene,
  outlet: Outlet,
  pipeline: Pipeline = scene.pipeline,
  ports: Partial<Scene['ports']> = {},
): Promise<void> => {
  const outlets = new Map(pipeline.sinks.map((sink) => ['name' in sink ? sink.name : '', outlet]));
  return projectHandler({ ...scene.ports, outlets, ...ports }, pipeline)({}, INVOCATION);
};

const bodiesOf = (outlet: MemoryOutlet, machine: string): unknown[] =>
  outlet.accepted.filter(({ key }) => key === machine).map(({ body }) => JSON.parse(body));

const counted = ({ ports }: Scene) => {
  const {
    sent = 0,
    refused = 0,
    heldBack = 0,
    tooOld = 0,
    tooLarge = 0,
    unmade = 0,
  } = ports.telemetry.counted;
  return { sent, refused, heldBack, tooOld, tooLarge, unmade };
};

const none = { sent: 0, refused: 0, heldBack: 0, tooOld: 0, tooLarge: 0, unmade: 0 };

describe('a sink that sends messages', () => {
  it('sends each pane once, under its id and with what receivers may filter by', async () => {
    const scene = await working(readings.to(stream({ to: 'sqs', windows: ['each'] })));
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 1, PUMP);
    for (const _ of [1, 2]) await project(scene, outlet);
    expect(outlet.accepted).toHaveLength(1);
    const [{ id, key, body, attributes }] = outlet.accepted as unknown as [Message];
    expect({ id, key, attributes }).toEqual({
      id: 'readings/pump/each/0/0',
      key: PUMP,
      attributes: { pipeline: 'readings', window: 'each', kind: 'rolling', revision: '0' },
    });
    expect(JSON.parse(body)).toMatchObject({ id, key, window: 'each', results: { celsius: 0 }, count: 1 });
    expect(counted(scene)).toEqual({ ...none, sent: 1 });
  });

  it('sends what it takes alone, as it is told to', async () => {
    const chosen = readings.to(
      notify({
        to: 'sns',
        windows: ['each'],
        when: ({ results }) => results.celsius > 1,
        message: ({ index }) => ({ hot: index }),
      }),
    );
    const scene = await working(chosen);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 4, PUMP);
    await scene.sweepAt(at(10));
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([{ hot: 2 }, { hot: 3 }]);
  });

  it('sends the first panes of a pipeline that begins with it, however late it is called', async () => {
    const scene = await working(streaming);
    await report(scene, 3, PUMP, OVEN);
    const outlet = memoryOutlet(scene.ports.clock);
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 2]);
    expect(bodiesOf(outlet, OVEN)).toEqual([0, 1, 2]);
  });

  it('sends nothing from before it was added, unless it is told to begin at the beginning', async () => {
    const scene = await working(readings.to(table()));
    await report(scene, 3, PUMP);
    const beginning = readings.to(
      stream({ to: 'sqs', name: 'all', from: 'beginning', windows: ['each'], message: ({ index }) => index }),
    );
    const [added, whole] = [memoryOutlet(scene.ports.clock), memoryOutlet(scene.ports.clock)];
    await project(scene, added, streaming);
    await project(scene, whole, beginning);
    expect(added.accepted).toEqual([]);
    await report(scene, 2, PUMP, OVEN);
    await project(scene, added, streaming);
    await project(scene, whole, beginning);
    expect(bodiesOf(added, PUMP)).toEqual([3, 4]);
    expect(bodiesOf(added, OVEN)).toEqual([0, 1]);
    expect(bodiesOf(whole, PUMP)).toEqual([0, 1, 2, 3, 4]);
  });

  it('goes on where the sink of its name stopped', async () => {
    const scene = await working(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 1, PUMP);
    await project(scene, outlet);
    await report(scene, 2, PUMP);
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 2]);
  });

  it('takes step after step, each of so many panes', async () => {
    const scene = await working(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 5, PUMP, OVEN);
    await project(scene, outlet, streaming, { limits: { ...LIMITS, messagesStep: 2 } });
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 2, 3, 4]);
    expect(outlet.accepted).toHaveLength(10);
    expect(scene.ports.log.logs.get(messagesLog('readings', 'stream'))?.length).toBeGreaterThan(4);
  });

  it('waits with the later panes of a key for one that is refused, and with those of no other key', async () => {
    const scene = await working(streaming);
    let isBusy = true;
    const outlet = memoryOutlet(scene.ports.clock, {
      refuses: ({ key, body }) => isBusy && key === PUMP && body === '1',
    });
    await report(scene, 3, PUMP, OVEN);
    await expect(project(scene, outlet)).rejects.toThrow(
      'Cannot go on with the sink "stream" as its messages must be accepted: 2 were refused',
    );
    expect(bodiesOf(outlet, PUMP)).toEqual([0]);
    expect(bodiesOf(outlet, OVEN)).toEqual([0, 1, 2]);
    isBusy = false;
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 2]);
    expect(bodiesOf(outlet, OVEN)).toEqual([0, 1, 2]);
  });

  it('does not send again what was accepted behind a pane of another key that is refused', async () => {
    const one = definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      groups: 1,
      windows: { each: rolling({ count: 1 }, { celsius: last('celsius') }) },
    }).to(stream({ to: 'sqs', message: ({ index }) => index }));
    const scene = await working(one);
    let refusals = 2;
    const outlet = memoryOutlet(scene.ports.clock, {
      refuses: ({ key, body }) => key === PUMP && body === '1' && refusals-- > 0,
    });
    await report(scene, 3, PUMP, OVEN);
    await expect(project(scene, outlet)).rejects.toThrow('2 were refused');
    expect(bodiesOf(outlet, PUMP)).toEqual([0]);
    expect(bodiesOf(outlet, OVEN)).toEqual([0, 1, 2]);
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 2]);
    // Another projector does not know what the first sent behind the cursor.
    expect(bodiesOf(outlet, OVEN)).toEqual([0, 1, 2, 1, 2]);
  });

  it('sends again where nobody knows what became of a message', async () => {
    const scene = await working(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    let calls = 0;
    const losing: Outlet = {
      maxBytes: 1_000,
      async send(messages, deadline) {
        const back = await outlet.send(messages, deadline);
        if (calls++ === 0) throw new Error('timed out');
        return back;
      },
    };
    await report(scene, 2, PUMP);
    await expect(project(scene, losing)).rejects.toThrow('timed out');
    expect(counted(scene)).toEqual({ ...none, refused: 2 });
    await project(scene, losing);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 0, 1]);
  });

  it('sends again what was sent before its cursor could be noted', async () => {
    const scene = await working(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 2, PUMP);
    const refusing = scene.refusing(
      (call, name) => call === 'log.append' && name === messagesLog('readings', 'stream'),
    );
    await expect(project(scene, outlet, streaming, { log: refusing.log as never })).rejects.toThrow(
      'refused',
    );
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 0, 1]);
  });

  it('sends at a deadline what there is time for', async () => {
    const scene = await working(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    const slow: Outlet = {
      ...outlet,
      async send(messages, deadline) {
        const back = await outlet.send(messages.slice(0, 1), deadline);
        scene.ports.clock.set(deadline);
        return [...back, ...messages.slice(1)];
      },
    };
    await report(scene, 2, PUMP);
    await project(scene, slow);
    expect(bodiesOf(outlet, PUMP)).toEqual([0]);
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1]);
  });

  it('keeps the order of a key across a change of the number of groups', async () => {
    const scene = await working(streaming);
    const before = memoryOutlet(scene.ports.clock);
    await report(scene, 3, PUMP, OVEN);
    await addGeneration(scene.engine, scene.deployment, 4);
    const wider = await scene.under(streaming);
    await report(wider, 3, PUMP, OVEN);
    // One pane a step: those of the earlier groups are not all sent when the later ones are first looked at.
    await project(wider, before, streaming, { limits: { ...LIMITS, messagesStep: 1 } });
    for (const machine of [PUMP, OVEN]) expect(bodiesOf(before, machine)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('goes on where its pipeline begins only once its first entries have expired', async () => {
    const scene = new Scene(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    const log = messagesLog('readings', 'stream');
    for (let days = 0; days < 12; days += 2) {
      await project(scene, outlet);
      scene.ports.clock.pass(millis('2d'));
      scene.ports.log.expire(scene.ports.clock.now());
    }
    const before = scene.ports.log.logs.get(log)?.map(({ ordinal }) => ordinal) ?? [];
    expect(before).not.toContain(1);
    const begun = await scene.under(streaming);
    expect(scene.ports.log.logs.get(log)?.map(({ ordinal }) => ordinal)).toEqual(before);
    await report(begun, 2, PUMP);
    await project(begun, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1]);
  });

  it('renews its cursor when that grows old', async () => {
    const scene = await working(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    const log = () => scene.ports.log.logs.get(messagesLog('readings', 'stream')) ?? [];
    await project(scene, outlet);
    expect(log()).toHaveLength(1);
    scene.ports.clock.pass(millis('2d'));
    await project(scene, outlet);
    await project(scene, outlet);
    expect(log()).toHaveLength(2);
  });
});

describe('a pane of which no message can be sent', () => {
  const broken = (message: (index: number) => unknown) =>
    readings.to(
      stream({
        to: 'sqs',
        windows: ['each'],
        message: (pane) =>
          (pane as { index: number }).index === 1 ? message(1) : (pane as { index: number }).index,
      }),
    );

  it.each([
    [
      'throws',
      () => {
        throw new Error('pump is secret');
      },
    ],
    ['returns nothing', () => undefined],
    ['returns what JSON cannot hold', () => 1n],
  ])('is left out, counted and told of, as its function %s', async (_, message) => {
    const scene = await working(broken(message));
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 3, PUMP);
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 2]);
    expect(counted(scene)).toEqual({ ...none, sent: 2, unmade: 1 });
    const [{ cause }] = scene.ports.telemetry.faults as unknown as [{ cause: Error }];
    expect(cause.message).toBe(
      'Cannot send a pane of window "each" to the sink "stream" as its functions must not throw, and must return what JSON can hold: it is left out',
    );
  });

  it('is left out, as the function that chooses throws', async () => {
    const scene = await working(
      readings.to(
        sink({
          name: 'own',
          deliver: () => {},
          when: () => {
            throw new Error('no');
          },
        }),
      ),
    );
    await report(scene, 2, PUMP);
    await project(scene, memoryOutlet(scene.ports.clock));
    expect(counted(scene)).toEqual({ ...none, unmade: 2 });
    expect(scene.ports.telemetry.faults).toHaveLength(1);
  });

  it('is left out, counted and told of, as it is too large for its outlet', async () => {
    const scene = await working(broken(() => 'x'.repeat(500)));
    const outlet = memoryOutlet(scene.ports.clock, { maxBytes: 400 });
    await report(scene, 3, PUMP);
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 2]);
    expect(counted(scene)).toEqual({ ...none, sent: 2, tooLarge: 1 });
    const [{ cause }] = scene.ports.telemetry.faults as unknown as [{ cause: Error }];
    // The body has 502 bytes; the id, the key and the attributes have the rest.
    expect(cause.message).toBe(
      'Cannot send a pane of window "each" to the sink "stream" as a message must have at most 400 bytes, and it has 574: it is left out',
    );
  });

  it('may have as many bytes as its outlet takes', async () => {
    const scene = await working(broken(() => 'x'.repeat(500)));
    const outlet = memoryOutlet(scene.ports.clock, { maxBytes: 574 });
    await report(scene, 2, PUMP);
    await project(scene, outlet);
    expect(outlet.accepted).toHaveLength(2);
  });
});

describe('a sink with a limit a minute', () => {
  const limited = readings.to(
    notify({ to: 'sns', windows: ['each'], message: ({ index }) => index, limit: 2 }),
  );

  it('sends so many in a minute, and the others in the next ones', async () => {
    const scene = await working(limited);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 5, PUMP);
    await project(scene, outlet);
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1]);
    expect(counted(scene)).toMatchObject({ sent: 2, heldBack: 3 + 3 + 3 });
    scene.ports.clock.set(at(1));
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 2, 3]);
    scene.ports.clock.set(at(2));
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 2, 3, 4]);
  });

  it('sends no more where two projectors are at work at once', async () => {
    const scene = await working(limited);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 5, PUMP);
    await Promise.all([1, 2, 3].map(() => project(scene, outlet)));
    expect(outlet.given).toHaveLength(2);
  });

  it('counts what was refused, or lost, as sent', async () => {
    const scene = await working(limited);
    const outlet = memoryOutlet(scene.ports.clock, { refuses: () => true });
    await report(scene, 5, PUMP);
    await expect(project(scene, outlet)).rejects.toThrow('2 were refused');
    await project(scene, outlet);
    expect(outlet.given).toHaveLength(2);
  });

  it('ends a step with the minute', async () => {
    const scene = await working(limited);
    const outlet = memoryOutlet(scene.ports.clock);
    const deadlines: EpochMillis[] = [];
    await report(scene, 3, PUMP);
    scene.ports.clock.set(at(0, 30));
    await project(scene, {
      ...outlet,
      send(messages, deadline) {
        deadlines.push(deadline);
        return outlet.send(messages, deadline);
      },
    });
    expect(deadlines).toEqual([at(1)]);
  });

  it.each([
    [PUMP, OVEN, LIMITS.messagesStep],
    [OVEN, PUMP, LIMITS.messagesStep],
    [PUMP, OVEN, 1],
    [OVEN, PUMP, 1],
  ])(
    'lets a flood of %s hold back nothing of %s that is older, by steps of %d',
    async (flooding, other, messagesStep) => {
      const scene = await working(limited);
      const outlet = memoryOutlet(scene.ports.clock);
      for (const [second, machine, times] of [
        [0, flooding, 3],
        [1, other, 1],
        [2, flooding, 8],
      ] as const) {
        scene.ports.clock.set(at(0, second));
        await report(scene, times, machine);
      }
      // The schedule calls at the same second of each minute, where always the same log is read first.
      for (const minute of [1, 2]) {
        scene.ports.clock.set(at(minute));
        await project(scene, outlet, limited, { limits: { ...LIMITS, messagesStep } });
      }
      expect(outlet.accepted.map(({ key, body }) => [key, body])).toEqual([
        [flooding, '0'],
        [flooding, '1'],
        [flooding, '2'],
        [other, '0'],
      ]);
    },
  );

  it('keeps to the minute that was noted where its own clock is behind', async () => {
    const scene = await working(limited);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 5, PUMP);
    scene.ports.clock.set(at(1));
    await project(scene, outlet);
    scene.ports.clock.set(at(0, 59));
    await project(scene, outlet);
    scene.ports.clock.set(at(1, 30));
    await project(scene, outlet);
    expect(outlet.given).toHaveLength(2);
  });
});

describe('a sink with a maxAge', () => {
  const aging = readings.to(
    notify({
      to: 'sns',
      windows: ['each'],
      message: ({ index }) => index,
      maxAge: '90s',
      limit: 2,
    }),
  );

  it('does not send what was committed longer ago, and counts it', async () => {
    const scene = await working(aging);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 2, PUMP);
    scene.ports.clock.set(after(at(1, 30), 1 as never));
    await report(scene, 1, PUMP);
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([2]);
    expect(counted(scene)).toEqual({ ...none, sent: 1, tooOld: 2 });
  });

  it('sends what is as old as may be', async () => {
    const scene = await working(aging);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 1, PUMP);
    scene.ports.clock.set(at(1, 30));
    await project(scene, outlet);
    expect(bodiesOf(outlet, PUMP)).toEqual([0]);
  });

  it('drops what grows too old while it waits for its limit', async () => {
    const scene = await working(aging);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 6, PUMP);
    for (const minute of [0, 1, 2]) {
      scene.ports.clock.set(at(minute));
      await project(scene, outlet);
    }
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 2, 3]);
    expect(counted(scene)).toMatchObject({ sent: 4, tooOld: 2 });
    await project(scene, outlet);
    expect(counted(scene)).toMatchObject({ tooOld: 2 });
  });
});

describe("an author's own sink", () => {
  it('takes panes with their ids, in the order of each key, and the same again where it throws', async () => {
    const taken: (readonly [index: number | undefined, id: string | undefined])[][] = [];
    const own = readings.to(
      sink({
        name: 'own',
        windows: ['each'],
        async deliver(panes, { ids }) {
          taken.push(panes.map((pane, at) => [(pane as { index?: number }).index, ids[at]] as const));
          if (taken.length === 1) throw new Error('not now');
        },
      }),
    );
    const scene = await working(own);
    await report(scene, 2, PUMP);
    await expect(project(scene, memoryOutlet(scene.ports.clock))).rejects.toThrow('not now');
    await project(scene, memoryOutlet(scene.ports.clock));
    const both = [
      [0, 'readings/pump/each/0/0'],
      [1, 'readings/pump/each/1/0'],
    ];
    expect(taken).toEqual([both, both]);
  });
});

/** The event that DynamoDB Streams makes of entries of a log. */
const eventOf = (log: string, ...ordinals: readonly number[]): DynamoDBStreamEvent => ({
  Records: ordinals.map((ordinal) => ({
    dynamodb: { Keys: { [STATE_KEY.partition]: { S: log }, [STATE_KEY.sort]: { N: String(ordinal) } } },
  })),
});

describe('push', () => {
  const pushing = readings.to(table(), push({ message: ({ index = 'minute' }) => index }));
  /** Projects as a wake-up does that names the entries of a machine's group from an ordinal on. */
  const wake = (scene: Scene, handler: ReturnType<typeof projectHandler>, from = 1) => {
    const log = scene.logOf(PUMP);
    const entries = scene.storedOf(PUMP).filter(({ ordinal }) => ordinal >= from);
    return handler(eventOf(log, ...entries.map(({ ordinal }) => ordinal)), INVOCATION);
  };
  const handlerOf = (scene: Scene, outlet: Outlet) =>
    projectHandler({ ...scene.ports, outlets: new Map([['push', outlet]]) }, scene.pipeline);

  it('sends the latest pane of each key and window of what was just committed, once', async () => {
    const scene = await working(pushing);
    const outlet = memoryOutlet(scene.ports.clock);
    const handler = handlerOf(scene, outlet);
    await report(scene, 3, PUMP);
    await scene.sweepAt(at(10));
    await wake(scene, handler);
    expect(bodiesOf(outlet, PUMP)).toEqual([2, 'minute']);
    await wake(scene, handler);
    expect(outlet.accepted).toHaveLength(2);
    await report(scene, 2, PUMP);
    await wake(scene, handler);
    expect(bodiesOf(outlet, PUMP)).toEqual([2, 'minute', 4]);
  });

  it('sends what a wake-up names alone, and nothing by schedule', async () => {
    const scene = await working(pushing);
    const outlet = memoryOutlet(scene.ports.clock);
    const handler = handlerOf(scene, outlet);
    await report(scene, 3, PUMP);
    await handler({}, INVOCATION);
    expect(outlet.given).toEqual([]);
    await handler(eventOf(scene.logOf(PUMP), 2), INVOCATION);
    expect(bodiesOf(outlet, PUMP)).toEqual([1]);
  });

  it('fails nobody, and is not done again, where its outlet refuses, throws or never answers', async () => {
    const scene = await working(pushing);
    const asked: number[] = [];
    const outcomes: Outlet['send'][] = [
      async (messages) => messages,
      async () => {
        throw new Error('no such channel');
      },
      () => {
        scene.ports.clock.pass(millis('1s'));
        return new Promise(() => {});
      },
    ];
    const handler = handlerOf(scene, {
      maxBytes: 1_000,
      send(messages, deadline) {
        asked.push(deadline - scene.ports.clock.now());
        return (outcomes[asked.length - 1] as Outlet['send'])(messages, deadline);
      },
    });
    for (const time of [1, 2, 3]) {
      await report(scene, 1, PUMP);
      await wake(scene, handler);
      await wake(scene, handler);
      expect(scene.row(PUMP, 'each#latest')).toEqual({ celsius: 0 });
      expect(asked).toEqual(Array(time).fill(1_000));
    }
    expect(counted(scene)).toMatchObject({ sent: 0, refused: 3 });
    expect(
      scene.ports.telemetry.faults.map(({ what, cause }) => `${what}: ${(cause as Error).message}`),
    ).toEqual([
      'push panes to the sink "push": no such channel',
      'push panes to the sink "push": Cannot push panes as that must take less than a second: it takes longer',
    ]);
    expect(scene.ports.clock.alarms).toBe(0);
  });
});

describe('what is done beside delivering', () => {
  const sinkOf = ({ sinks }: Pipeline) => sinks.at(-1) as NotingSink;

  it('an audit tells how far each sink is behind', async () => {
    const scene = await working(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 2, PUMP);
    await project(scene, outlet);
    await report(scene, 1, PUMP);
    scene.ports.clock.pass(millis('20m'));
    const { projectors, findings } = await audit(
      { ...scene.ports, reading: memoryReading(scene.ports) },
      streaming,
    );
    const log = messagesLog('readings', 'stream');
    const ageMillis = millis('20m');
    expect(projectors).toEqual([
      { sink: 'stream', name: 'stream', log, entries: 1, ageMillis, unfinished: undefined, skipped: [] },
    ]);
    expect(findings).toEqual([{ kind: 'trailing-projector', log, entries: 1, ageMillis }]);
  });

  it('a backfill sends everything again, however old it is, and as many a minute as ever', async () => {
    const aging = readings.to(
      notify({
        to: 'sns',
        windows: ['each'],
        message: ({ index }) => index,
        maxAge: '1s',
        limit: 2,
      }),
    );
    const scene = await working(aging);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 5, PUMP);
    scene.ports.clock.set(at(60));
    const waits: EpochMillis[] = [];
    const clock = {
      ...scene.ports.clock,
      alarm(when: EpochMillis, ring: () => void) {
        waits.push(when);
        scene.ports.clock.set(when);
        return scene.ports.clock.alarm(when, ring);
      },
    };
    const ports = { ...enginePorts(scene.ports), clock, outlets: new Map([['notify', outlet]]) };
    const options = { name: 'again', deadline: at(1e6) };
    const deployment = await holdDeployment(scene.engine, aging);
    expect(await backfillMessages(ports, deployment, sinkOf(aging), options)).toBe(true);
    expect(bodiesOf(outlet, PUMP)).toEqual([0, 1, 2, 3, 4]);
    expect(waits).toEqual([at(61), at(62)]);
    expect(await backfillMessages(ports, deployment, sinkOf(aging), options)).toBe(true);
    expect(outlet.accepted).toHaveLength(5);
    // The cursor of the sink itself stays where it was.
    expect(scene.ports.log.logs.get(messagesLog('readings', 'notify'))).toHaveLength(1);
  });

  it('a sink whose panes have expired goes on once it is resumed', async () => {
    const scene = await working(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 1, PUMP);
    await project(scene, outlet);
    for (let day = 1; day < 12; day++) {
      scene.ports.clock.pass(millis('1d'));
      await report(scene, 1, PUMP, OVEN);
      await scene.sweepAt(scene.ports.clock.now());
      await holdDeployment(scene.engine, streaming);
      scene.ports.log.expire(scene.ports.clock.now());
    }
    await expect(project(scene, outlet)).rejects.toThrow('all of its entries have expired');
    const skipped = await resume(scene.engine, scene.deployment);
    expect(skipped.map(({ sink }) => sink)).toEqual(['stream', 'stream']);
    await project(scene, outlet);
    const [first, ...others] = bodiesOf(outlet, PUMP);
    expect(first).toBe(0);
    expect(others.at(-1)).toBe(11);
    expect(others).toEqual(others.toSorted((a, b) => Number(a) - Number(b)));
    expect(await resume(scene.engine, scene.deployment)).toEqual([]);
  });

  it('a restore takes the cursor of each sink back to what the logs hold', async () => {
    const scene = await working(streaming);
    const outlet = memoryOutlet(scene.ports.clock);
    await report(scene, 1, PUMP);
    await project(scene, outlet);
    await report(scene, 1, PUMP);
    await project(scene, outlet);
    (scene.ports.log.logs.get(scene.logOf(PUMP)) as unknown[]).pop();
    const reading = memoryReading(scene.ports);
    const ports = { ...scene.engine, listing: reading.objects, remover: { remove: async () => {} } };
    await restore(ports as never, streaming, () => {});
    const log = scene.ports.log.logs.get(messagesLog('readings', 'stream')) ?? [];
    const { covered } = decodeSinkCursor(scene.whole(log.at(-1) as never));
    expect(covered.get(scene.logOf(PUMP))).toEqual([1, 0]);
  });
});
