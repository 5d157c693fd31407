import { Scanner } from '../../src/engine/intake/scan.ts';
import { FAULT_KINDS, type FaultKind } from '../../src/simulation/faults.ts';
import {
  HAPPENINGS,
  type Happened,
  runSchedule,
  type Schedule,
  type Settings,
} from '../../src/simulation/simulation.ts';

/**
 * How often records were decoded of definitions that read named fields alone: in their bytes, or by `JSON.parse` as they fit no
 * form. The engine tells nobody, so that what its scanner returns is counted.
 */
const DECODED = { scanned: 0, parsed: 0 };
const { decode } = Scanner.prototype;
Scanner.prototype.decode = function (...records) {
  const decoded = decode.apply(this, records);
  for (const one of decoded) DECODED[one === undefined ? 'parsed' : 'scanned']++;
  return decoded;
};

/** What some schedules came to. */
export interface Tally extends Happened {
  schedules: number;
  steps: number;
  faults: number;
  panes: number;
  corrections: number;
  scanned: number;
  parsed: number;
  /** On one core. */
  seconds: number;
  readonly byKind: Record<FaultKind, number>;
}

const zeros = <Name extends string>(names: readonly Name[]) =>
  Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;

export const emptyTally = (): Tally => ({
  ...zeros(['schedules', 'steps', 'faults', 'panes', 'corrections', 'scanned', 'parsed', 'seconds']),
  ...zeros(HAPPENINGS),
  byKind: zeros(FAULT_KINDS),
});

export function add(tally: Tally, other: Tally): void {
  const { byKind, ...figures } = other;
  for (const name of Object.keys(figures) as (keyof typeof figures)[]) tally[name] += figures[name];
  for (const kind of FAULT_KINDS) tally.byKind[kind] += byKind[kind];
}

/** Runs the schedules of some seeds until one breaks a rule, and says which. */
export async function runSeeds(
  settings: Settings,
  seeds: readonly number[],
  tally: Tally,
): Promise<number | undefined> {
  const broken = await runAll(
    settings,
    seeds.map((seed) => ({ seed })),
    tally,
  );
  return broken?.seed;
}

/** Runs schedules until one breaks a rule, and says which. */
export async function runAll<Of extends Schedule>(
  settings: Settings,
  schedules: Iterable<Of>,
  tally: Tally,
): Promise<Of | undefined> {
  const before = process.cpuUsage();
  let broken: Of | undefined;
  for (const schedule of schedules) {
    Object.assign(DECODED, { scanned: 0, parsed: 0 });
    const {
      applied,
      steps,
      happened,
      violation,
      panes = 0,
      corrections = 0,
    } = await runSchedule(settings, schedule);
    const byKind = zeros(FAULT_KINDS);
    for (const { kind } of applied) byKind[kind]++;
    const own = { schedules: 1, steps, faults: applied.length, panes, corrections, ...DECODED, seconds: 0 };
    add(tally, { ...own, ...happened, byKind });
    if (violation === undefined) continue;
    broken = schedule;
    break;
  }
  const { user, system } = process.cpuUsage(before);
  tally.seconds += (user + system) / 1e6;
  return broken;
}

export function told({ byKind, seconds, ...tally }: Tally): string {
  const list = (figures: object) =>
    Object.entries(figures)
      .map(([name, count]) => `${count.toLocaleString('en')} ${name}`)
      .join(', ');
  const speed = (tally.schedules / seconds).toFixed(1);
  return `${list(tally)}\nfaults: ${list(byKind)}\n${speed} schedules a second and core`;
}
