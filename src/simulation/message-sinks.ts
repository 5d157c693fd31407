import type { EpochMillis } from '../core/time.ts';
import { writtenPane } from '../engine/delivery/written-pane.ts';
import { decodePanes } from '../engine/format/entry.ts';
import { decodeSinkCursor, NOTHING_SPENT, type Spent } from '../engine/format/sink-cursor.ts';
import { notify, push, sink, stream } from '../pipeline/message-sinks.ts';
import type { Pane, Pipeline } from '../pipeline/pipeline.ts';
import { type Sink, sinkName } from '../pipeline/sinks.ts';
import type { LogEntry } from '../ports/commit-log.ts';
import type { Message, Outlet } from '../ports/outlet.ts';
import { definitionLog, groupLogPrefix, messagesLog } from '../wiring/names.ts';
import type { Gate } from './gate.ts';
import type { Random } from './random.ts';
import type { Invocation } from './stage.ts';
import type { Case } from './truth.ts';
import { must } from './violation.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;

/**
 * Adds sinks that send messages to the versions of a pipeline, in half of all cases: each from some version on,
 * and up to another.
 */
export function withMessageSinks(drawn: Case, random: Random): Case {
  if (random.chance(0.5)) return drawn;
  const { versions } = drawn;
  const added = drawSinks(random).map((sink) => {
    const from = random.chance(0.5) ? 0 : random.whole(0, versions.length - 1);
    const to = random.chance(0.5) ? versions.length - 1 : random.whole(from, versions.length - 1);
    return { sink, from, to };
  });
  const withSinks = (pipeline: Pipeline, at: number): Pipeline => {
    const sinks = added.filter(({ from, to }) => from <= at && at <= to).map(({ sink }) => sink);
    return { ...pipeline, sinks: [...pipeline.sinks, ...sinks] };
  };
  return { ...drawn, versions: versions.map(withSinks) as unknown as Case['versions'] };
}

function drawSinks(random: Random): readonly Sink[] {
  const selecting = () => ({
    ...(random.chance(0.3) ? { windows: ['tumbling'] } : {}),
    ...(random.chance(0.3) ? { when: (pane: unknown) => (pane as Pane).count % 3 !== 0 } : {}),
  });
  const from = () => random.pick(['now', 'now', 'beginning'] as const);
  const maxAge = random.pick(['20s', '2m', '1h'] as const);
  const bounds = random.pick([{}, { maxAge }, { maxAge, limit: 1 }, { maxAge, limit: random.whole(2, 20) }]);
  const all: readonly Sink[] = [
    notify({ to: 'sns', ...selecting(), ...bounds }),
    stream({ to: 'kinesis', ...selecting(), from: from() }),
    sink({ name: 'own', ...selecting(), from: from(), deliver: () => {} }),
    push(selecting()),
  ];
  return all.filter(() => random.chance(0.5));
}

/** A pane that was committed. */
interface Committed {
  readonly pane: Pane;
  /** The number of panes before it. */
  readonly number: number;
  readonly committedAt: EpochMillis;
}

/** What a sink has been sent, and how far it says that it has come. */
interface SinkState {
  readonly sink: Sink;
  /** How many panes there were when whoever noted its beginning began. */
  begunAfter: number;
  covered: Map<string, readonly [ordinal: number, panes: number]>;
  spent: Spent;
  isBegun: boolean;
  readonly accepted: Set<string>;
  readonly dropped: Set<string>;
  /** The last pane of each key that was accepted, by its number. */
  readonly last: Map<string, number>;
}

/** Who sends: an invocation, and the time by the clock of its environment. */
export interface SentBy {
  readonly invocation: Invocation;
  readonly now: EpochMillis;
}

