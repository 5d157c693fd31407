/** A record to be sent. */
export interface OutgoingRecord {
  /** The records of a key are taken in the order in which they were sent. */
  readonly key: string;
  readonly data: Uint8Array;
  /**
   * By this id a FIFO queue drops a record that comes again within 5 minutes. Without one, the producer makes
   * one, which only its own retries share.
   */
  readonly id?: string | undefined;
}

/** Records of one lane that a service takes together or not at all, such as one entry of a PutRecords. */
export interface Parcel {
  /** The bytes that count towards those of the request. */
  readonly bytes: number;
  /** Adds the next record of the lane, and returns whether it did. The first record is always added. */
  add(record: OutgoingRecord): boolean;
}

/** What became of a parcel: the service took it, or it must come again for a reason, such as throttling. */
export type ParcelOutcome = 'taken' | { readonly again: string };

/**
 * Sends to one stream, queue or topic. It keeps nothing and retries nothing: the producer decides what is
 * sent when.
 */
export interface Sender<Sent extends Parcel = Parcel> {
  /** What is sent to, for messages: `stream readings`. */
  readonly target: string;
  /** The most parcels of one request, and the most bytes of all of them. */
  readonly maxParcels: number;
  readonly maxBytes: number;
  /** From how many waiting bytes on a lane is sent without lingering. */
  readonly parcelBytes: number;
  /** The most bytes of one record, with what counts beside its data. */
  readonly maxRecordBytes: number;
  /** Returns the bytes of a record that count towards `maxRecordBytes`. */
  bytesOf(record: OutgoingRecord): number;
  /**
   * Returns what the service demands of a record beside its size, where this record is otherwise: `it must be
   * text`. Without it, the service takes any bytes.
   */
  lackOf?(record: OutgoingRecord): string | undefined;
  /**
   * Returns the lane of a key. The records of a lane are sent one parcel after the other, so a service without
   * an order may spread even the records of one key over lanes.
   */
  laneOf(key: string): string | number;
  /** Begins an empty parcel of a lane. */
  open(lane: string | number): Sent;
  /**
   * Sends parcels of different lanes in one request.
   *
   * @returns the outcome of each parcel, in order; `again` for all where nobody knows what the service took
   * @throws Error when sending the same again cannot help: the target is not there, or must not be written to
   */
  send(parcels: readonly Sent[]): Promise<readonly ParcelOutcome[]>;
}
