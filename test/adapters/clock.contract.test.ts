import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryClock } from '../../src/adapters/memory/clock.ts';
import { clockBy } from '../../src/adapters/system/clock.ts';
import type { EpochMillis, Millis } from '../../src/core/time.ts';
import { type Clock, inTime } from '../../src/ports/clock.ts';
import { NOON } from '../engine/scene.ts';

interface Harness {
  readonly clock: Clock;
  pass(length: number): void;
  /** How many alarms are set. */
  alarms(): number;
}

const A_DAY = 86_400_000;
const later = (length: number): EpochMillis => (NOON + length) as EpochMillis;
const nextTurn = () => new Promise<void>((settle) => setImmediate(settle));

const harnesses: readonly (readonly [name: string, open: () => Harness])[] = [
  [
    'in memory',
    () => {
      const clock = memoryClock(NOON);
      return { clock, pass: (length) => clock.pass(length as Millis), alarms: () => clock.alarms };
    },
  ],
  ...[0, A_DAY].map(
    (ahead) =>
      [
        `of this machine, ${ahead} ms ahead`,
        () => {
          vi.setSystemTime(NOON - ahead);
          return {
            clock: clockBy(() => (Date.now() + ahead) as EpochMillis),
            pass: vi.advanceTimersByTime,
            alarms: vi.getTimerCount,
          };
        },
      ] as const,
  ),
];

describe.each(harnesses)('the clock %s', (_, open) => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('says how late it is', () => {
    const { clock, pass } = open();
    expect(clock.now()).toBe(NOON);
    pass(1_500);
    expect(clock.now()).toBe(later(1_500));
  });

  it('rings once it is that late, and once', () => {
    const { clock, pass, alarms } = open();
    const ring = vi.fn();
    clock.alarm(later(1_000), ring);
    pass(999);
    expect(ring).not.toHaveBeenCalled();
    pass(1);
    pass(A_DAY);
    expect(ring).toHaveBeenCalledTimes(1);
    expect(alarms()).toBe(0);
  });

  it('does not ring where the alarm was given up, and keeps nothing of it', () => {
    const { clock, pass, alarms } = open();
    const ring = vi.fn();
    const giveUp = clock.alarm(later(1_000), ring);
    giveUp();
    expect(alarms()).toBe(0);
    pass(A_DAY);
    giveUp();
    expect(ring).not.toHaveBeenCalled();
  });

  it('rings for a time that is past, but not before it has said how to give the alarm up', async () => {
    const { clock, pass } = open();
    const ring = vi.fn();
    clock.alarm(later(-1_000), ring);
    expect(ring).not.toHaveBeenCalled();
    await nextTurn();
    pass(1);
    expect(ring).toHaveBeenCalledTimes(1);
  });

  it('does not ring early however far off it is, and never for a time that does not come', () => {
    const { clock, pass, alarms } = open();
    const [far, never] = [vi.fn(), vi.fn()];
    clock.alarm(later(60 * A_DAY), far);
    const giveUp = clock.alarm(later(Number.POSITIVE_INFINITY), never);
    pass(60 * A_DAY - 1);
    expect(far).not.toHaveBeenCalled();
    pass(1);
    expect(far).toHaveBeenCalledTimes(1);
    expect(never).not.toHaveBeenCalled();
    giveUp();
    expect(alarms()).toBe(0);
  });

  it('goes on in a later turn of the event loop', async () => {
    const { clock } = open();
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    await clock.turn();
    expect(turned).toBe(true);
  });
});

describe('work in time', () => {
  const never = new Promise<string>(() => {});

  it('is what it comes to, and leaves no alarm behind', async () => {
    const clock = memoryClock(NOON);
    expect(await inTime(clock, later(1_000), Promise.resolve('done'), () => 'late')).toBe('done');
    await expect(inTime(clock, later(1_000), Promise.reject(new Error('no')), () => 'late')).rejects.toThrow(
      'no',
    );
    expect(clock.alarms).toBe(0);
  });

  it('is what lateness comes to, where it has no answer by then', async () => {
    const clock = memoryClock(NOON);
    const answer = inTime(clock, later(1_000), never, () => 'late');
    const refusal = inTime(clock, later(1_000), never, () => {
      throw new Error('too late');
    });
    const refused = expect(refusal).rejects.toThrow('too late');
    clock.set(later(1_000));
    expect(await answer).toBe('late');
    await refused;
    expect(clock.alarms).toBe(0);
  });

  it('is dropped where it fails later', async () => {
    const clock = memoryClock(NOON);
    let fail = (_: Error): void => {};
    const work = new Promise<string>((_, refuse) => {
      fail = refuse;
    });
    const answer = inTime(clock, later(1_000), work, () => 'late');
    clock.set(later(1_000));
    fail(new Error('nobody waits for this'));
    expect(await answer).toBe('late');
    await nextTurn();
  });
});
