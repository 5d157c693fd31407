import { createHash } from 'node:crypto';
import { CodecError } from '../../core/codec.ts';
import { type SubPlace, subPlaceOf } from '../../core/position.ts';
import { isoTime } from '../../core/time.ts';
import type { ObjectStore } from '../../ports/stores.ts';
import { POISON_PREFIX } from '../../wiring/names.ts';
import type { GroupRecord, Poison, PoisonCode } from '../group/group.ts';

/**
 * A refused record as a line of JSON, which a person reads, and gives to the source again. Its position is
 * that of the source's record. It may be a member of that record and a child of it, and both are counted
 * from 0.
 */
export interface RefusedRecord extends SubPlace {
  readonly lineage: string;
  /** When the source received the record, in ISO 8601. */
  readonly arrival: string;
  readonly code: PoisonCode;
  readonly reason: string;
  /**
   * The bytes of the source's record in base64. A line without them belongs to the record of the line
   * before.
   */
  readonly data: string;
}

/** The bytes that a line takes up beside the texts in it. */
const LINE_BYTES = 128;

/**
 * Estimates how many bytes a refused record takes up in an object, without what JSON escapes in its reason.
 *
 * @param before the record on the line before
 */
export const refusedBytes = (
  { lineage, position, source }: GroupRecord,
  { reason }: Poison,
  before: GroupRecord | undefined,
): number =>
  LINE_BYTES +
  lineage.length +
  position.length +
  Buffer.byteLength(reason) +
  (source === before?.source ? 0 : Math.ceil((4 * source.data.length) / 3));

/**
 * Keeps the refused records of one commit as one object with a line for each. This precedes the commit that
 * moves past them, so that none is ever lost.
 *
 * The object's name is made of its contents, so that a write that is tried again finds its own object. A
 * try that cuts its batch elsewhere leaves another object, which has some of the same lines: a record is
 * identified by its lineage and position.
 *
 * @returns the object's name
 */
export async function keepRefused(
  objects: Pick<ObjectStore, 'create'>,
  pipeline: string,
  refused: readonly GroupRecord[],
): Promise<string> {
  const body = Buffer.from(refused.map((record, at) => lineOf(record, refused[at - 1])).join(''));
  const [first] = refused as readonly [GroupRecord];
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 32);
  const date = isoTime(first.arrival).slice(0, 10);
  const name = `${POISON_PREFIX}pipeline=${pipeline}/date=${date}/${hash}.ndjson`;
  await objects.create(name, { body, contentType: 'application/x-ndjson' });
  return name;
}

function lineOf(
  { lineage, position, arrival, source, content }: GroupRecord,
  before: GroupRecord | undefined,
): string {
  if (content.outcome !== 'poison') return '';
  const { code, reason } = content.poison;
  const { buffer, byteOffset, byteLength } = source.data;
  const line: Partial<RefusedRecord> = {
    lineage,
    ...subPlaceOf(position),
    arrival: isoTime(arrival),
    code,
    reason,
    ...(source === before?.source
      ? {}
      : { data: Buffer.from(buffer, byteOffset, byteLength).toString('base64') }),
  };
  return `${JSON.stringify(line)}\n`;
}

/**
 * Reads the refused records of an object, in order.
 *
 * @throws CodecError when the object does not hold lines of JSON
 */
export function readRefused(body: Uint8Array): readonly RefusedRecord[] {
  try {
    const lines = Buffer.from(body).toString().split('\n').slice(0, -1);
    let data = '';
    return lines.map((line) => {
      const record = JSON.parse(line) as Partial<RefusedRecord>;
      data = record.data ?? data;
      return { ...record, data } as RefusedRecord;
    });
  } catch (cause) {
    throw new CodecError('Cannot read refused records as they must be lines of JSON', { cause });
  }
}
