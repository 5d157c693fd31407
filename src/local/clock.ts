import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clockBy } from '../adapters/system/clock.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Clock } from '../ports/clock.ts';

/**
 * The clock of a local run. It shows the time of the machine's clock, less all the time in which the run was
 * ended, killed or frozen: nothing could arrive then, so no key was silent.
 *
 * The clock also stands still until `start` is called, as the time that an input takes to be read says
 * nothing about silence.
 */
export interface RunClock extends Clock {
  /** Returns the time of the machine's clock. */
  real(): EpochMillis;
  /**
   * Returns what this clock showed when the machine's clock showed `real`; the answer is the same at every
   * call.
   */
  at(real: EpochMillis): EpochMillis;
  /** Writes the time to the directory from now on. By then the directory must belong to this run alone. */
  keep(): void;
  /**
   * How long this process has been at work, in milliseconds. Pauses do not count; the time before `start`
   * does.
   */
  worked(): number;
  /** Lets time pass from now on. */
  start(): void;
  /** Stops the clock, and writes its time for the last time. */
  close(): void;
}

/**
 * The run's clock stood at `run` while the machine's went from `from` to `until`; afterwards both pass alike.
 */
type Pause = readonly [from: number, until: number, run: number];

/**
 * What a data directory keeps of its clock: the time of both clocks at the last write, and the pauses before
 * it.
 */
interface Kept {
  readonly real: number;
  readonly run: number;
  readonly pauses: readonly Pause[];
}

const FILE = 'clock.json';

/**
 * How often the machine's clock is read, and the longest time between two readings that counts as work. The
 * excess over it is a pause.
 */
const BEAT_MILLIS = 200;
const LONGEST_BEAT_MILLIS = 500;

/**
 * How far the written time lies ahead of the run's clock, which must write again once it gets there. A killed
 * run goes on from the written time, so its time never goes back.
 */
const LEASE_MILLIS = 1_000;

/**
 * Opens the clock of a new run, or of the run that a directory keeps. The time since the last write to the
 * directory counts as a pause.
 *
 * The caller must open the clock before anything else writes to the directory, and close it before another
 * process may write there. The clock writes nothing there until `keep` is called.
 *
 * @param machine the clock of the machine, in epoch milliseconds
 * @throws Error when what the directory keeps of its clock cannot be read
 */
export function openRunClock({
  directory,
  machine = Date.now,
}: {
  readonly directory?: string | undefined;
  readonly machine?: () => number;
} = {}): RunClock {
  const kept = directory === undefined ? undefined : readKept(directory);
  const begun = (directory === undefined ? undefined : lastWriteTo(directory)) ?? machine();
  const pauses: Pause[] = [...(kept?.pauses ?? [])];
  let { real, run } = kept ?? { real: begun, run: begun };
  let writtenUpTo = run;
  let worked = 0;
  let passes = false;
  let isKept = false;

  /**
   * Writes the time. While the run's clock stands still, one write is enough unless the machine's clock was
   * put back: the next run finds one long pause.
   */
  const write = (): void => {
    const lease = passes ? LEASE_MILLIS : 0;
    if (directory !== undefined && isKept)
      writeKept(directory, { real: real + lease, run: run + lease, pauses });
    writtenUpTo = run + lease;
  };

  const addPause = (from: number, until: number): void => {
    // A machine's clock that was put back shows the same times again. What it shows from here on comes after
    // this pause, so later pauses are dropped.
    while (pauses.length > 0 && (pauses.at(-1) as Pause)[0] >= until) pauses.pop();
    const last = pauses.at(-1);
    const goesOn = last !== undefined && last[1] === from && last[2] === run;
    if (goesOn) pauses.pop();
    pauses.push([Math.min(goesOn ? last[0] : from, until), until, run]);
  };

  const look = (): void => {
    const before = real;
    real = machine();
    const atWork = Math.min(Math.max(real - before, 0), LONGEST_BEAT_MILLIS);
    const passed = passes ? atWork : 0;
    worked += atWork;
    run += passed;
    const hasPaused = before + passed !== real;
    if (hasPaused) addPause(before + passed, real);
    if (passes ? hasPaused || run > writtenUpTo : real < before) write();
  };

  const beat = setInterval(() => {
    try {
      look();
    } catch {
      // A write that fails here is tried again by the next caller who asks for the time, and fails there.
    }
  }, BEAT_MILLIS).unref();

  const clock = clockBy(() => {
    look();
    return run as EpochMillis;
  });
  return {
    ...clock,
    alarm(at, ring) {
      let giveUp = (): void => {};
      // The machine's timers go on while this clock stands still, so an alarm that rings early waits again.
      const wait = (): void => {
        giveUp = clock.alarm(at, () => (clock.now() < at ? wait() : ring()));
      };
      wait();
      return () => giveUp();
    },
    real: () => machine() as EpochMillis,
    at(instant) {
      look();
      const place = pauses.findLastIndex(([from]) => from <= instant);
      const [, until, stood] = pauses[place] ?? [0, 0, 0];
      const [, , next] = pauses[place + 1] ?? [0, 0, run];
      return Math.min(stood + Math.max(0, instant - until), next) as EpochMillis;
    },
    keep() {
      isKept = true;
      look();
      write();
    },
    worked() {
      look();
      return worked;
    },
    start() {
      look();
      if (passes) return;
      passes = true;
      write();
    },
    close() {
      clearInterval(beat);
      look();
      passes = false;
      write();
      isKept = false;
    },
  };
}

function readKept(directory: string): Kept | undefined {
  const file = join(directory, FILE);
  if (!existsSync(file)) return undefined;
  try {
    const { real, run, pauses } = JSON.parse(readFileSync(file, 'utf8')) as Kept;
    const isWhole =
      pauses.every(({ length }) => length === 3) && [real, run, ...pauses.flat()].every(Number.isFinite);
    if (isWhole) return { real, run, pauses };
  } catch {}
  throw new Error(
    `Cannot go on in "${directory}" as its ${FILE} must say when its run stood still: it cannot be read; without the file it goes on from when the directory was last written to`,
  );
}

/** Replaces the file in one step, so that a process that is killed meanwhile leaves the file of before. */
function writeKept(directory: string, kept: Kept): void {
  const file = join(directory, FILE);
  writeFileSync(`${file}.new`, JSON.stringify(kept));
  renameSync(`${file}.new`, file);
}

/** The time by the machine's clock at which a run last wrote to a directory; undefined where no run did. */
function lastWriteTo(directory: string): number | undefined {
  if (!existsSync(join(directory, 'dynamodb'))) return undefined;
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const times = files.map((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return Math.floor(Math.max(...times));
}
