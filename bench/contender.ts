import { type Stream, type StreamSettings, streamOf } from './data.ts';

/** One way of computing a case, as it runs in a process of its own. */
export interface Contender<Batch> {
  /** Untimed: records `[from, to)` in the form that it takes them, strings and objects made anew. */
  prepare(from: number, to: number): Batch | Promise<Batch>;
  /** Timed. */
  run(batch: Batch): void | Promise<void>;
  /** Untimed: copies what came of a batch to where `check` finds it. Allocates nothing that is collected in `run`. */
  keep?(from: number, to: number): void | Promise<void>;
  /** Compares what came of the records up to `records` with a recomputation. */
  check(records: number): Check;
  /** What else is to be said of it. */
  readonly note?: string | (() => string);
}

/**
 * One number a record. A batch's go into `batch`, which is used again, as memory that no one has touched before would be
 * charged to what writes to it first; all of them are in `all`.
 */
export class Results {
  readonly all: Float64Array;
  batch: Float64Array = new Float64Array(0);

  constructor(stream: Stream) {
    this.all = new Float64Array(stream.value.length);
  }

  /** As many as there are records in a batch. */
  of(records: number): Float64Array {
    if (this.batch.length < records) this.batch = new Float64Array(records).fill(Number.NaN);
    return this.batch;
  }

  keep(from: number, to: number): void {
    this.all.set(this.batch.subarray(0, to - from), from);
  }
}

/** How an output compared with its recomputation. */
export interface Check {
  readonly passed: boolean;
  readonly compared: number;
  /** The largest relative error among numbers. */
  readonly worst: number;
  /** What differed first. */
  readonly differs?: string;
}

/** How many records it is run on. */
export interface Pace {
  /** Untimed, at first: until its windows are full and its code is compiled. */
  readonly warm: number;
  /** In one repetition, and how often. */
  readonly timed: number;
  readonly repetitions: number;
  /** In one call. */
  readonly batch: number;
}

export interface Job {
  readonly stream: Omit<StreamSettings, 'records'>;
  readonly parameters: { readonly [name: string]: number };
  readonly pace: Pace;
}

/** What a process answers. */
export type Answer =
  | {
      readonly outcome: 'measured';
      /** Nanoseconds of the processor's time per record, of each repetition. */
      readonly nanos: readonly number[];
      readonly check: Check;
      readonly note: string | undefined;
    }
  | { readonly outcome: 'failed'; readonly reason: string };

type Parameters = { readonly [name: string]: number };

/**
 * Runs a contender on the job that the parent process sent, and answers it.
 *
 * A repetition's batches are all made before the first runs, and everything left from making them is collected. What the
 * contender allocates is its own: the last of it is collected inside the timed part.
 */
export function enter<Batch>(
  make: (stream: Stream, parameters: Parameters) => Contender<Batch> | Promise<Contender<Batch>>,
): void {
  process.once('message', (job: Job) => {
    measure(make, job)
      .catch((error): Answer => ({ outcome: 'failed', reason: String(error?.message ?? error) }))
      .then((answer) => process.send?.(answer, undefined, undefined, () => process.exit(0)));
  });
}

async function measure<Batch>(
  make: (stream: Stream, parameters: Parameters) => Contender<Batch> | Promise<Contender<Batch>>,
  { stream: settings, parameters, pace }: Job,
): Promise<Answer> {
  const records = pace.warm + pace.timed * pace.repetitions;
  const stream = streamOf({ ...settings, records });
  const contender = await make(stream, parameters);
  let next = 0;

  async function repetition(length: number): Promise<number> {
    const batches: (readonly [from: number, to: number, batch: Batch])[] = [];
    const end = next + length;
    while (next < end) {
      const to = Math.min(end, next + pace.batch);
      batches.push([next, to, await contender.prepare(next, to)]);
      next = to;
    }
    collect();
    collect();
    let nanos = 0;
    for (const [from, to, batch] of batches) {
      const started = process.cpuUsage();
      const running = contender.run(batch);
      if (running !== undefined) await running;
      nanos += nanosSince(started);
      await contender.keep?.(from, to);
    }
    const started = process.cpuUsage();
    collect({ type: 'minor' });
    nanos += nanosSince(started);
    return nanos / length;
  }

  // Made and run in the pieces that are timed, as memory would not hold all of the warm-up's records at once.
  for (let left = pace.warm; left > 0; left -= pace.timed) await repetition(Math.min(left, pace.timed));
  const nanos: number[] = [];
  for (let times = 0; times < pace.repetitions; times++) nanos.push(await repetition(pace.timed));
  const check = contender.check(records);
  const note = typeof contender.note === 'function' ? contender.note() : contender.note;
  return { outcome: 'measured', nanos, check, note };
}

/** Of the processor's time, in all threads: what others do on the machine meanwhile does not count. */
function nanosSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started);
  return 1e3 * (user + system);
}

function collect(options?: { readonly type: 'minor' }): void {
  if (globalThis.gc === undefined) throw new Error('Cannot measure without node --expose-gc');
  globalThis.gc(options as never);
}
