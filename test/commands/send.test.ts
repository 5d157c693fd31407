import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { memoryClock } from '../../src/adapters/memory/clock.ts';
import { pacer, sendCommand, untilAborted } from '../../src/commands/send.ts';
import { openCheckpoint } from '../../src/commands/send-checkpoint.ts';
import { targetOf } from '../../src/commands/send-targets.ts';
import type { EpochMillis, Millis } from '../../src/core/time.ts';
import type { ParcelOutcome, Sender } from '../../src/producer.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a rate', () => {
  it('is kept by the clock, and what was missed is made up for by a second at most', async () => {
    const clock = memoryClock(0 as EpochMillis);
    const pace = pacer(clock, 10);
    const { signal } = new AbortController();
    let passed = 0;
    const send = async (): Promise<void> => {
      for (;;) {
        await pace(signal);
        passed++;
      }
    };
    void send();
    for (const [length, most] of [
      [0, 0],
      [99, 0],
      [1, 1],
      [100, 2],
      [60_000, 14],
      [100, 15],
    ] as const) {
      clock.pass(length as Millis);
      for (let turn = 0; turn < 50; turn++) await clock.turn();
      expect(passed).toBe(most);
    }
  });

  it('does not hold up what is ended', async () => {
    const clock = memoryClock(0 as EpochMillis);
    const ending = new AbortController();
    const waiting = pacer(clock, 0.001)(ending.signal);
    ending.abort();
    await waiting;
    expect(clock.alarms).toBe(0);
  });
});

it('an input is let go of once nothing is read of it any more, as it would keep the process alive', async () => {
  let isOpen = true;
  async function* input() {
    try {
      for (;;) yield 'record';
    } finally {
      isOpen = false;
    }
  }
  for await (const _ of untilAborted(input(), new AbortController().signal)) break;
  await new Promise((turn) => setImmediate(turn));
  expect(isOpen).toBe(false);
});

describe('a target that goes down', () => {
  /** Sends records to a topic that takes the first parcels, and never answers after them; the input stays open. */
  async function sendTo(answers: number, records: number, checkpoint?: string) {
    const clock = memoryClock(0 as EpochMillis);
    const turns = async () => {
      for (let turn = 0; turn < 20; turn++) await clock.turn();
    };
    const said = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    let requests = 0;
    const sender: Sender = {
      target: 'topic readings',
      maxParcels: 1,
      maxBytes: 1_000,
      parcelBytes: 1,
      maxRecordBytes: 1_000,
      bytesOf: ({ data }) => data.length,
      laneOf: () => 0,
      open() {
        let count = 0;
        return { bytes: 1, add: () => count++ === 0 };
      },
      send: (parcels) =>
        ++requests <= answers
          ? Promise.resolve(parcels.map((): ParcelOutcome => 'taken'))
          : new Promise<never>(() => {}),
    };
    const close = vi.fn(async () => {});
    async function* read() {
      for (let line = 1; line <= records; line++) {
        const data = Buffer.from(`record ${line}`);
        yield { line, data, length: data.length };
      }
      await new Promise<never>(() => {});
    }
    const sending = sendCommand(
      'kafka://127.0.0.1:9092/readings',
      '-',
      { key: 'id', checkpoint },
      () => Promise.reject(new Error('There is no pipeline')),
      { clock, random: () => 0.5, open: async () => ({ sender, close }), read },
    ).catch((error: Error) => error.message);
    let result: number | string | undefined;
    void sending.then((value) => {
      result = value;
    });
    const passed = async (length: number) => {
      clock.pass(length as Millis);
      await turns();
      return { result, said: said.mock.calls.map(([text]) => String(text)) };
    };
    await turns();
    return { passed, close, clock, done: () => said.mockRestore() };
  }

  const silence = 'topic readings has taken no records for 10 s; they wait, and are given up after 300 s\n';
  const givenUp = (missing: number) =>
    `Cannot send to topic readings as it must take records within 300 s: it has not answered; records not known to be taken: ${missing}`;

  it('is spoken of once, and given up after the patience, though no further record comes', async () => {
    const { passed, close, clock, done } = await sendTo(2, 3);
    expect(await passed(9_999)).toEqual({ result: undefined, said: [] });
    expect(await passed(1)).toEqual({ result: undefined, said: [silence] });
    expect(await passed(289_999)).toEqual({ result: undefined, said: [silence] });
    expect(await passed(1)).toEqual({ result: givenUp(1), said: [silence] });
    expect(close).toHaveBeenCalledOnce();
    expect(clock.alarms).toBe(0);
    done();
  });

  it('leaves a checkpoint by which sending goes on, also where the first answer of all is missing', async () => {
    for (const answers of [0, 250]) {
      const path = join(folder, `silent-${answers}.json`);
      const { passed, done } = await sendTo(answers, 300, path);
      expect((await passed(300_000)).result).toBe(
        `${givenUp(300 - answers)}; the same command goes on where it stands`,
      );
      expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ sent: answers === 0 ? 0 : 200 });
      done();
    }
  });
});

