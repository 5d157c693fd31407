import { invariant } from '../../core/plain.ts';
import { Table } from '../../core/table.ts';

/** The entries of a map as columns. The number of an entry says how many entries came before it. */
interface Columns<Key, Value> {
  readonly numbers: Map<Key, number>;
  readonly keys: Key[];
  /** Undefined for a value that is packed, and that nobody has asked for since. */
  readonly values: (Value | undefined)[];
  /** Undefined until values are packed for the first time. */
  packed: Packed<Value> | undefined;
  /** From then on, the numbers of values that were unpacked or set since; some of them twice. */
  touched: number[];
  notes: Notes | undefined;
}

/** Keeps values, by the numbers of their keys, in less memory than they take up as objects. */
export interface Packed<Value> {
  /** How many values are packed. */
  readonly count: number;
  /** How many bytes these take up together, as far as they are numbers. */
  readonly bytes: number;
  /** Whether some of them hold more than numbers. */
  readonly hasMore: boolean;
  has(number: number): boolean;
  /** Packs a value in place of the one that the number has; it returns false where it cannot. */
  pack(number: number, value: Value): boolean;
  /** Returns a value that is equal to the one that was packed, and that nobody else has. */
  unpack(number: number): Value;
  drop(number: number): void;
}

/** Numbers that are noted beside the values, a row for each. */
interface Notes {
  /** By whom: nobody else can read them. */
  readonly by: object;
  readonly rows: Table;
}

/** How a version differs from a neighbour. */
interface Difference<Key, Value extends object> {
  readonly neighbour: PersistentMap<Key, Value>;
  /** The numbers of keys of both versions, and the values that they have here. */
  readonly changed: readonly number[];
  readonly values: Value[];
  /** The keys that only this version has, in order, and their values. */
  readonly added: readonly Key[];
  readonly addedValues: readonly Value[];
}

/** What became of a map: the numbers of keys that have other values, ascending, and the keys that are new. */
export interface Changes<Key> {
  readonly changed: readonly number[];
  readonly added: readonly Key[];
}

/**
 * A map of which each version stays as it is, while to make the next version of the latest takes only as long
 * as there are changes. Keys have the order in which they came.
 *
 * One version has all entries in columns, and every other version knows how it differs from a neighbour that
 * is nearer to that one. A version that is changed takes the columns over: Baker, "Shallow binding makes
 * functional arrays fast", ACM SIGPLAN Notices 26 (8), 1991. So the last two versions are read about as fast
 * as a `Map`, an older version the slower the more versions followed it, and nothing keeps an older version
 * in memory but who refers to it.
 */
export class PersistentMap<Key, Value extends object> implements ReadonlyMap<Key, Value> {
  readonly size: number;
  readonly #packing: (() => Packed<Value>) | undefined;
  #content: Columns<Key, Value> | Difference<Key, Value>;

  private constructor(
    size: number,
    packing: (() => Packed<Value>) | undefined,
    content: Columns<Key, Value> | Difference<Key, Value>,
  ) {
    this.size = size;
    this.#packing = packing;
    this.#content = content;
  }

  /** @param packing makes what `pack` puts values into */
  static of<Key, Value extends object>(
    entries: Iterable<readonly [Key, Value]> = [],
    packing?: () => Packed<Value>,
  ): PersistentMap<Key, Value> {
    const latest = new Map(entries);
    return PersistentMap.#ofColumns([...latest.keys()], [...latest.values()], packing);
  }

