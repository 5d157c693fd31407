import { type Duration, type EpochMillis, millis } from '../core/time.ts';
import type { Clock } from '../ports/clock.ts';
import type { OutgoingRecord, Parcel, Sender } from './sender.ts';

/** What a producer takes from outside, so that tests need neither time nor chance. */
export interface ProducerPorts {
  readonly clock: Pick<Clock, 'now' | 'alarm'>;
  /** Returns a number from 0 up to, but not including, 1. */
  readonly random: () => number;
}

export interface ProducerSettings {
  /** For how long a record may wait for others that are sent with it. Default `'100ms'`. */
  readonly linger?: Duration | undefined;
  /** How many bytes of records wait before `send` makes its caller wait. Default 16 MiB. */
  readonly maxBuffered?: number | undefined;
  /**
   * For how long a parcel is sent again, or a request waits for its answer, before the producer gives up. Default `'5m'`.
   */
  readonly patience?: Duration | undefined;
  /** Is told in a sentence, once, when nothing has been taken for 10 s, and again after something was. */
  readonly onSilence?: ((message: string) => void) | undefined;
  /** Is told why the producer has given up, for programs that send seldom: the next `send` says it, too. */
  readonly onFailure?: ((error: Error) => void) | undefined;
}

/** How far a producer is. */
export interface ProducerProgress {
  /** How many records were handed to `send`, and how many of them the service took. */
  readonly accepted: number;
  readonly taken: number;
  /** This many records, counted from the first that was accepted, were taken without a gap. */
  readonly settled: number;
  /** How many bytes of records wait for their turn or for an answer. */
  readonly buffered: number;
  /** How many parcels were sent, and how many of those for a second or later time. */
  readonly parcels: number;
  readonly retried: number;
  /** How many parcels had no answer when the producer gave up waiting: the service may have taken them. */
  readonly unanswered: number;
}

/** A record as it is handed to a producer: text is sent as UTF-8. */
export interface RecordToSend {
  readonly key: string;
  readonly data: Uint8Array | string;
  readonly id?: string | undefined;
}

/** Requests that are under way at once; each holds other lanes. */
const MAX_REQUESTS = 8;

/** After how long a target that takes nothing is spoken of, in milliseconds. */
const SILENCE_MILLIS = 10_000;

const MAX_BUFFERED = 16 * 1_048_576;

/** The bounds of full jitter: attempt n waits up to FIRST × 2^n, and never longer than LAST. */
const FIRST_DELAY_MILLIS = 100;
const LAST_DELAY_MILLIS = 10_000;

interface Waiting {
  readonly record: OutgoingRecord;
  readonly bytes: number;
  /** The number of the record, counted from 0. */
  readonly number: number;
  readonly accepted: EpochMillis;
}

interface Lane {
  readonly name: string | number;
  waiting: Waiting[];
  waitingBytes: number;
  /** What is under way, or must come again before anything newer of this lane. */
  parcel: { readonly parcel: Parcel; readonly records: readonly Waiting[] } | undefined;
  state: 'idle' | 'sending' | 'resting';
  attempts: number;
  failingSince: EpochMillis | undefined;
  cancelAlarm: (() => void) | undefined;
}

