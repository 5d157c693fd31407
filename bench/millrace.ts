import { decodeTables, encodeTables } from '../src/core/codec.ts';
import { familiesOf, type KeyRecord, type KeyRules, KeyState, type StoredKey } from '../src/core/key.ts';
import { Panes } from '../src/core/panes.ts';
import { isAfter, type Position } from '../src/core/position.ts';
import { Inputs } from '../src/core/select.ts';
import type { Table } from '../src/core/table.ts';
import type { EpochMillis, Millis } from '../src/core/time.ts';
import type { WindowOperator, WindowRules } from '../src/core/window.ts';
import { freshKeys, freshPositions, type Stream } from './data.ts';

/** A record as the benchmarks' pipelines see it. */
export interface Reading {
  readonly value: number;
}

/** Rules of a pipeline of one window. */
export function rulesOf(
  windows: { readonly [name: string]: { operator(rules: WindowRules<never>): WindowOperator } },
  outOfOrderness = 0,
): KeyRules<Reading> {
  const inputs = new Inputs<Reading>();
  const named = Object.entries(windows).map(([name, recipe], window) => ({
    name,
    operator: recipe.operator({ allowedLateness: 0 as Millis, inputs: inputs as never, window }),
  }));
  return {
    time: {
      outOfOrderness: outOfOrderness as Millis,
      idleAfter: 60_000 as Millis,
      maxLateness: undefined,
    },
    inputs,
    windows: named,
    families: familiesOf(named),
  };
}

/** A record of a batch, after decoding. */
export interface Decoded {
  readonly position: Position;
  readonly key: string;
  readonly record: KeyRecord;
}

/** Records `[from, to)`, their strings and objects made anew. */
export function decodedOf(rules: KeyRules<Reading>, stream: Stream, from: number, to: number): Decoded[] {
  const keys = freshKeys(stream, from, to);
  const positions = freshPositions(from, to);
  return keys.map((key, at) => ({
    position: positions[at] as Position,
    key,
    record: recordOf(rules, stream, from + at),
  }));
}

export const recordOf = (rules: KeyRules<Reading>, stream: Stream, record: number): KeyRecord => ({
  at: stream.at[record] as EpochMillis,
  arrival: stream.arrival[record] as EpochMillis,
  values: rules.inputs.read({ value: stream.value[record] as number }),
});

interface Kept {
  readonly number: number;
  readonly state: KeyState;
}

/** The tables of keys' only window as an entry stores them, by slot; and the keys with such tables. */
export const slotsOf = (stored: readonly StoredKey[], slots: number): Table[][] =>
  Array.from({ length: slots }, (_, slot) => stored.map(({ windows: [tables] }) => tables?.[slot] as Table));

const withSlots = (stored: readonly StoredKey[], slots: readonly (readonly Table[])[]): StoredKey[] =>
  stored.map((key, at) => ({ ...key, windows: [slots.map((slot) => slot[at] as Table)] }));

/**
 * `warm`: states stay in memory from batch to batch. `cold`: they are thawed for each batch and frozen after it. `coded`:
 * and the tables decoded before that, and encoded after it.
 */
export type Keeping = 'warm' | 'cold' | 'coded';
export const keepingOf = (cold: number): Keeping => (['warm', 'cold', 'coded'] as const)[cold] as Keeping;

/** The states of keys, with the position check of their source. */
export class Keys {
  readonly panes: Panes;
  /** By their numbers. */
  readonly names: string[] = [];
  readonly #rules: KeyRules;
  readonly #keeping: Keeping;
  readonly #kept = new Map<string, Kept>();
  readonly #stored = new Map<string, { readonly number: number; readonly stored: StoredKey }>();
  #encoded: Uint8Array | undefined;
  #last: Position | undefined;

  constructor(rules: KeyRules<Reading>, keeping: Keeping = 'warm') {
    this.#rules = rules;
    this.#keeping = keeping;
    this.panes = new Panes(rules);
  }

  take(records: readonly Decoded[]): void {
    const { panes } = this;
    panes.clear();
    if (this.#keeping === 'coded') this.#decode();
    for (const { position, key, record } of records) {
      if (this.#last !== undefined && !isAfter(position, this.#last))
        throw new Error('Cannot take a record in twice');
      this.#last = position;
      const { number, state } = this.#kept.get(key) ?? this.#begin(key);
      panes.key = number;
      state.apply(record, panes);
    }
    panes.endPostponed();
    if (this.#keeping !== 'warm') this.#freeze();
    if (this.#keeping === 'coded') this.#encode();
  }

  #begin(key: string): Kept {
    const known = this.#stored.get(key);
    const number = known?.number ?? this.names.push(key) - 1;
    const kept = { number, state: new KeyState(this.#rules, known?.stored) };
    this.#kept.set(key, kept);
    return kept;
  }

  #freeze(): void {
    for (const [key, { number, state }] of this.#kept) {
      const stored = state.freeze();
      if (stored) this.#stored.set(key, { number, stored });
    }
    this.#kept.clear();
  }

  #encode(): void {
    const stored = Array.from(this.#stored.values(), (one) => one.stored);
    const slots = this.#rules.windows[0]?.operator.layout.length ?? 0;
    this.#encoded = encodeTables(slotsOf(stored, slots));
  }

  #decode(): void {
    if (this.#encoded === undefined) return;
    const stored = Array.from(this.#stored.values(), (one) => one.stored);
    const decoded = withSlots(stored, decodeTables(this.#encoded));
    for (const [at, [key, { number }]] of [...this.#stored].entries()) {
      this.#stored.set(key, { number, stored: decoded[at] as StoredKey });
    }
  }
}

/** The only result of each pane stands last in its row. */
export function keepResult(
  { tables: [table] }: { readonly tables: readonly Table[] },
  to: Float64Array,
): void {
  if (table === undefined) return;
  for (let row = 0; row < table.rows; row++) to[row] = table.numbers[(row + 1) * table.width - 1] as number;
}