it.each(['amqp://me:word@host:5672/', 'amqp://me:wo/rd@host:5672/readings'])(
  'a target that is none is named without its password',
  (target) => {
    const refused = `Cannot send to "amqp://host:5672/`;
    expect(() => targetOf(target)).toThrow(refused);
  },
);

describe('a checkpoint', () => {
  const record = (number: number) => Buffer.from(`record ${number}`);

  /** Sends the input, of which the last records of a number are not taken yet, and is killed after a record. */
  function sendUntil(path: string, killedAfter: number, untaken: number): { first: number; last: number } {
    const checkpoint = openCheckpoint(path, 'stream s');
    let accepted = 0;
    let first = 0;
    for (let number = 1; number <= killedAfter; number++) {
      if (checkpoint.next(record(number), Math.max(0, accepted - untaken))) {
        accepted++;
        first ||= number;
      }
      checkpoint.passed(accepted);
    }
    return { first, last: killedAfter };
  }

  it('says of no record that it was sent before it is taken, and of every record that it may be', () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(6_000), fc.nat(3_000)), { minLength: 1, maxLength: 4 }),
        (runs) => {
          const path = join(folder, 'law.json');
          rmSync(path, { force: true });
          let sent = 0;
          let upTo = 0;
          for (const [killedAfter, untaken] of runs) {
            const { first, last } = sendUntil(path, killedAfter, untaken);
            if (first > 0) expect(first).toBe(sent + 1);
            if (!existsSync(path)) continue;
            const stored = JSON.parse(readFileSync(path, 'utf8'));
            expect(stored.sent).toBeGreaterThanOrEqual(sent);
            // Nothing counts as sent by this run that was not taken by it.
            if (stored.sent > sent) expect(stored.sent).toBeLessThanOrEqual(Math.max(sent, last - untaken));
            expect(stored.upTo).toBeGreaterThanOrEqual(Math.max(upTo, first > 0 ? last : 0));
            ({ sent, upTo } = stored);
          }
        },
      ),
      { numRuns: 60 },
    ));

  it.each([
    ['not JSON', 'nonsense'],
    ['JSON of something else', '{"sent":5}'],
  ])('is refused where it is %s', (_, text) => {
    const path = join(folder, 'wrong.json');
    writeFileSync(path, text);
    expect(() => openCheckpoint(path, 'stream s')).toThrow(
      `Cannot go on by ${path} as it must be what an earlier send has written: it is something else`,
    );
  });

  it('is of an input that is as long as what was sent', () => {
    const path = join(folder, 'short.json');
    rmSync(path, { force: true });
    const before = openCheckpoint(path, 'stream s');
    for (let number = 1; number <= 3; number++) before.next(record(number), number - 1);
    before.write('all');
    const after = openCheckpoint(path, 'stream s');
    expect(after.run).toBe(before.run);
    expect(after.resumes).toBe(`Going on after record 3, as ${path} says`);
    expect(after.next(record(1), 0)).toBe(false);
    expect(() => after.end()).toThrow(
      `Cannot go on as the input must begin with the 3 records that ${path} says were sent: it has 1 record; remove that file to send everything`,
    );
  });
});
