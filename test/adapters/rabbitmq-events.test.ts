import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type RabbitEvent, UnsettledError } from '../../src/adapters/rabbitmq/records.ts';
import { processHandler } from '../../src/handlers.ts';
import { count, definePipeline, rabbitmq, tumbling } from '../../src/index.ts';
import type { Call } from '../../src/simulation/gate.ts';
import { Scene } from '../engine/scene.ts';

interface Reading {
  readonly machine: string;
  readonly at: number;
  readonly celsius: number;
}

const readings = definePipeline('readings', rabbitmq<Reading>({ queue: 'readings' }), {
  key: ({ machine }) => machine,
  eventTime: ({ at }) => at,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
});

/** An event as AWS documents it. None was seen on a live account. */
const eventOf = (name: string): RabbitEvent =>
  JSON.parse(readFileSync(new URL(`../fixtures/events/rabbitmq-${name}.json`, import.meta.url), 'utf8'));

const messagesOf = ({ rmqMessagesByQueue }: RabbitEvent) => Object.values(rmqMessagesByQueue).flat();

const LONG = { getRemainingTimeInMillis: () => 60_000 };

const SETTLED = { batchItemFailures: [] };

describe('the answer to an event of a RabbitMQ queue', () => {
  /** Handles events one after the other. Returns them, each answer, or what was thrown, and what was counted. */
  async function answersTo(
    names: readonly string[],
    refuses: (call: Call, name: string) => boolean = () => false,
    invocation = LONG,
    owned = false,
  ) {
    const scene = new Scene(readings);
    const handle = processHandler(scene.refusing(refuses), readings, owned);
    const events = names.map(eventOf);
    const answers: unknown[] = [];
    for (const event of events) {
      answers.push(await handle(event, invocation).catch((error: unknown) => error));
    }
    return { events, answers, counted: scene.ports.telemetry.counted };
  }

  it('says nothing where all is in, and where there is no message', async () => {
    const { answers, counted } = await answersTo(['readings', 'empty']);
    expect(answers).toEqual([SETTLED, SETTLED]);
    expect(counted).toMatchObject({ received: 4, applied: 4 });
  });

  it('is an error where some are not in; the next delivery takes in those alone', async () => {
    let appends = 0;
    const { answers, counted } = await answersTo(
      ['readings', 'redelivered'],
      (call, name) => call === 'log.append' && name.startsWith('readings/') && ++appends === 1,
    );
    expect(answers[0]).toBeInstanceOf(UnsettledError);
    expect(answers[1]).toEqual(SETTLED);
    expect(counted).toMatchObject({ received: 8, applied: 4 });
    expect(counted.duplicate).toBeGreaterThan(0);
  });

  it('is an error where none is in', async () => {
    const { answers, counted } = await answersTo(
      ['readings', 'redelivered'],
      (call, name) => call === 'log.append' && name.startsWith('readings/'),
    );
    expect(answers.map((answer) => answer instanceof UnsettledError)).toEqual([true, true]);
    expect(counted).toMatchObject({ received: 8, applied: 0 });
  });

  it('is the error of a store that cannot be read at all', async () => {
    const { answers } = await answersTo(['readings'], (call) => call.startsWith('log.'));
    expect(String(answers[0])).toMatch(/refused/);
  });

  it('says nothing of poison, which is kept, and holds up no other', async () => {
    const { answers, counted } = await answersTo(['poison', 'poison']);
    expect(answers).toEqual([SETTLED, SETTLED]);
    expect(counted).toMatchObject({ received: 8, applied: 1, poison: 3, duplicate: 4 });
  });

  it('is an error near the deadline, when no commit begins', async () => {
    const { answers, counted } = await answersTo(['readings'], undefined, {
      getRemainingTimeInMillis: () => 1_999,
    });
    expect(answers[0]).toBeInstanceOf(UnsettledError);
    expect(counted).toMatchObject({ applied: 0 });
  });

  it('is the same where the handler owns the event, whose messages are gone once it has read them', async () => {
    const names = ['readings', 'poison', 'empty'];
    for (const millis of [60_000, 1_999]) {
      const invocation = { getRemainingTimeInMillis: () => millis };
      const { events: kept, ...others } = await answersTo(names, undefined, invocation);
      const { events: owned, ...own } = await answersTo(names, undefined, invocation, true);
      expect(own).toEqual(others);
      expect(kept).toEqual(names.map(eventOf));
      expect(owned.flatMap(messagesOf).filter((message) => message !== undefined)).toEqual([]);
    }
  });
});