  static #ofColumns<Key, Value extends object>(
    keys: readonly Key[],
    values: readonly Value[],
    packing: (() => Packed<Value>) | undefined,
  ): PersistentMap<Key, Value> {
    const numbers = new Map(keys.map((key, number) => [key, number]));
    invariant(numbers.size === keys.length, ONCE);
    return new PersistentMap(keys.length, packing, {
      numbers,
      keys: [...keys],
      values: [...values],
      packed: undefined,
      touched: [],
      notes: undefined,
    });
  }

  get(key: Key): Value | undefined {
    const number = this.numberOf(key);
    return number === undefined ? undefined : this.valueAt(number);
  }

  has(key: Key): boolean {
    return this.#takeOver().numbers.has(key);
  }

  /** Returns the key of a number; undefined where there are not so many. */
  keyAt(number: number): Key | undefined {
    return this.#takeOver().keys[number];
  }

  /**
   * Returns the number of a key, which later versions give it, too, as long as no key is taken out.
   *
   * @param likely the number that it had in another version, or that of another key: where it is right, it is found sooner
   */
  numberOf(key: Key, likely = 0): number | undefined {
    const { numbers, keys } = this.#takeOver();
    return keys[likely] === key ? likely : numbers.get(key);
  }

  /** Returns the value of the key of a number; undefined where there are not so many. */
  valueAt(number: number): Value | undefined {
    const columns = this.#takeOver();
    const value = columns.values[number];
    if (value !== undefined || !columns.packed?.has(number)) return value;
    const unpacked = columns.packed.unpack(number);
    columns.values[number] = unpacked;
    columns.touched.push(number);
    return unpacked;
  }

  /** Returns the value of the key of a number, for a look: where it is packed, it is one that nobody else has. */
  peekAt(number: number): Value {
    return valueIn(this.#takeOver(), number);
  }

  /** Returns a version in which some keys have other values, or are added. */
  with(values: ReadonlyMap<Key, Value>): PersistentMap<Key, Value> {
    const keys = [...values.keys()];
    return this.withColumns(
      keys,
      keys.map((key) => this.numberOf(key)),
      [...values.values()],
    );
  }

  /**
   * Does the same as `with`.
   *
   * @param keys each of them once, with its number and its value in the same place of `numbers` and `values`
   * @param numbers undefined for each key that is added
   */
  withColumns(
    keys: readonly Key[],
    numbers: readonly (number | undefined)[],
    values: readonly Value[],
  ): PersistentMap<Key, Value> {
    if (keys.length === 0) return this;
    // An empty version may be referred to for ever, and would keep all that are made of it.
    if (this.size === 0) return PersistentMap.#ofColumns(keys, values, this.#packing);
    const changed: number[] = [];
    const changedValues: Value[] = [];
    const added: Key[] = [];
    const addedValues: Value[] = [];
    for (let at = 0; at < keys.length; at++) {
      const value = values[at] as Value;
      const number = numbers[at];
      if (number === undefined) {
        added.push(keys[at] as Key);
        addedValues.push(value);
      } else {
        changed.push(number);
        changedValues.push(value);
      }
    }
    const difference = { neighbour: this, changed, values: changedValues, added, addedValues };
    return new PersistentMap(this.size + added.length, this.#packing, difference);
  }

  /** Returns a version without some keys, which takes as long as there are entries. */
  without(gone: ReadonlySet<Key>): PersistentMap<Key, Value> {
    if (gone.size === 0) return this;
    const { keys, notes } = this.#takeOver();
    const stay = [...keys.keys()].filter((number) => !gone.has(keys[number] as Key));
    const rest = PersistentMap.of(
      stay.map((number) => [keys[number] as Key, this.valueAt(number) as Value]),
      this.#packing,
    );
    if (notes) {
      const kept = rest.notes(notes.by, notes.rows.width);
      for (const [row, number] of stay.entries()) kept.set(row, notes.rows, number);
    }
    return rest;
  }

  /**
   * Returns a row of numbers for each key, by the key's number, for the caller to write to. Later versions have them,
   * too, but where a key has another value: there the first number of the row is NaN, as it is before the caller
   * writes. The table is of this version until another one is made, read or changed.
   *
   * @param by whose notes these are: they begin anew where someone else asks
   */
  notes(by: object, width: number): Table {
    const columns = this.#takeOver();
    if (columns.notes?.by !== by) {
      columns.notes = { by, rows: new Table(width, 0, this.size) };
      for (let row = 0; row < this.size; row++) addNote(columns.notes);
    }
    return columns.notes.rows;
  }

  /**
   * Tells what `with` or `withColumns` changed since a version, if it was made of that version. It returns undefined
   * where that is not known without a look at all entries.
   */
  changesSince(before: PersistentMap<Key, Value>): Changes<Key> | undefined {
    if (before === this) return { changed: [], added: [] };
    const [content, columns] = [this.#content, before.#content];
    if ('numbers' in content || content.neighbour !== before || !('numbers' in columns)) return undefined;
    const { values } = columns;
    const changed = content.changed.filter((number, at) => values[number] !== content.values[at]);
    return { changed: ascending(changed), added: content.added };
  }

  /** Lets go of the version before, of which it would else keep the values that are others here. */
  settle(): void {
    this.#takeOver();
  }

  /**
   * Packs the values, which takes as long as there are values that were asked for or set since it was last called. A value
   * that is asked for afterwards is an object again, and another one than before.
   */
  pack(): void {
    const columns = this.#takeOver();
    if (columns.packed) {
      for (const number of columns.touched) packAt(columns, columns.packed, number);
    } else if (this.#packing) {
      columns.packed = this.#packing();
      for (let number = 0; number < this.size; number++) packAt(columns, columns.packed, number);
    }
    columns.touched = [];
  }

  /** What is packed. */
  get packed(): Pick<Packed<Value>, 'count' | 'bytes' | 'hasMore'> {
    return this.#takeOver().packed ?? NONE_PACKED;
  }

  *keys(): MapIterator<Key> {
    for (let number = 0; number < this.size; number++) yield this.keyAt(number) as Key;
  }

  *values(): MapIterator<Value> {
    for (let number = 0; number < this.size; number++) yield this.peekAt(number);
  }

  *entries(): MapIterator<[Key, Value]> {
    for (let number = 0; number < this.size; number++) {
      yield [this.keyAt(number) as Key, this.peekAt(number)];
    }
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries();
  }

  forEach(visit: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this) visit(value, key, this);
  }

  /** Takes the columns over, from neighbour to neighbour. */
  #takeOver(): Columns<Key, Value> {
    const content = this.#content;
    if ('numbers' in content) return content;
    const way: PersistentMap<Key, Value>[] = [this];
    for (let last: PersistentMap<Key, Value> = this; 'neighbour' in last.#content; ) {
      last = last.#content.neighbour;
      way.push(last);
    }
    for (let at = way.length - 1; at > 0; at--) {
      (way[at] as PersistentMap<Key, Value>).#handOver(way[at - 1] as PersistentMap<Key, Value>);
    }
    return this.#content as Columns<Key, Value>;
  }

  /** Gives the columns to a neighbour, and knows from then on how it differs from that. */
  #handOver(to: PersistentMap<Key, Value>): void {
    const columns = this.#content as Columns<Key, Value>;
    const { numbers, keys, values, packed, touched, notes } = columns;
    const { changed, values: others, added, addedValues } = to.#content as Difference<Key, Value>;
    for (let at = 0; at < changed.length; at++) {
      const number = changed[at] as number;
      const value = valueIn(columns, number);
      values[number] = others[at] as Value;
      others[at] = value;
      if (packed) {
        packed.drop(number);
        touched.push(number);
      }
      if (notes) forgetNote(notes, number);
    }
    // The keys that only this version has are its last.
    const ownValues: Value[] = [];
    for (let number = to.size; number < this.size; number++) {
      ownValues.push(valueIn(columns, number));
      packed?.drop(number);
    }
    const own = keys.splice(to.size);
    for (const key of own) numbers.delete(key);
    values.splice(keys.length);
    if (notes) notes.rows.rows = keys.length;
    for (let at = 0; at < added.length; at++) {
      const key = added[at] as Key;
      const number = keys.push(key) - 1;
      numbers.set(key, number);
      values.push(addedValues[at] as Value);
      if (packed) touched.push(number);
      if (notes) addNote(notes);
    }
    invariant(numbers.size === keys.length, ONCE);
    this.#content = { neighbour: to, changed, values: others, added: own, addedValues: ownValues };
    to.#content = columns;
  }
}

