import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EpochMillis } from '../../src/core/time.ts';
import { openRunClock, type RunClock } from '../../src/local/clock.ts';
import { NOON } from '../engine/scene.ts';

const SECOND = 1_000;
const HOUR = 3_600_000;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(directory, { recursive: true });
});

interface Event {
  readonly event: 'lives' | 'frozen' | 'ended' | 'killed' | 'put back' | 'started';
  readonly length: number;
}

const events: fc.Arbitrary<readonly Event[]> = fc.array(
  fc.oneof(
    fc.record({ event: fc.constant('lives'), length: fc.integer({ min: 1, max: 5 * SECOND }) }),
    fc.record({ event: fc.constant('frozen'), length: fc.integer({ min: SECOND, max: HOUR }) }),
    fc.record({ event: fc.constantFrom('ended', 'killed'), length: fc.integer({ min: 1, max: HOUR }) }),
    fc.record({ event: fc.constant('put back'), length: fc.integer({ min: 1, max: HOUR }) }),
    fc.record({ event: fc.constant('started'), length: fc.constant(0) }),
  ),
  { maxLength: 60 },
);

/** A machine whose clock is moved by hand. */
function machineAt(start: number, folder = directory) {
  let real = start;
  return {
    open(): RunClock {
      const clock = openRunClock({ directory: folder, machine: () => real });
      clock.keep();
      return clock;
    },
    get real() {
      return real as EpochMillis;
    },
    /** The run does something every now and then. */
    lives(length: number, clock: RunClock): void {
      for (let left = length; left > 0; left -= 300) {
        real += Math.min(left, 300);
        clock.now();
      }
    },
    /** Nothing runs; the clock of the machine may be put back meanwhile. */
    moves(length: number): void {
      real += length;
    },
  };
}

