import { createHash } from 'node:crypto';
import { CodecError } from '../../core/codec.ts';
import { type SubPlace, subPlaceOf } from '../../core/position.ts';
import { isoTime } from '../../core/time.ts';
import type { EntryPlace } from '../../ports/commit-log.ts';
import type { ObjectStore } from '../../ports/stores.ts';
import { keptObject, LATE_PREFIX, POISON_PREFIX } from '../../wiring/names.ts';
import type { GroupRecord, LateRecord, PoisonCode } from '../group/group.ts';

/**
 * A record that was kept as a line of JSON, which a person reads, and which `redrive` takes in again. Its
 * position is that of the source's record. It may be a member of that record and a child of it, and both are
 * counted from 0.
 */
export interface KeptRecord extends SubPlace {
  readonly lineage: string;
  /** Whether it is a child that `expand` made, and not the whole of the member. */
  readonly expanded: boolean;
  /** Whether it is of one member, and not of the whole of the source's record. */
  readonly packed: boolean;
  /** When the source received the record, in ISO 8601. */
  readonly arrival: string;
  readonly partitionKey: string;
  /**
   * The bytes of the source's record in base64. A line without them belongs to the record of the line
   * before.
   */
  readonly data: string;
  /** Whether it is of a batch that Lambda gave up, and not of what a group moved past. */
  readonly failed?: true;
}

/** A record that was refused, and why. */
export interface RefusedRecord extends KeptRecord {
  readonly code: PoisonCode;
  readonly reason: string;
}

/** A record that windows refused as late. */
export interface LateLine extends KeptRecord {
  /** The record's event time, and its key's watermark when it came, both in ISO 8601. */
  readonly eventTime: string;
  readonly watermark: string;
  /** The names of the windows that refused it. */
  readonly windows: readonly string[];
  /** Whether other windows took it. */
  readonly applied: boolean;
}

/** The bytes that a line takes up beside the texts in it. */
const LINE_BYTES = 192;

/**
 * Estimates how many bytes a kept record takes up in an object, without what JSON escapes in its texts.
 *
 * @param says the texts that the line has beside those of the record
 * @param before the record on the line before
 */
export const keptBytes = (
  { lineage, position, source }: GroupRecord,
  says: readonly string[],
  before: GroupRecord | undefined,
): number =>
  LINE_BYTES +
  lineage.length +
  position.length +
  source.partitionKey.length +
  says.reduce((bytes, text) => bytes + Buffer.byteLength(text), 0) +
  (source === before?.source ? 0 : Math.ceil((4 * source.data.length) / 3));

/**
 * Keeps the refused records of one commit as one object with a line for each. This precedes the commit that
 * moves past them, so that none is ever lost.
 *
 * The object's name is made of the place of the entry that names it and of its contents, so that a write that
 * is tried again finds its own object, and so that a reader finds the entry. A try that cuts its batch
 * elsewhere leaves another object, which no entry names.
 *
 * @param log the log of the group that refuses the records
 * @param ordinal the ordinal of the entry that moves past them
 * @returns the object's name
 */
export async function keepRefused(
  objects: Pick<ObjectStore, 'create'>,
  log: string,
  ordinal: number,
  refused: readonly GroupRecord[],
): Promise<string> {
  const body = linesOf(refused, ({ content }) => (content.outcome === 'poison' ? content.poison : undefined));
  const [first] = refused as readonly [GroupRecord];
  const name = keptObject(POISON_PREFIX, log, dayOf(first.arrival), ordinal, digestOf(body));
  await create(objects, name, body);
  return name;
}

/**
 * Keeps the late records of one commit as one object, as `keepRefused` keeps refused ones. The entry lists
 * late records in full, so that the object's name follows from the entry: see `lateObjectOf`.
 *
 * @param late the late records as the entry at `place` lists them
 * @param records the records themselves, in the same order
 */
export async function keepLate(
  objects: Pick<ObjectStore, 'create'>,
  log: string,
  place: EntryPlace,
  late: readonly LateRecord[],
  records: readonly GroupRecord[],
): Promise<void> {
  const body = linesOf(records, (_, at) => {
    const { at: time, watermark, windows, applied } = late[at] as LateRecord;
    return { eventTime: isoTime(time), watermark: isoTime(watermark), windows, applied };
  });
  await create(objects, lateObjectOf(log, { ...place, late }), body);
}

/** Returns the name of the object that holds the late records which an entry lists. */
export const lateObjectOf = (
  log: string,
  { ordinal, committedAt, late }: EntryPlace & { readonly late: readonly LateRecord[] },
): string =>
  keptObject(
    LATE_PREFIX,
    log,
    dayOf(committedAt),
    ordinal,
    digestOf(
      JSON.stringify(
        late.map(({ lineage, position, at, watermark, windows, applied }) => [
          lineage,
          position,
          at,
          watermark,
          windows,
          applied,
        ]),
      ),
    ),
  );

const dayOf = (at: EntryPlace['committedAt']): string => isoTime(at).slice(0, 10);

const digestOf = (text: string | Uint8Array): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 32);

const create = (objects: Pick<ObjectStore, 'create'>, name: string, body: Uint8Array) =>
  objects.create(name, { body, contentType: 'application/x-ndjson' });

/** Returns a line for each record, with what is said of it. */
function linesOf(
  records: readonly GroupRecord[],
  said: (record: GroupRecord, at: number) => object | undefined,
): Buffer {
  const lines = records.map((record, at) => {
    const { lineage, position, expanded, packed, arrival, source } = record;
    const { buffer, byteOffset, byteLength } = source.data;
    const line = {
      lineage,
      ...subPlaceOf(position),
      expanded,
      packed,
      arrival: isoTime(arrival),
      partitionKey: source.partitionKey,
      ...said(record, at),
      ...(source === records[at - 1]?.source
        ? {}
        : { data: Buffer.from(buffer, byteOffset, byteLength).toString('base64') }),
    };
    return `${JSON.stringify(line)}\n`;
  });
  return Buffer.from(lines.join(''));
}

/**
 * Reads the records of an object, in order.
 *
 * @throws CodecError when the object does not hold lines of JSON
 */
export function readKept<Kept extends KeptRecord>(body: Uint8Array): readonly Kept[] {
  try {
    const lines = Buffer.from(body).toString().split('\n').slice(0, -1);
    let data = '';
    return lines.map((line) => {
      const record = JSON.parse(line) as Partial<Kept>;
      data = record.data ?? data;
      return { ...record, data } as Kept;
    });
  } catch (cause) {
    throw new CodecError('Cannot read kept records as they must be lines of JSON', { cause });
  }
}

/** Reads refused records: see `readKept`. */
export const readRefused = (body: Uint8Array): readonly RefusedRecord[] => readKept<RefusedRecord>(body);
