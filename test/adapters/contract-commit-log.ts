import { describe, expect, it } from 'vitest';
import type { EpochMillis } from '../../src/core/time.ts';
import {
  type CommitLog,
  ENTRY_LIFETIME,
  LogLostError,
  MAX_INLINE_BYTES,
  type StoredEntry,
} from '../../src/ports/commit-log.ts';
import { fresher, type Gaps, itUnless, ODD_NAMES } from './contract-titles.ts';

export interface CommitLogHarness {
  readonly log: CommitLog;
  /** The same logs as another process has them. */
  readonly another: CommitLog;
  /** Drops what need not be kept any longer. */
  readonly expire: (log: string, now: EpochMillis) => Promise<void>;
}

const NOON = Date.UTC(2026, 0, 5, 12) as EpochMillis;
const fresh = fresher();

export const entry = (ordinal: number, stored: Uint8Array = Buffer.from(String(ordinal))): StoredEntry => ({
  ordinal,
  committedAt: (NOON + ordinal) as EpochMillis,
  stored,
});

/** Once the entries of up to an ordinal have expired. */
export const afterExpiryOf = (ordinal: number): EpochMillis =>
  (Math.ceil((NOON + ordinal + ENTRY_LIFETIME) / 1_000) * 1_000) as EpochMillis;

const plainEntry = ({ ordinal, committedAt, stored }: StoredEntry) => ({
  ordinal,
  committedAt,
  stored: Buffer.from(stored).toString('hex'),
});

/** Bytes without a pattern. */
const noise = (length: number): Uint8Array => {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    return state >>> 24;
  });
};

/** DynamoDB's largest item. */
const MAX_ITEM_BYTES = 400 * 1_024;