describe('the clock of a local run', () => {
  it('goes with that of the machine once it is started', () => {
    const machine = machineAt(NOON);
    const clock = machine.open();
    machine.lives(HOUR, clock);
    expect(clock.now()).toBe(NOON);
    clock.start();
    machine.lives(5 * SECOND, clock);
    expect(clock.now()).toBe(NOON + 5 * SECOND);
    expect(clock.real()).toBe(NOON + HOUR + 5 * SECOND);
  });

  //  12:00 ──── 12:01 ┄┄┄ frozen ┄┄┄ 13:01 ──── 13:02     by the machine
  //  12:00 ──── 12:01                12:01 ──── 12:02     by the run
  it('stands still while the run is frozen, and says so of what came meanwhile', () => {
    const machine = machineAt(NOON);
    const clock = machine.open();
    clock.start();
    machine.lives(60 * SECOND, clock);
    machine.moves(HOUR);
    machine.lives(60 * SECOND, clock);
    expect(clock.now() - NOON - 120 * SECOND).toBeLessThanOrEqual(SECOND);
    expect(clock.at((NOON + 30 * SECOND) as EpochMillis)).toBe(NOON + 30 * SECOND);
    const frozen = clock.at((NOON + HOUR) as EpochMillis);
    expect(clock.at((NOON + HOUR / 2) as EpochMillis)).toBe(frozen);
    expect(frozen - NOON - 60 * SECOND).toBeLessThanOrEqual(SECOND);
  });

  it.each([
    ['ended', (clock: RunClock) => clock.close()],
    ['killed', () => {}],
  ])('goes on where it stood when the run was %s', (_, end) => {
    const machine = machineAt(NOON);
    const before = machine.open();
    before.start();
    machine.lives(60 * SECOND, before);
    end(before);
    machine.moves(HOUR);
    const after = machine.open();
    expect(after.now()).toBeGreaterThanOrEqual(NOON + 60 * SECOND);
    expect(after.now()).toBeLessThanOrEqual(NOON + 61 * SECOND);
    after.start();
    machine.lives(60 * SECOND, after);
    expect(after.now()).toBeLessThanOrEqual(NOON + 121 * SECOND);
  });

  it('writes nothing to a directory before it is told to', () => {
    const machine = machineAt(NOON);
    const clock = openRunClock({ directory, machine: () => machine.real });
    machine.moves(HOUR);
    vi.advanceTimersByTime(SECOND);
    clock.start();
    machine.lives(5 * SECOND, clock);
    clock.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('goes on from the last write to a directory that keeps no clock', async () => {
    await mkdir(join(directory, 'dynamodb'));
    writeFileSync(join(directory, 'dynamodb/000001.log'), '');
    for (const name of ['', 'dynamodb', 'dynamodb/000001.log'])
      utimesSync(join(directory, name), NOON / SECOND, NOON / SECOND);
    expect(
      machineAt(NOON + HOUR)
        .open()
        .now(),
    ).toBe(NOON);
  });

  it.each(['', '{}', '{"real":1,"run":1,"pauses":[[1,2]]}', '{"real":1,"run":null,"pauses":[]}'])(
    'says that it cannot go on by %j',
    (text) => {
      writeFileSync(join(directory, 'clock.json'), text);
      expect(machineAt(NOON).open).toThrow(
        `Cannot go on in "${directory}" as its clock.json must say when its run stood still`,
      );
    },
  );

  it('rings by the time of the run: no time is up while it was frozen', () => {
    const machine = machineAt(NOON);
    const clock = machine.open();
    clock.start();
    const ring = vi.fn();
    clock.alarm((NOON + 10 * SECOND) as EpochMillis, ring);
    machine.moves(HOUR);
    vi.advanceTimersByTime(10 * SECOND);
    expect(ring).not.toHaveBeenCalled();
    for (let beats = 0; beats < 50; beats++) {
      machine.moves(200);
      vi.advanceTimersByTime(200);
    }
    expect(ring).toHaveBeenCalledTimes(1);
  });

  /** Lets a run live through some events, its clock asked after each. */
  function play(happened: readonly Event[]) {
    const machine = machineAt(NOON, mkdtempSync(join(directory, 'run-')));
    let clock = machine.open();
    let lived = 0;
    let pauses = 0;
    let passes = false;
    let said = clock.now();
    const seen: { readonly real: EpochMillis; readonly run: EpochMillis }[] = [];
    for (const { event, length } of happened) {
      if (event === 'started') clock.start();
      else if (event === 'lives') machine.lives(length, clock);
      else {
        if (event === 'ended') clock.close();
        machine.moves(event === 'put back' ? -length : length);
        if (event === 'ended' || event === 'killed') clock = machine.open();
        pauses++;
      }
      if (event === 'lives' && passes) lived += length;
      passes = event === 'started' || (passes && event !== 'ended' && event !== 'killed');
      const now = clock.now();
      expect(now).toBeGreaterThanOrEqual(said);
      said = now;
      seen.push({ real: machine.real, run: now });
    }
    return { clock, lived, pauses, seen, passed: said - NOON };
  }

  it('never goes back, and passes as the run lives, but for a second a pause', () => {
    fc.assert(
      fc.property(events, (happened) => {
        const { lived, pauses, passed } = play(happened);
        expect(passed).toBeGreaterThanOrEqual(lived);
        expect(passed).toBeLessThanOrEqual(lived + pauses * SECOND);
      }),
    );
  });

  it('says of an instant what it said at that instant, unless the machine came by it twice', () => {
    fc.assert(
      fc.property(
        events.map((all) => all.filter(({ event }) => event !== 'put back')),
        (happened) => {
          const { clock, seen } = play(happened);
          for (const { real, run } of seen) expect(clock.at(real)).toBe(run);
        },
      ),
    );
  });

  it('puts what came in order, and nothing after now', () => {
    fc.assert(
      fc.property(events, fc.array(fc.integer({ min: -HOUR, max: 60 * HOUR })), (happened, offsets) => {
        const { clock } = play(happened);
        const instants = offsets.map((offset) => (NOON + offset) as EpochMillis).sort((a, b) => a - b);
        const times = instants.map(clock.at);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        for (const time of times) expect(time).toBeLessThanOrEqual(clock.now());
      }),
    );
  });
});
