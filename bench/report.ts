/** Figures that are no times of a record: a table of its own. */
export interface Report {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What did not come out as recomputed, or came back otherwise than it was written. */
  readonly faults: readonly string[];
}

/** What a process that makes a report answers. */
export type ReportAnswer =
  | { readonly outcome: 'reported'; readonly report: Report }
  /** What this machine lacks, as a sentence. */
  | { readonly outcome: 'skipped'; readonly reason: string }
  | { readonly outcome: 'failed'; readonly reason: string };

/** Thrown by a report that this machine lacks something for: what, and why that is needed. */
export class Skipped extends Error {}

/** Makes a report when the parent process asks for it, and answers it. */
export function enterReport(make: (quick: boolean) => Report | Promise<Report>): void {
  process.once('message', ({ quick }: { readonly quick: boolean }) => {
    Promise.resolve()
      .then(() => make(quick))
      .then((report): ReportAnswer => ({ outcome: 'reported', report }))
      .catch(
        (error): ReportAnswer =>
          error instanceof Skipped
            ? { outcome: 'skipped', reason: error.message }
            : { outcome: 'failed', reason: String(error?.stack ?? error) },
      )
      .then((answer) => process.send?.(answer, undefined, undefined, () => process.exit(0)));
  });
}

/** The least processor time of some repetitions of a task, in nanoseconds; garbage of each is collected before the next. */
export function leastNanos(repetitions: number, task: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let times = 0; times < repetitions; times++) {
    globalThis.gc?.();
    const started = process.cpuUsage();
    task();
    const { user, system } = process.cpuUsage(started);
    least = Math.min(least, 1e3 * (user + system));
  }
  return least;
}

/** Three digits, as no more of them mean anything. */
export const shown = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);

export const mean = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0) / values.length;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
