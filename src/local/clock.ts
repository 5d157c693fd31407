import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clockBy } from '../adapters/system/clock.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Clock } from '../ports/clock.ts';

/**
 * The clock of a local run: that of the machine, less all the time in which the run was ended, killed or frozen. Nothing could
 * arrive then, so no key was silent.
 *
 * It stands still until it is started, too: how long an input takes to be read says nothing of silence.
 */
export interface RunClock extends Clock {
  /** What the clock of the machine says. */
  real(): EpochMillis;
  /** What this clock said when that of the machine said `real`: the same whenever it is asked. */
  at(real: EpochMillis): EpochMillis;
  /** Keeps how late it is in the directory, from now on, as that is this run's alone. */
  keep(): void;
  /** How long this process has been at work, in milliseconds: less all pauses, whether or not the clock was started. */
  worked(): number;
  /** Lets time pass from now on. */
  start(): void;
  /** Ends it, having kept how late it is. */
  close(): void;
}

/** From `from` until `until` by the clock of the machine that of the run stood at `run`; afterwards both pass alike. */
type Pause = readonly [from: number, until: number, run: number];

/** What a data directory keeps of its clock: how late it was by both clocks when that was written, and the pauses before. */
interface Kept {
  readonly real: number;
  readonly run: number;
  readonly pauses: readonly Pause[];
}

const FILE = 'clock.json';

/** How often the clock of the machine is looked at, and the most that passes between two looks: what is more is a pause. */
const BEAT_MILLIS = 200;
const LONGEST_BEAT_MILLIS = 500;

/** So much time may pass before it is written down again. A run that was killed goes on at the end of it, never before. */
const LEASE_MILLIS = 1_000;

/**
 * The clock of a new run, or of the one that a directory keeps: what has passed since it was last written there is a pause.
 *
 * To be opened before anything else writes to the directory, and closed before another process may. Until it is told to keep how late
 * it is, it writes nothing there.
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

  /** Where time stands still it is written once, unless it was put back: whoever opens the directory finds one long pause. */
  const write = (): void => {
    const lease = passes ? LEASE_MILLIS : 0;
    if (directory !== undefined && isKept)
      writeKept(directory, { real: real + lease, run: run + lease, pauses });
    writtenUpTo = run + lease;
  };

  const addPause = (from: number, until: number): void => {
    // A clock that was put back says the same times again: those that come are after this pause.
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
      // What cannot be written is said to whoever asks for the time.
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
      // Timers go on while this clock stands still.
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

/** In one step, so that whoever is killed meanwhile leaves what was there before. */
function writeKept(directory: string, kept: Kept): void {
  const file = join(directory, FILE);
  writeFileSync(`${file}.new`, JSON.stringify(kept));
  renameSync(`${file}.new`, file);
}

/** When a run wrote to a directory last, by the clock of the machine; undefined where none did. */
function lastWriteTo(directory: string): number | undefined {
  if (!existsSync(join(directory, 'dynamodb'))) return undefined;
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const times = files.map((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return Math.floor(Math.max(...times));
}