/**
 * Sends records at least once, and the records of each key in order.
 *
 * Records wait in lanes, and all records of a key are in one lane. A lane has one parcel under way. A parcel
 * that the service did not take is sent again before anything newer of its lane, after a delay of full jitter,
 * while other lanes go on. One request carries a parcel each of as many lanes as it has room for.
 *
 * A request whose answer is lost may have been taken, and its parcels are sent again. A pipeline whose source
 * has an `id` takes each record in once nevertheless.
 *
 * Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export class Producer {
  readonly #sender: Sender;
  readonly #ports: ProducerPorts;
  readonly #linger: number;
  readonly #patience: number;
  readonly #maxBuffered: number;
  readonly #onSilence: (message: string) => void;
  readonly #onFailure: (error: Error) => void;
  readonly #lanes = new Map<string | number, Lane>();
  /** The lanes that have something to send now, in the order in which they came to have it. */
  readonly #ready = new Set<Lane>();
  readonly #waiters = new Set<{ isDone: () => boolean; settle: () => void; fail: (error: Error) => void }>();
  #flushing = 0;
  #requests = 0;
  #closed = false;
  #failure: Error | undefined;
  #accepted = 0;
  #taken = 0;
  #buffered = 0;
  /**
   * The number of the oldest record that is not taken, once someone has asked. A FIFO queue has as many lanes as keys, too
   * many to look through for each record.
   */
  #oldest: number | undefined;
  #parcels = 0;
  #retried = 0;
  #unanswered = 0;
  /** Cancels the alarms of the requests that have no answer yet. */
  readonly #patient = new Set<() => void>();
  /** Cancels the alarm that is set while something is sent and nothing was taken since. */
  #silence: (() => void) | undefined;

  /** @throws RangeError when a setting is no duration, or `maxBuffered` is not a whole number above 0 */
  constructor(sender: Sender, settings: ProducerSettings, ports: ProducerPorts) {
    const { linger = '100ms', patience = '5m', maxBuffered = MAX_BUFFERED } = settings;
    if (!Number.isSafeInteger(maxBuffered) || maxBuffered < 1) {
      throw new RangeError(
        `Cannot buffer ${maxBuffered} bytes as maxBuffered must be a whole number of bytes above 0`,
      );
    }
    this.#sender = sender;
    this.#ports = ports;
    this.#linger = millis(linger);
    this.#patience = millis(patience);
    this.#maxBuffered = maxBuffered;
    this.#onSilence = settings.onSilence ?? (() => {});
    this.#onFailure = settings.onFailure ?? (() => {});
  }

  /**
   * Accepts a record at once, and settles when there is room for another one. The caller must wait for that,
   * or the buffer grows without bound.
   *
   * @throws RangeError when the service takes no such record, as it is too large; Error after `close`, or when the
   * producer has given up
   */
  send({ key, data, id }: RecordToSend): Promise<void> {
    try {
      this.#accept({ key, data: typeof data === 'string' ? Buffer.from(data) : data, id });
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#buffered <= this.#maxBuffered
      ? ROOM
      : this.#until(() => this.#buffered <= this.#maxBuffered);
  }

  #accept(record: OutgoingRecord): void {
    if (this.#failure !== undefined) throw this.#failure;
    const { target, maxRecordBytes } = this.#sender;
    if (this.#closed) throw new Error(`Cannot send to ${target} as the producer must be open: it was closed`);
    const bytes = this.#sender.bytesOf(record);
    if (bytes > maxRecordBytes) {
      throw new RangeError(
        `Cannot send a record to ${target} as it must have at most ${maxRecordBytes} bytes: it has ${bytes}`,
      );
    }
    const lack = this.#sender.lackOf?.(record);
    if (lack !== undefined) throw new RangeError(`Cannot send a record to ${target} as ${lack}`);
    const lane = this.#laneOf(this.#sender.laneOf(record.key));
    lane.waiting.push({ record, bytes, number: this.#accepted++, accepted: this.#ports.clock.now() });
    lane.waitingBytes += bytes;
    this.#buffered += bytes;
    this.#consider(lane);
    this.#pump();
  }

  /**
   * Sends what waits without lingering, and settles when everything that was accepted before is taken.
   *
   * @throws Error when the producer gives up
   */
  async flush(): Promise<void> {
    const upTo = this.#accepted;
    this.#flushing++;
    try {
      for (const lane of this.#lanes.values()) this.#consider(lane);
      this.#pump();
      await this.#until(() => this.#settled() >= upTo);
    } finally {
      this.#flushing--;
    }
  }

  /** Flushes, and accepts nothing more. It does nothing the second time. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
  }

  get progress(): ProducerProgress {
    return {
      accepted: this.#accepted,
      taken: this.#taken,
      settled: this.#settled(),
      buffered: this.#buffered,
      parcels: this.#parcels,
      retried: this.#retried,
      unanswered: this.#unanswered,
    };
  }

  #laneOf(name: string | number): Lane {
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = {
        name,
        waiting: [],
        waitingBytes: 0,
        parcel: undefined,
        state: 'idle',
        attempts: 0,
        failingSince: undefined,
        cancelAlarm: undefined,
      };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  #settled(): number {
    if (this.#oldest === undefined) {
      for (const { parcel, waiting } of this.#lanes.values()) {
        const { number } = (parcel?.records[0] ?? waiting[0]) as Waiting;
        if (this.#oldest === undefined || number < this.#oldest) this.#oldest = number;
      }
    }
    return this.#oldest ?? this.#accepted;
  }

  #until(isDone: () => boolean): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (isDone()) return ROOM;
    return new Promise((settle, fail) => this.#waiters.add({ isDone, settle, fail }));
  }

  /** Finds out whether an idle lane is due, and otherwise has the clock say when it is. */
  #consider(lane: Lane): void {
    const [oldest] = lane.waiting;
    if (this.#failure !== undefined) return;
    if (lane.state !== 'idle' || (lane.parcel === undefined && oldest === undefined)) return;
    const due = oldest === undefined ? 0 : oldest.accepted + this.#linger;
    const isDue =
      lane.parcel !== undefined ||
      this.#flushing > 0 ||
      lane.waitingBytes >= this.#sender.parcelBytes ||
      due <= this.#ports.clock.now();
    if (isDue) {
      lane.cancelAlarm?.();
      lane.cancelAlarm = undefined;
      this.#ready.add(lane);
    } else {
      lane.cancelAlarm ??= this.#ports.clock.alarm(due as EpochMillis, () => this.#wake(lane));
    }
  }

  #wake(lane: Lane): void {
    lane.cancelAlarm = undefined;
    if (this.#failure !== undefined) return;
    if (lane.state === 'resting') lane.state = 'idle';
    this.#consider(lane);
    this.#pump();
  }

  #pump(): void {
    while (this.#failure === undefined && this.#requests < MAX_REQUESTS && this.#ready.size > 0)
      void this.#deliver(this.#load());
  }

  /** Takes as many ready lanes as one request has room for, and has a parcel of each under way. */
  #load(): readonly Lane[] {
    const lanes: Lane[] = [];
    let bytes = 0;
    for (const lane of this.#ready) {
      lane.parcel ??= this.#pack(lane);
      const size = lane.parcel.parcel.bytes;
      const isFull = lanes.length === this.#sender.maxParcels || bytes + size > this.#sender.maxBytes;
      if (lanes.length > 0 && isFull) break;
      bytes += size;
      lane.state = 'sending';
      this.#ready.delete(lane);
      lanes.push(lane);
    }
    return lanes;
  }

  #pack(lane: Lane): NonNullable<Lane['parcel']> {
    const parcel = this.#sender.open(lane.name);
    let count = 0;
    for (const { record } of lane.waiting) {
      if (!parcel.add(record)) break;
      count++;
    }
    const records = lane.waiting.splice(0, count);
    lane.waitingBytes -= sumOfBytes(records);
    return { parcel, records };
  }

  async #deliver(lanes: readonly Lane[]): Promise<void> {
    this.#requests++;
    this.#parcels += lanes.length;
    const answered = this.#awaitAnswer();
    try {
      const outcomes = await this.#sender.send(
        lanes.flatMap(({ parcel }) => (parcel ? [parcel.parcel] : [])),
      );
      // Its lanes were given up with the producer.
      if (this.#failure !== undefined) return;
      for (const [at, lane] of lanes.entries()) {
        const outcome = outcomes[at] ?? { again: 'no answer' };
        if (outcome === 'taken') this.#take(lane);
        else this.#rest(lane, outcome.again);
      }
    } catch (cause) {
      this.#fail(
        new Error(
          `Cannot send to ${this.#sender.target} as it must take records: ${reasonOf(cause as Error)}; ${this.#missing()}`,
          { cause },
        ),
      );
    } finally {
      this.#requests--;
      answered();
    }
    for (const waiter of this.#waiters) {
      if (!waiter.isDone()) continue;
      this.#waiters.delete(waiter);
      waiter.settle();
    }
    this.#pump();
  }

  /** Has the producer give up when a request has no answer in time. @returns what is called with the answer */
  #awaitAnswer(): () => void {
    const { clock } = this.#ports;
    const now = clock.now();
    this.#silence ??= clock.alarm((now + SILENCE_MILLIS) as EpochMillis, () =>
      this.#onSilence(
        `${this.#sender.target} has taken no records for ${SILENCE_MILLIS / 1_000} s; they wait, and are given up after ${this.#patience / 1_000} s`,
      ),
    );
    const cancel = clock.alarm((now + this.#patience) as EpochMillis, () => {
      this.#unanswered = [...this.#lanes.values()].filter(({ state }) => state === 'sending').length;
      this.#giveUp('it has not answered');
    });
    this.#patient.add(cancel);
    return () => {
      cancel();
      this.#patient.delete(cancel);
    };
  }

  #listenAgain(): void {
    this.#silence?.();
    this.#silence = undefined;
  }

  #take(lane: Lane): void {
    this.#listenAgain();
    const records = lane.parcel?.records ?? [];
    if (records[0]?.number === this.#oldest) this.#oldest = undefined;
    this.#taken += records.length;
    this.#buffered -= sumOfBytes(records);
    lane.parcel = undefined;
    lane.state = 'idle';
    lane.attempts = 0;
    lane.failingSince = undefined;
    // There may be as many lanes as keys.
    if (lane.waiting.length === 0) this.#lanes.delete(lane.name);
    else this.#consider(lane);
  }

  #rest(lane: Lane, reason: string): void {
    // It gave up on another lane of this request, or of one before, and must leave no alarm behind.
    if (this.#failure !== undefined) return;
    const { clock, random } = this.#ports;
    const now = clock.now();
    lane.failingSince ??= now;
    this.#retried++;
    if (now - lane.failingSince >= this.#patience) {
      this.#giveUp(`the last answer was ${reason}`);
      return;
    }
    const longest = Math.min(LAST_DELAY_MILLIS, FIRST_DELAY_MILLIS * 2 ** lane.attempts++);
    lane.state = 'resting';
    lane.cancelAlarm = clock.alarm((now + Math.ceil(random() * longest)) as EpochMillis, () =>
      this.#wake(lane),
    );
  }

  #giveUp(why: string): void {
    this.#fail(
      new Error(
        `Cannot send to ${this.#sender.target} as it must take records within ${this.#patience / 1_000} s: ${why}; ${this.#missing()}`,
      ),
    );
  }

  #missing(): string {
    return `records not known to be taken: ${this.#accepted - this.#taken}`;
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#listenAgain();
    for (const cancel of this.#patient) cancel();
    this.#ready.clear();
    for (const lane of this.#lanes.values()) lane.cancelAlarm?.();
    for (const waiter of this.#waiters) waiter.fail(error);
    this.#waiters.clear();
    this.#onFailure(error);
  }
}

/** Says why a request failed, in the words of the service unless these may quote what was sent. */
const reasonOf = ({ name, message }: Error): string =>
  message === '' || /Validation|InvalidArgument|Serialization/.test(name) ? name : message.replace(/\.$/, '');

const ROOM = Promise.resolve();

const sumOfBytes = (records: readonly Waiting[]): number =>
  records.reduce((total, { bytes }) => total + bytes, 0);
