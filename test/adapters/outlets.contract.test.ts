import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryClock } from '../../src/adapters/memory/clock.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { type Message, messageBytes } from '../../src/ports/outlet.ts';
import { type Endpoints, SERVICES } from './contract-outlets.ts';
import { hasMoto, startMoto } from './contract-servers.ts';

const NOON = Date.UTC(2026, 0, 5, 12) as EpochMillis;
const NEVER = Number.POSITIVE_INFINITY as EpochMillis;

const messageOf = (key: string, number: number, more: object = {}): Message => ({
  id: `flights/${encodeURIComponent(key)}/five_minutes/2026-01-05T12:00:00.000Z/${number}`,
  key,
  body: JSON.stringify({ key, number, ...more }),
  attributes: { pipeline: 'flights', window: 'five_minutes', kind: 'final', revision: String(number) },
});

/** The numbers of the messages of each key, in order. */
function numbersOf(bodies: readonly string[]): Record<string, number[]> {
  const numbers: Record<string, number[]> = {};
  for (const body of bodies) {
    const { key, number } = JSON.parse(body);
    numbers[key] = [...(numbers[key] ?? []), number];
  }
  return numbers;
}

const bodiesOf = (messages: readonly Message[]) => messages.map(({ body }) => body);

describe.each(SERVICES)('an outlet to $name', (service) => {
  const { maxEntries, maxBytes, keepsOrder } = service;

  it('returns of each key all from the first refused on, and sends none of them later in the call', async () => {
    const drawn = fc.record({
      keys: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 60 }),
      refused: fc.array(fc.nat(59), { maxLength: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(drawn, async ({ keys, refused }) => {
        const messages = keys.map((key, at) => messageOf(`key ${key}`, at));
        const refusedBodies = new Set(refused.map((at) => messages[at]?.body));
        const asked: string[] = [];
        const refusedYet = new Set<string>();
        const outlet = service.over(async (bodies) => {
          expect(bodies.length).toBeLessThanOrEqual(maxEntries);
          const keysAsked = bodies.map((body) => JSON.parse(body).key);
          if (keepsOrder) expect(new Set(keysAsked).size).toBe(bodies.length);
          for (const key of keysAsked) expect(refusedYet).not.toContain(key);
          bodies.forEach((body, at) => {
            if (refusedBodies.has(body)) refusedYet.add(keysAsked[at]);
          });
          asked.push(...bodies);
          return bodies.map((body) => (refusedBodies.has(body) ? 'InternalFailure' : undefined));
        }, memoryClock(NOON));
        const stuck = new Set<string>();
        const expected = messages.filter(({ key, body }) => {
          if (refusedBodies.has(body)) stuck.add(key);
          return stuck.has(key);
        });
        if (expected.length === messages.length) {
          await expect(outlet.send(messages, NEVER)).rejects.toThrow('refused all');
        } else {
          expect(await outlet.send(messages, NEVER)).toEqual(expected);
        }
        for (const numbers of Object.values(numbersOf(asked)))
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      }),
      { numRuns: 60 },
    );
  });

  it('fills requests, up to their bounds', async () => {
    const sizes: { readonly entries: number; readonly bytes: number }[] = [];
    const messages = Array.from({ length: 2 * maxEntries }, (_, at) => messageOf(`key ${at}`, at));
    const large = messages.slice(0, 12).map((message) => ({
      ...message,
      body: JSON.stringify({ text: 'x'.repeat(Math.floor(maxBytes / Math.min(3, maxEntries) / 1.5)) }),
    }));
    const fitting = large.filter(
      (message) => messageBytes(message) <= service.over(async () => [], memoryClock(NOON)).maxBytes,
    );
    const outlet = service.over(async (bodies) => {
      const bytes = bodies.reduce((total, body) => total + Buffer.byteLength(body), 0);
      sizes.push({ entries: bodies.length, bytes });
      return bodies.map(() => undefined);
    }, memoryClock(NOON));
    expect(await outlet.send(messages, NEVER)).toEqual([]);
    expect(sizes.map(({ entries }) => entries)).toEqual([maxEntries, maxEntries]);
    sizes.length = 0;
    expect(await outlet.send(fitting, NEVER)).toEqual([]);
    for (const { bytes } of sizes) expect(bytes).toBeLessThanOrEqual(maxBytes);
  });

  it('begins no request after one that failed, and throws where nothing was accepted', async () => {
    const messages = Array.from({ length: 30 * maxEntries }, (_, at) => messageOf(`key ${at}`, at));
    const clock = memoryClock(NOON);
    let requests = 0;
    const failing = (from: number) =>
      service.over(async (bodies) => {
        if (++requests > from) throw new Error('Throttled');
        return bodies.map(() => undefined);
      }, clock);
    await expect(failing(0).send(messages, NEVER)).rejects.toThrow('Throttled');
    expect(requests).toBeLessThanOrEqual(8);
    expect(clock.alarms).toBe(0);
    requests = 0;
    expect(await failing(2).send(messages, NEVER)).toEqual(messages.slice(2 * maxEntries));
    expect(requests).toBeLessThanOrEqual(2 + 8);
  });

  it('waits for nothing after the deadline, and leaves no alarm behind', async () => {
    const clock = memoryClock(NOON);
    const messages = [messageOf('a', 1), messageOf('a', 2)];
    let requests = 0;
    const outlet = service.over(
      (_, signal) =>
        new Promise((_, reject) => {
          requests++;
          signal.addEventListener('abort', () => reject(signal.reason));
          clock.set((NOON + 1_000) as EpochMillis);
        }),
      clock,
    );
    expect(await outlet.send(messages, (NOON + 1_000) as EpochMillis)).toEqual(messages);
    expect(await outlet.send(messages, (NOON + 1_000) as EpochMillis)).toEqual(messages);
    expect(requests).toBe(1);
    expect(clock.alarms).toBe(0);
  });
});

const SERVERS = [
  {
    name: 'the embedded servers',
    missing: undefined,
    async start() {
      const { endpoints, close } = await startServers({});
      const at: Endpoints = {
        messages: endpoints.s3,
        kinesis: endpoints.kinesis,
        hasRules: false,
        hasChannels: true,
      };
      return { at, close };
    },
  },
  {
    name: 'moto',
    missing: hasMoto ? undefined : 'there is no moto_server: pip install "moto[server]==5.2.1"',
    async start() {
      const { endpoint, close } = await startMoto();
      const at: Endpoints = { messages: endpoint, kinesis: endpoint, hasRules: true, hasChannels: false };
      return { at, close };
    },
  },
];

for (const { name, missing, start } of SERVERS) {
  if (missing !== undefined) console.info(`Skipped: outlets to ${name}, as ${missing}.`);

  describe.skipIf(missing !== undefined)(
    missing === undefined ? `on ${name}` : `on ${name} (skipped: ${missing})`,
    () => {
      let servers: Awaited<ReturnType<typeof start>>;
      beforeAll(async () => {
        servers = await start();
      });
      afterAll(() => servers?.close());

      const services = SERVICES.filter(({ name: service }) => name !== 'moto' || !/channel/.test(service));
      it.each(services)('$name has what an outlet sent', async ({ create, keepsOrder, name }) => {
        const { outlet, received } = await create(servers.at);
        const odd = ['a', 'ü/ +%', 'x'.repeat(1_024), '😀', '\uFFFE\uFFFF'];
        const messages = Array.from({ length: 15 }, (_, at) => messageOf(odd[at % odd.length] as string, at));
        expect(await outlet.send(messages, NEVER)).toEqual([]);
        const all = await received();
        const written = (body: string) => JSON.stringify(JSON.parse(body));
        expect(all.map(({ body }) => written(body)).toSorted()).toEqual(bodiesOf(messages).toSorted());
        if (keepsOrder) expect(numbersOf(all.map(({ body }) => body))).toEqual(numbersOf(bodiesOf(messages)));
        if (/topic|queue|bus/.test(name)) {
          const ids = new Map(messages.map(({ id, body }) => [body, id]));
          for (const { body, id } of all) expect(id).toBe(ids.get(written(body)));
        }
      });

      it.each(services)('$name takes a message as large as the outlet says', async ({ create }) => {
        const { outlet, received } = await create(servers.at);
        const empty = messageOf('a', 1, { text: '' });
        const text = 'x'.repeat(outlet.maxBytes - messageBytes(empty));
        const message = messageOf('a', 1, { text });
        expect(messageBytes(message)).toBe(outlet.maxBytes);
        expect(await outlet.send([message], NEVER)).toEqual([]);
        expect((await received()).map(({ body }) => body.length)).toEqual([message.body.length]);
      });

      it.each(services.filter(({ name }) => /FIFO/.test(name)))(
        '$name has a message once that comes again',
        async ({ create }) => {
          const { outlet, received } = await create(servers.at);
          const message = messageOf('a', 1);
          await outlet.send([message], NEVER);
          await outlet.send([message], NEVER);
          expect(await received()).toHaveLength(1);
        },
      );
    },
  );
}

describe('an outlet to a bus', () => {
  it('puts a message that is no object into a field', async () => {
    const details: string[] = [];
    const bus = SERVICES.find(({ name }) => /bus/.test(name));
    const outlet = bus?.over(async (bodies) => {
      details.push(...bodies);
      return bodies.map(() => undefined);
    }, memoryClock(NOON));
    await outlet?.send(
      [
        { ...messageOf('a', 1), body: '[1,2]' },
        { ...messageOf('b', 1), body: '{}' },
      ],
      NEVER,
    );
    expect(details).toEqual(['{"message":[1,2]}', '{}']);
  });
});
