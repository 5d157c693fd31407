import { loggable } from '../core/loggable.ts';
import type { Position } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';

/** One record as its source delivers it. */
export interface SourceRecord {
  /** The ordered source of the record. Only positions of one lineage compare. */
  readonly lineage: string;
  readonly position: Position;
  readonly arrival: EpochMillis;
  /**
   * When it first arrived, where it is taken in again: it has waited since, and its arrival says nothing of the
   * silence of its key.
   */
  readonly waitedSince?: EpochMillis;
  readonly partitionKey: string;
  readonly data: Uint8Array;
  /** Set where the record lacks the id by which it would be known when it comes again: it is refused. */
  readonly unidentified?: true | undefined;
  /** The records that a producer packed into this one; undefined for an ordinary record. */
  readonly members?: readonly Pick<SourceRecord, 'partitionKey' | 'data'>[] | undefined;
}

/** The most bytes that are allocated because of how large the records so far are. */
const MOST_FORESEEN = 4_194_304;

/**
 * The records of one event as columns, in the order in which they are added. Each event has columns of its own, as a
 * record that is refused may be kept after the next event has come.
 */
export class SourceColumns {
  readonly records: ColumnRecord[] = [];
  readonly lineages: string[] = [];
  readonly positions: Position[] = [];
  /** Epoch milliseconds. */
  readonly arrivals: Float64Array;
  /** As the event has them, in this encoding. */
  readonly partitionKeys: string[] = [];
  readonly keyEncoding: 'base64' | 'utf8';
  /** The bytes of all records, one after the other, and where those of each end. */
  bytes: Buffer<ArrayBuffer> = Buffer.allocUnsafeSlow(0);
  readonly ends: Uint32Array;
  /** Of the records into which a producer packed several, by their places. */
  readonly members = new Map<number, SourceRecord['members']>();
  /** The places of the records without the id by which they would be known. */
  readonly unidentified = new Set<number>();

  /**
   * @param length how many records are added at most
   * @param keyEncoding of the partition keys that are added; few are ever decoded
   */
  constructor(length: number, keyEncoding: SourceColumns['keyEncoding'] = 'utf8') {
    this.keyEncoding = keyEncoding;
    this.arrivals = new Float64Array(length);
    this.ends = new Uint32Array(length);
  }

  /**
   * Adds a record.
   *
   * @param data its bytes as the event has them, in this encoding
   */
  add(
    lineage: string,
    position: Position,
    arrival: EpochMillis,
    partitionKey: string,
    data: string,
    encoding: 'base64' | 'utf8',
  ): ColumnRecord {
    const record = new ColumnRecord(this, this.records.length);
    const { place, from } = record;
    this.lineages.push(lineage);
    this.positions.push(position);
    this.arrivals[place] = arrival;
    this.partitionKeys.push(partitionKey);
    const most = encoding === 'utf8' ? Buffer.byteLength(data) : Math.ceil((3 * data.length) / 4);
    if (from + most > this.bytes.length) this.#grow(from + most);
    this.ends[place] = from + this.bytes.write(data, from, encoding);
    this.records.push(record);
    return record;
  }

  /** Makes room for so many bytes: for as many as are likely needed in the end, where all records are as large. */
  #grow(room: number): void {
    const foreseen = Math.min((1.05 * room * this.ends.length) / (this.records.length + 1), MOST_FORESEEN);
    const grown = Buffer.allocUnsafeSlow(Math.ceil(Math.max(room, foreseen, 2 * this.bytes.length)));
    this.bytes.copy(grown);
    this.bytes = grown;
  }
}

/**
 * A record that stands in columns. A view of its bytes is made when it is asked for them, as few records ever are. All
 * that is said of it is asked for: a copy by `...` has none of it, and `withData` makes one.
 */
export class ColumnRecord implements SourceRecord {
  readonly columns: SourceColumns;
  readonly place: number;

  constructor(columns: SourceColumns, place: number) {
    this.columns = columns;
    this.place = place;
  }

  get lineage(): string {
    return this.columns.lineages[this.place] as string;
  }

  get position(): Position {
    return this.columns.positions[this.place] as Position;
  }

  get arrival(): EpochMillis {
    return this.columns.arrivals[this.place] as EpochMillis;
  }

  get partitionKey(): string {
    const { keyEncoding, partitionKeys } = this.columns;
    const key = partitionKeys[this.place] as string;
    return keyEncoding === 'utf8' ? key : Buffer.from(key, keyEncoding).toString();
  }

  get members(): SourceRecord['members'] {
    return this.columns.members.get(this.place);
  }

  get unidentified(): SourceRecord['unidentified'] {
    return this.columns.unidentified.has(this.place) || undefined;
  }

  get data(): Uint8Array {
    return this.columns.bytes.subarray(this.from, this.to);
  }

  /** Where its bytes begin. */
  get from(): number {
    return this.place === 0 ? 0 : (this.columns.ends[this.place - 1] as number);
  }

  /** Where its bytes end. */
  get to(): number {
    return this.columns.ends[this.place] as number;
  }
}

/** Returns a record with other bytes, and without members. */
export const withData = (record: SourceRecord, data: Uint8Array): SourceRecord => {
  const { lineage, position, arrival, waitedSince, partitionKey } = record;
  return {
    lineage,
    position,
    arrival,
    ...(waitedSince !== undefined && { waitedSince }),
    partitionKey,
    data,
  };
};

/** Returns how many bytes a record has. */
export const lengthOf = (record: SourceRecord): number =>
  record instanceof ColumnRecord ? record.to - record.from : record.data.length;

/** Copies the bytes of a record into others, from `at` on. No view is made of those that stand in columns. */
export function copyData(record: SourceRecord, into: Uint8Array, at: number): void {
  if (!(record instanceof ColumnRecord)) {
    into.set(record.data, at);
    return;
  }
  const { columns, from, to } = record;
  const { bytes } = columns;
  for (let place = from; place < to; place++) into[at + place - from] = bytes[place] as number;
}

/**
 * Returns the name of the single source of a batch, or undefined for a batch without records.
 *
 * @throws RangeError when the records are from several sources
 */
export function onlySource(names: readonly string[]): string | undefined {
  const [first] = names;
  const second = names.find((name) => name !== first);
  if (second === undefined) return first;
  throw loggable(
    new RangeError(
      `Cannot take a batch in as its records must be of one source: some are of ${first}, some of ${second}`,
    ),
  );
}