/** The outlets of a schedule, and the rules that what they are sent must follow. */
export class MessageSinks {
  readonly #name: string;
  readonly #random: Random;
  readonly #held: (check: () => void) => void;
  readonly #states: ReadonlyMap<string, SinkState>;
  readonly #panes = new Map<string, Committed>();
  /** The panes of each entry of each group's log. */
  readonly #logs = new Map<string, (readonly Committed[])[]>();
  readonly #begun = new WeakMap<Invocation, number>();
  /** How many messages of a sink with a limit an invocation may send, and in which minute. */
  readonly #grants = new Map<string, WeakMap<Invocation, Spent>>();
  readonly #drops = new WeakMap<Invocation, number>();
  readonly #refused = new WeakSet<Invocation>();
  readonly #abandoned = new Set<string>();
  readonly counts = { messages: 0, 'repeated messages': 0, 'refused messages': 0, 'too old': 0, pushed: 0 };

  /** @param held runs a check that ends the schedule where it throws */
  constructor({ versions }: Case, random: Random, held: (check: () => void) => void) {
    this.#name = versions[0].name;
    this.#random = random;
    this.#held = held;
    const sinks = versions.flatMap((version) => version.sinks.filter((sink) => 'name' in sink));
    this.#states = new Map(sinks.map((sink) => [sinkName(sink), stateOf(sink)]));
  }

  /** Notes that an invocation begins. */
  begins(invocation: Invocation): void {
    this.#begun.set(invocation, this.#panes.size);
  }

  /** Whether an outlet refused what an invocation sent. */
  refused(invocation: Invocation): boolean {
    return this.#refused.has(invocation);
  }

  /**
   * Gives up the sinks that no version has which serves while days pass: their logs expire, and another name is what
   * an author would give them.
   */
  abandonOthers(serving: readonly Pipeline[]): void {
    const served = new Set(serving.flatMap(({ sinks }) => sinks.map(sinkName)));
    for (const [name, { isBegun }] of this.#states)
      if (isBegun && !served.has(name)) this.#abandoned.add(name);
  }

  /** Returns a pipeline with the sinks that are not given up, whose functions go through a gate. */
  served(pipeline: Pipeline, gate: Gate, sender: () => SentBy): Pipeline {
    const sinks = pipeline.sinks
      .filter((sink) => !this.#abandoned.has(sinkName(sink)))
      .map((one): Sink => {
        if (!('deliver' in one)) return one;
        const deliver = (panes: readonly unknown[], { ids }: { readonly ids: readonly string[] }) => {
          const from = sender();
          const sent = (panes as readonly Pane[]).map(({ key }, at) => ({ id: ids[at] as string, key }));
          return gate('outlets.deliver', one.name, async () => {
            const back = this.#take(one.name, sent, from);
            if (back.length > 0) throw new Error('The sink fails');
          });
        };
        return { ...one, deliver };
      });
    return { ...pipeline, sinks };
  }

  outlets(gate: Gate, sender: () => SentBy): ReadonlyMap<string, Outlet> {
    const outletOf = (name: string): Outlet => ({
      maxBytes: 100_000,
      send: (messages, deadline) => {
        const from = sender();
        this.#held(() => {
          must(from.now < deadline, 'Nothing is sent at or after its deadline', () => [from.now, deadline]);
          this.#checkLimit(name, messages.length, from);
          for (const message of messages) this.#checkBody(message);
        });
        return gate('outlets.send', name, async () => {
          const back = new Set(this.#take(name, messages, from));
          return messages.filter((message) => back.has(message));
        });
      },
    });
    return new Map([...this.#states.keys()].map((name) => [name, outletOf(name)]));
  }

  /** Whether outlets refuse some of what they are sent. */
  faulty = true;

  /** Takes in messages, some of which are refused, and returns those. */
  #take<Of extends Pick<Message, 'id' | 'key'>>(
    name: string,
    messages: readonly Of[],
    from: SentBy,
  ): readonly Of[] {
    const stopped = new Set<string>();
    const isBusy = this.faulty && this.#random.chance(0.3);
    const back = messages.filter(({ key }) => {
      if (isBusy && this.#random.chance(0.2)) stopped.add(key);
      return stopped.has(key);
    });
    const refused = new Set(back);
    if (back.length > 0) this.#refused.add(from.invocation);
    this.counts['refused messages'] += back.length;
    this.#held(() => {
      for (const message of messages) if (!refused.has(message)) this.#accept(this.#stateOf(name), message);
    });
    return back;
  }

  #stateOf(name: string): SinkState {
    const state = this.#states.get(name);
    must(state !== undefined, 'Only the sinks of a pipeline send messages', () => name);
    return state;
  }

