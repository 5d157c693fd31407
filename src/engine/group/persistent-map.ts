import { Table } from '../../core/table.ts';

/** The entries of a map as columns. The number of an entry says how many entries came before it. */
interface Columns<Key, Value> {
  readonly numbers: Map<Key, number>;
  readonly keys: Key[];
  readonly values: Value[];
  notes: Notes | undefined;
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
  /** The values that are others here; undefined for a key that only the neighbour has. */
  readonly values: ReadonlyMap<Key, Value | undefined>;
  /** The keys that only this version has, in order. */
  readonly added: readonly Key[];
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
  #content: Columns<Key, Value> | Difference<Key, Value>;

  private constructor(size: number, content: Columns<Key, Value> | Difference<Key, Value>) {
    this.size = size;
    this.#content = content;
  }

  static of<Key, Value extends object>(
    entries: Iterable<readonly [Key, Value]> = [],
  ): PersistentMap<Key, Value> {
    const latest = new Map(entries);
    const keys = [...latest.keys()];
    const numbers = new Map(keys.map((key, number) => [key, number]));
    return new PersistentMap(keys.length, { numbers, keys, values: [...latest.values()], notes: undefined });
  }

  get(key: Key): Value | undefined {
    const content = this.#content;
    if ('numbers' in content) {
      const number = content.numbers.get(key);
      return number === undefined ? undefined : content.values[number];
    }
    const value = content.values.get(key);
    return value === undefined && !content.values.has(key) ? content.neighbour.get(key) : value;
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined;
  }

  /** Returns the key of a number; undefined where there are not so many. */
  keyAt(number: number): Key | undefined {
    const content = this.#content;
    if ('numbers' in content) return content.keys[number];
    const { neighbour, added } = content;
    if (number >= this.size) return undefined;
    return number < neighbour.size ? neighbour.keyAt(number) : added[number - neighbour.size];
  }

  /**
   * Returns a version in which some keys have other values, or are added.
   *
   * @param values must not be changed any more
   */
  with(values: ReadonlyMap<Key, Value>): PersistentMap<Key, Value> {
    if (values.size === 0) return this;
    // An empty version may be referred to for ever, and would keep all that are made of it.
    if (this.size === 0) return PersistentMap.of(values);
    const { numbers } = this.#takeOver();
    const added = [...values.keys()].filter((key) => !numbers.has(key));
    return new PersistentMap(this.size + added.length, { neighbour: this, values, added });
  }

  /** Returns a version without some keys, which takes as long as there are entries. */
  without(gone: ReadonlySet<Key>): PersistentMap<Key, Value> {
    if (gone.size === 0) return this;
    const { keys, values, notes } = this.#takeOver();
    const stay = [...keys.keys()].filter((number) => !gone.has(keys[number] as Key));
    const rest = PersistentMap.of(stay.map((number) => [keys[number] as Key, values[number] as Value]));
    if (notes) {
      const kept = rest.notes(notes.by, notes.rows.width);
      for (const [row, number] of stay.entries()) kept.set(row, notes.rows, number);
    }
    return rest;
  }

  /**
   * Returns a row of numbers for each key, by the key's number, for the caller to write to. Later versions have them,
   * too, but where a key has another value: there the first number of the row is NaN, as it is before the caller
   * writes. The table is of this version until another one is made or changed.
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
   * Tells what `with` changed since a version, if it was made of that version. It returns undefined where that
   * is not known without a look at all entries.
   */
  changesSince(before: PersistentMap<Key, Value>): Changes<Key> | undefined {
    if (before === this) return { changed: [], added: [] };
    const [content, columns] = [this.#content, before.#content];
    if ('numbers' in content || content.neighbour !== before || !('numbers' in columns)) return undefined;
    const changed: number[] = [];
    for (const [key, value] of content.values) {
      const number = columns.numbers.get(key);
      if (number !== undefined && columns.values[number] !== value) changed.push(number);
    }
    return { changed: changed.sort((a, b) => a - b), added: content.added };
  }

  /** Lets go of the version before, of which it would else keep the values that are others here. */
  settle(): void {
    this.#takeOver();
  }

  *keys(): MapIterator<Key> {
    for (let number = 0; number < this.size; number++) yield this.keyAt(number) as Key;
  }

  *values(): MapIterator<Value> {
    for (const key of this.keys()) yield this.get(key) as Value;
  }

  *entries(): MapIterator<[Key, Value]> {
    for (const key of this.keys()) yield [key, this.get(key) as Value];
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries();
  }

  forEach(visit: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this) visit(value, key, this);
  }

  /** Takes the columns over, from neighbour to neighbour. */
  #takeOver(): Columns<Key, Value> {
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
    const { numbers, keys, values, notes } = columns;
    const difference = to.#content as Difference<Key, Value>;
    const before = new Map<Key, Value | undefined>();
    for (const [key, value] of difference.values) {
      const number = numbers.get(key);
      before.set(key, number === undefined ? undefined : values[number]);
      if (value === undefined) numbers.delete(key);
      else if (number !== undefined) {
        values[number] = value;
        if (notes) forgetNote(notes, number);
      }
    }
    // The keys that only this version has are its last.
    const added = keys.splice(to.size);
    values.length = keys.length;
    if (notes) notes.rows.rows = keys.length;
    for (const key of difference.added) {
      numbers.set(key, keys.push(key) - 1);
      values.push(difference.values.get(key) as Value);
      if (notes) addNote(notes);
    }
    this.#content = { neighbour: to, values: before, added };
    to.#content = columns;
  }
}

const addNote = (notes: Notes): void => forgetNote(notes, notes.rows.push());

function forgetNote({ rows }: Notes, number: number): void {
  rows.numbers[number * rows.width] = Number.NaN;
}