const ONCE = 'each key is set once in a version';
const NONE_PACKED = { count: 0, bytes: 0, hasMore: false };

/** Returns the value of the key of a number, which stays packed if it is. */
const valueIn = <Value>({ values, packed }: Columns<unknown, Value>, number: number): Value =>
  values[number] ?? (packed as Packed<Value>).unpack(number);

function packAt<Value>({ values }: Columns<unknown, Value>, packed: Packed<Value>, number: number): void {
  const value = values[number];
  if (value !== undefined && (packed.has(number) || packed.pack(number, value))) values[number] = undefined;
}

/** Sorts numbers in place. As integers of 32 bits they are sorted without a function that compares them. */
function ascending(numbers: number[]): readonly number[] {
  const sorted = new Uint32Array(numbers.length);
  for (let at = 0; at < sorted.length; at++) sorted[at] = numbers[at] as number;
  sorted.sort();
  for (let at = 0; at < sorted.length; at++) {
    invariant(at === 0 || sorted[at] !== sorted[at - 1], ONCE);
    numbers[at] = sorted[at] as number;
  }
  return numbers;
}

const addNote = (notes: Notes): void => forgetNote(notes, notes.rows.push());

function forgetNote({ rows }: Notes, number: number): void {
  rows.numbers[number * rows.width] = Number.NaN;
}