  #checkBody({ id, body }: Message): void {
    const known = this.#panes.get(id);
    must(body === JSON.stringify(known?.pane), 'A message is of a pane that was committed', () => id);
  }

  #accept(state: SinkState, { id, key }: Pick<Message, 'id' | 'key'>): void {
    const known = this.#panes.get(id);
    must(
      known !== undefined && known.pane.key === key,
      'A message is of a pane that was committed',
      () => id,
    );
    must(isSelected(state.sink, known.pane), 'A sink sends what it takes alone', () => id);
    if (!('from' in state.sink)) {
      this.counts.pushed++;
      return;
    }
    this.counts.messages++;
    if (state.accepted.has(id)) {
      this.counts['repeated messages']++;
      return;
    }
    must(known.number >= state.begunAfter, 'A sink sends nothing from before it was added', () => [
      id,
      known.number,
      state.begunAfter,
    ]);
    const last = state.last.get(key) ?? -1;
    // One projector may send what another finds too old at that moment, as their clocks differ.
    must(
      known.number > last || state.dropped.has(id),
      'The panes of a key are sent in their order',
      () => id,
    );
    state.accepted.add(id);
    state.last.set(key, Math.max(last, known.number));
  }

  #checkLimit(name: string, messages: number, { invocation, now }: SentBy): void {
    const { sink } = this.#stateOf(name);
    if (!('limit' in sink) || sink.limit === undefined) return;
    const granted = this.#grants.get(name)?.get(invocation);
    must(granted !== undefined && messages <= granted.messages, 'What is sent was set aside before', () => [
      messages,
      granted,
    ]);
    must(now < (granted.minute + 1) * MINUTE, 'What is set aside for a minute is sent in it', () => granted);
    this.#grants.get(name)?.delete(invocation);
  }

  /** Checks an entry that was appended. */
  appended(log: string, entry: LogEntry, { invocation, now }: SentBy, version: Pipeline | undefined): void {
    if (log.startsWith(groupLogPrefix(this.#name))) this.#committed(log, entry);
    if (log === definitionLog(this.#name) && entry.ordinal === 1) {
      for (const sink of version?.sinks ?? []) {
        if (!('from' in sink)) continue;
        must(
          this.#stateOf(sink.name).isBegun,
          'A sink that is there from the start begins with its pipeline',
        );
      }
    }
    for (const [name, state] of this.#states) {
      if (log === messagesLog(this.#name, name)) this.#noted(name, state, entry, { invocation, now });
    }
  }

  #committed(log: string, entry: LogEntry): void {
    const panes = decodePanes(entry).map((pane): Committed => {
      const written = writtenPane({ name: this.#name } as Pipeline, pane);
      const committed = { pane: written, number: this.#panes.size, committedAt: entry.committedAt };
      this.#panes.set(written.id, committed);
      return committed;
    });
    const entries = this.#logs.get(log) ?? [];
    entries.push(panes);
    this.#logs.set(log, entries);
  }

  #noted(name: string, state: SinkState, entry: LogEntry, { invocation, now }: SentBy): void {
    const { covered, spent } = decodeSinkCursor(entry);
    if (!state.isBegun) {
      state.isBegun = true;
      state.begunAfter = isFromNow(state.sink) ? (this.#begun.get(invocation) ?? 0) : 0;
      for (const [log, [ordinal]] of isFromNow(state.sink) ? [] : covered) {
        const lost = (this.#logs.get(log) ?? []).slice(0, ordinal).flat();
        must(
          lost.every(({ committedAt }) => committedAt < now - 6 * DAY),
          'A sink that begins at the beginning sends all that logs keep',
        );
      }
      state.covered = new Map(covered);
      return;
    }
    for (const [log, to] of covered) this.#covers(state, log, to, { invocation, now });
    const { limit = Number.POSITIVE_INFINITY } = state.sink as { readonly limit?: number };
    must(spent.messages <= limit, 'No more is sent in a minute than the limit of the sink', () => spent);
    must(spent.minute >= state.spent.minute, 'The minutes of a limit never go back', () => spent);
    const before = spent.minute === state.spent.minute ? state.spent.messages : 0;
    const grants = this.#grants.get(name) ?? new WeakMap<Invocation, Spent>();
    grants.set(invocation, { minute: spent.minute, messages: spent.messages - before });
    this.#grants.set(name, grants);
    state.spent = spent;
  }

  /** Checks that all panes up to a cursor were accepted, or not to be sent. */
  #covers(
    state: SinkState,
    log: string,
    to: readonly [ordinal: number, panes: number],
    { invocation, now }: SentBy,
  ): void {
    const [fromOrdinal, fromPanes] = state.covered.get(log) ?? [0, 0];
    const [ordinal, panes] = to;
    must(
      ordinal > fromOrdinal || (ordinal === fromOrdinal && panes >= fromPanes),
      'The cursor of a sink never goes back',
      () => ({ log, from: [fromOrdinal, fromPanes], to }),
    );
    const entries = this.#logs.get(log) ?? [];
    const passed = entries
      .slice(fromOrdinal, ordinal + 1)
      .flatMap((all, at) =>
        all.slice(at === 0 ? fromPanes : 0, fromOrdinal + at === ordinal ? panes : all.length),
      );
    const maxAge = ('maxAge' in state.sink ? state.sink.maxAge : undefined) ?? Number.POSITIVE_INFINITY;
    for (const { pane, committedAt } of passed) {
      if (!isSelected(state.sink, pane) || state.accepted.has(pane.id)) continue;
      must(now - committedAt > maxAge, 'A sink drops nothing but what is too old', () => pane.id);
      state.dropped.add(pane.id);
      this.counts['too old']++;
      this.#drops.set(invocation, (this.#drops.get(invocation) ?? 0) + 1);
    }
    must(
      (this.#drops.get(invocation) ?? 0) <= invocation.telemetry.counted.tooOld,
      'Whatever a sink drops is counted',
    );
    state.covered.set(log, to);
  }

  /** Checks that the sinks of a version have come to the end of every log. */
  finish({ sinks }: Pipeline): void {
    for (const sink of sinks) {
      const state = this.#states.get(sinkName(sink));
      if (state === undefined || !('from' in sink) || this.#abandoned.has(sinkName(sink))) continue;
      for (const [log, { length }] of this.#logs) {
        const [ordinal, panes] = state.covered.get(log) ?? [0, 0];
        must(ordinal === length && panes === 0, 'Every sink comes to the end of every log', () => ({
          sink: sinkName(sink),
          log,
          to: [ordinal, panes],
          length,
        }));
      }
    }
  }
}

const stateOf = (sink: Sink): SinkState => ({
  sink,
  begunAfter: 0,
  covered: new Map(),
  spent: NOTHING_SPENT,
  isBegun: false,
  accepted: new Set(),
  dropped: new Set(),
  last: new Map(),
});

const isFromNow = (sink: Sink): boolean => 'from' in sink && sink.from === 'now';

const isSelected = (sink: Sink, pane: Pane): boolean =>
  (!('windows' in sink) || sink.windows === undefined || sink.windows.includes(pane.window)) &&
  (!('when' in sink) || sink.when === undefined || sink.when(pane));