export function commitLogContract(open: () => CommitLogHarness, { races }: Gaps = {}): void {
  describe('a commit log', () => {
    it('has no latest entry before the first, and none after any ordinal', async () => {
      const { log } = open();
      const name = fresh('log');
      expect(await log.latest(name)).toBeUndefined();
      expect(await log.after(name, 0)).toEqual([]);
      expect(await log.after(name, 7)).toEqual([]);
    });

    it('gives back when the first record arrived, of an entry that says so', async () => {
      const { log } = open();
      const name = fresh('log');
      const arrived = (NOON - 250) as EpochMillis;
      await log.append(name, { ...entry(1), arrived });
      await log.append(name, entry(2));
      expect((await log.after(name, 0)).map((found) => found.arrived)).toEqual([arrived, undefined]);
      expect((await log.latest(name))?.arrived).toBeUndefined();
    });

    it.each<[string, Uint8Array]>([
      ['nothing', new Uint8Array()],
      ['one zero', Buffer.of(0)],
      ['every byte', Uint8Array.from({ length: 256 }, (_, byte) => byte)],
      // As packing leaves it.
      ['a part of a larger buffer', noise(512).subarray(41, 300)],
      ['as much as an entry may hold', noise(MAX_INLINE_BYTES)],
    ])('gives a body of %s back bit for bit, with its ordinal and time', async (_, stored) => {
      const { log } = open();
      const name = fresh('log');
      expect(await log.append(name, entry(1, stored))).toBe('committed');
      expect(plainEntry((await log.latest(name)) as StoredEntry)).toEqual(plainEntry(entry(1, stored)));
      expect((await log.after(name, 0)).map(plainEntry)).toEqual([plainEntry(entry(1, stored))]);
    });

    it('refuses a body larger than an item, and goes on as if it had not been asked', async () => {
      const { log } = open();
      const name = fresh('log');
      await expect(log.append(name, entry(1, noise(MAX_ITEM_BYTES)))).rejects.toThrow();
      expect(await log.latest(name)).toBeUndefined();
      expect(await log.append(name, entry(1))).toBe('committed');
    });

    it('keeps what it was given, whatever becomes of the buffer', async () => {
      const { log } = open();
      const name = fresh('log');
      const stored = Buffer.of(1, 2, 3);
      await log.append(name, entry(1, stored));
      stored.fill(0);
      expect(plainEntry((await log.latest(name)) as StoredEntry).stored).toBe('010203');
    });

    it('gives every reader bytes of its own', async () => {
      const { log } = open();
      const name = fresh('log');
      await log.append(name, entry(1, Buffer.of(1, 2, 3)));
      (await log.latest(name))?.stored.fill(0);
      (await log.after(name, 0))[0]?.stored.fill(0);
      expect(plainEntry((await log.latest(name)) as StoredEntry).stored).toBe('010203');
    });

    it('refuses an ordinal that is taken, and keeps the first entry', async () => {
      const { log } = open();
      const name = fresh('log');
      await log.append(name, entry(1, Buffer.from('first')));
      expect(await log.append(name, entry(1, Buffer.from('second')))).toBe('conflict');
      await log.append(name, entry(2));
      expect(await log.append(name, { ...entry(1, Buffer.from('third')), committedAt: NOON })).toBe(
        'conflict',
      );
      expect((await log.after(name, 0)).map(plainEntry)).toEqual(
        [entry(1, Buffer.from('first')), entry(2)].map(plainEntry),
      );
    });

    it('asks no more than whether the ordinal is free', async () => {
      const { log } = open();
      const name = fresh('log');
      for (const ordinal of [3, 1, 7]) expect(await log.append(name, entry(ordinal))).toBe('committed');
      expect((await log.after(name, 0)).map(plainEntry)).toEqual([1, 3, 7].map((n) => plainEntry(entry(n))));
    });

    itUnless(races)('lets exactly one of many racing writers append, and keeps its entry', async () => {
      const { log, another } = open();
      const name = fresh('log');
      for (let ordinal = 1; ordinal <= 3; ordinal++) {
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, (_, writer) =>
            (writer % 2 ? log : another).append(name, entry(ordinal, Buffer.of(writer))),
          ),
        );
        const [winner] = (await log.latest(name))?.stored ?? [];
        expect(outcomes).toEqual(outcomes.map((_, at) => (at === winner ? 'committed' : 'conflict')));
      }
    });

    it('shows what was appended before to every reader', async () => {
      const { log, another } = open();
      const name = fresh('log');
      for (let ordinal = 1; ordinal <= 5; ordinal++) {
        await log.append(name, entry(ordinal));
        expect((await another.latest(name))?.ordinal).toBe(ordinal);
        expect((await another.after(name, ordinal - 1)).map((one) => one.ordinal)).toEqual([ordinal]);
        expect(await another.append(name, entry(ordinal))).toBe('conflict');
      }
    });

    it('gives entries in the order of their ordinals as numbers, however large', async () => {
      const { log } = open();
      const name = fresh('log');
      const ordinals = [1, 2, 9, 10, 11, 99, 100, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
      for (const ordinal of ordinals) {
        expect(await log.append(name, entry(ordinal, Buffer.of(1)))).toBe('committed');
        expect((await log.latest(name))?.ordinal).toBe(ordinal);
      }
      for (const [at, ordinal] of ordinals.entries()) {
        const later = (await log.after(name, ordinal)).map((one) => one.ordinal);
        expect(later).toEqual(ordinals.slice(at + 1));
      }
    });

    it('gives entries of more than one answer in several, none left out', async () => {
      const { log } = open();
      const name = fresh('log');
      // Three of them are more than the megabyte that DynamoDB reads at once.
      for (let ordinal = 1; ordinal <= 7; ordinal++) {
        await log.append(name, entry(ordinal, Buffer.alloc(MAX_INLINE_BYTES, ordinal)));
      }
      const answers: number[][] = [];
      for (let last = 0; last < 7; last = answers.at(-1)?.at(-1) ?? 7) {
        const answer = await log.after(name, last);
        expect(answer.every(({ ordinal, stored }) => stored.every((byte) => byte === ordinal))).toBe(true);
        answers.push(answer.map(({ ordinal }) => ordinal));
      }
      expect(answers.length).toBeGreaterThan(1);
      expect(answers.flat()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    });

    it('gives many small entries in one answer', async () => {
      const { log } = open();
      const name = fresh('log');
      const ordinals = Array.from({ length: 40 }, (_, at) => at + 1);
      for (const ordinal of ordinals) await log.append(name, entry(ordinal));
      expect((await log.after(name, 0)).map(({ ordinal }) => ordinal)).toEqual(ordinals);
    });

    it('keeps logs apart, whatever they are called', async () => {
      const { log } = open();
      const prefix = fresh('log');
      const names = ['', '/1', '/10', ...ODD_NAMES, '\u0000'].map((name) => `${prefix}${name}`);
      for (const name of names) expect(await log.append(name, entry(1, Buffer.from(name)))).toBe('committed');
      for (const name of names) {
        expect((await log.after(name, 0)).map(plainEntry)).toEqual([plainEntry(entry(1, Buffer.from(name)))]);
      }
    });

    it('gives what is left where the first entries have expired', async () => {
      const { log, expire } = open();
      const name = fresh('log');
      // Expiry has the precision of a second.
      for (const ordinal of [1, 2_000, 4_000]) await log.append(name, entry(ordinal));
      await expire(name, afterExpiryOf(2_000));
      expect((await log.after(name, 0)).map(({ ordinal }) => ordinal)).toEqual([4_000]);
      expect((await log.latest(name))?.ordinal).toBe(4_000);
    });

    it('says that a log is lost when it was written to and nothing is left of it', async () => {
      const { log, another, expire } = open();
      const name = fresh('log');
      await log.append(name, entry(1));
      await log.append(name, entry(2));
      await expire(name, afterExpiryOf(2));
      for (const reader of [log, another]) {
        await expect(reader.latest(name)).rejects.toThrow(LogLostError);
        expect(await reader.after(name, 0)).toEqual([]);
      }
    });

    it('gives the ordinal of an expired entry away again, so that whoever appends must have read', async () => {
      const { log, expire } = open();
      const name = fresh('log');
      await log.append(name, entry(1, Buffer.from('first')));
      await expire(name, afterExpiryOf(1));
      expect(await log.append(name, entry(1, Buffer.from('second')))).toBe('committed');
      expect(plainEntry((await log.latest(name)) as StoredEntry)).toEqual(
        plainEntry(entry(1, Buffer.from('second'))),
      );
    });
  });
}
