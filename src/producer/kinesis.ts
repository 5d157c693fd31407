import { createHash } from 'node:crypto';
import { type KinesisClient, PutRecordsCommand, type PutRecordsRequestEntry } from '@aws-sdk/client-kinesis';
import { Packer, unpackRecords } from '../adapters/kinesis/kpl.ts';
import { groupOf, hashOf } from '../engine/group/key-group.ts';
import { outcomesOf } from './aws.ts';
import type { OutgoingRecord, Parcel, Sender } from './sender.ts';

/**
 * The bounds of Kinesis on one PutRecords, and on one record: its data and its partition key. A stream may be
 * told to take records and requests of up to 10 MiB; these bounds hold for every stream.
 */
const MAX_CALL_RECORDS = 500;
const MAX_CALL_BYTES = 5 * 1_048_576;
const MAX_RECORD_BYTES = 1_048_576;

/**
 * The most bytes of a packed record: ten PUT payload units of 25 KB. A unit is paid as a whole, so a tenth of a
 * percent is lost to the last of them at this size.
 */
export const MAX_PACKED_BYTES = 250_000;

interface KinesisParcel extends Parcel {
  entry(): PutRecordsRequestEntry;
}

/**
 * Sends to a Kinesis stream, packed as the Kinesis Producer Library does.
 *
 * The hash-key space is cut into slices, the key groups of a pipeline, and a slice is a lane. All records of a
 * slice are sent with the slice's first hash key, so they are in one shard, however many shards there are and
 * wherever they are cut. A shard that is divided or merged closes before its children open, so a slice keeps its
 * order then as well.
 */
export function kinesisSender(client: KinesisClient, stream: string, slices: number): Sender<KinesisParcel> {
  const target = stream.startsWith('arn:') ? { StreamARN: stream } : { StreamName: stream };
  return {
    target: `stream ${stream}`,
    maxParcels: MAX_CALL_RECORDS,
    maxBytes: MAX_CALL_BYTES,
    parcelBytes: MAX_PACKED_BYTES,
    maxRecordBytes: MAX_RECORD_BYTES,
    bytesOf: ({ key, data }) => Buffer.byteLength(partitionKeyOf(key)) + data.length,
    laneOf: (key) => groupOf(hashOf(key), slices),
    open: (slice) => parcelOf(hashKeyOf(slice as number, slices)),
    send: (parcels) =>
      outcomesOf(parcels.length, async () => {
        const { Records = [] } = await client.send(
          new PutRecordsCommand({ ...target, Records: parcels.map((parcel) => parcel.entry()) }),
        );
        return parcels.map((_, at) => {
          const { SequenceNumber, ErrorCode } = Records[at] ?? {};
          return SequenceNumber === undefined ? { again: ErrorCode ?? 'no answer' } : 'taken';
        });
      }),
  };
}

/** Returns the first hash key of a slice, a whole number of 128 bits in decimal. */
export const hashKeyOf = (slice: number, slices: number): string =>
  String((BigInt(slice) << 128n) / BigInt(slices));

/** Hashes the keys that Kinesis does not take as partition keys: those of no or of more than 256 characters. */
const partitionKeyOf = (key: string): string =>
  key !== '' && key.length <= 256 ? key : createHash('md5').update(key).digest('hex');

function parcelOf(explicitHashKey: string): KinesisParcel {
  const packer = new Packer();
  let first: OutgoingRecord | undefined;
  let bytes = 0;
  let packed: PutRecordsRequestEntry | undefined;
  // Library consumers drop packed records whose own hash key is in another shard.
  const userRecord = ({ key, data }: OutgoingRecord) => ({
    partitionKey: partitionKeyOf(key),
    explicitHashKey,
    data,
  });
  return {
    get bytes() {
      return bytes;
    },
    add(record) {
      const user = userRecord(record);
      if (first === undefined) {
        first = record;
        bytes = Buffer.byteLength(user.partitionKey) + record.data.length;
        if (!isPacked(record.data)) packer.add(user);
        return true;
      }
      const size = Buffer.byteLength(partitionKeyOf(first.key)) + packer.sizeWith(user);
      if (packer.records === 0 || size > MAX_PACKED_BYTES || isPacked(record.data)) return false;
      packer.add(user);
      bytes = size;
      return true;
    },
    entry() {
      const { key, data } = first as OutgoingRecord;
      // A packer is empty once it has packed, and a parcel may have to be sent again.
      packed ??= {
        PartitionKey: partitionKeyOf(key),
        ExplicitHashKey: explicitHashKey,
        Data: packer.records > 1 ? packer.pack() : data,
      };
      return packed;
    },
  };
}

/** Says whether a record is packed already. Inside another one, no reader would take it apart. */
const isPacked = (data: Uint8Array): boolean => unpackRecords(data) !== undefined;
