import { createHash } from 'node:crypto';
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  PutRecordCommand,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import { clientOf } from '../../src/adapters/aws/client.ts';
import { Packer } from '../../src/adapters/kinesis/kpl.ts';
import { kinesisSender } from '../../src/producer/kinesis.ts';
import { producerFor } from '../../src/producer.ts';
import { enterReport, type Report, shown } from '../report.ts';
import { serveOr, startServer } from '../server.ts';

/** What Kinesis bills: a record's bytes, rounded up. */
const UNIT_BYTES = 25_000;
const SLICES = 16;
const RECORDS = 20_000;
const SHARDS = 4;

interface Reading {
  readonly key: string;
  readonly data: Buffer;
}

/** What a way of sending put on the stream, as far as Kinesis bills it. */
interface Put {
  records: number;
  bytes: number;
  units: number;
}

/** Sends all readings. */
type Way = (client: KinesisClient, stream: string, readings: readonly Reading[]) => Promise<void>;

const WAYS: readonly (readonly [name: string, share: number, way: Way])[] = [
  [
    'PutRecord, one by one',
    1 / 10,
    async (client, StreamName, readings) => {
      for (const { key, data } of readings)
        await client.send(new PutRecordCommand({ StreamName, PartitionKey: key, Data: data }));
    },
  ],
  [
    'PutRecord, 50 at a time',
    1 / 4,
    async (client, StreamName, readings) => {
      let at = 0;
      const work = async () => {
        for (let reading = readings[at++]; reading !== undefined; reading = readings[at++])
          await client.send(
            new PutRecordCommand({ StreamName, PartitionKey: reading.key, Data: reading.data }),
          );
      };
      await Promise.all(Array.from({ length: 50 }, work));
    },
  ],
  [
    'PutRecords of 500',
    1,
    async (client, StreamName, readings) => {
      for (let from = 0; from < readings.length; from += 500) {
        const Records = readings
          .slice(from, from + 500)
          .map(({ key, data }) => ({ PartitionKey: key, Data: data }));
        await client.send(new PutRecordsCommand({ StreamName, Records }));
      }
    },
  ],
  [
    'millrace/producer',
    1,
    async (client, stream, readings) => {
      const producer = producerFor(kinesisSender(client, stream, SLICES));
      for (const reading of readings) await producer.send(reading);
      await producer.close();
    },
  ],
  [
    'floor: packed without slices, order or retries',
    1,
    async (client, StreamName, readings) => {
      const packer = new Packer();
      const put = () =>
        client.send(
          new PutRecordsCommand({ StreamName, Records: [{ PartitionKey: 'a', Data: packer.pack() }] }),
        );
      for (const { key, data } of readings) {
        const record = { partitionKey: key, data };
        if (packer.sizeWith(record) > 1_000_000) await put();
        packer.add(record);
      }
      await put();
    },
  ],
];

void serveOr(() =>
  enterReport(async (quick): Promise<Report> => {
    const endpoint = await startServer('kinesalite');
    const client = clientOf(KinesisClient, {
      endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    });
    const readings = readingsOf(quick ? RECORDS / 4 : RECORDS);
    const measured: (Put & { name: string; sent: number; seconds: number; micros: number })[] = [];
    for (const [name, share, way] of WAYS) {
      let best: (typeof measured)[number] | undefined;
      for (let times = 0; times < (quick ? 1 : 3); times++) {
        const stream = `s${createHash('md5').update(`${name}${times}`).digest('hex')}`;
        await createStream(client, stream);
        const put: Put = { records: 0, bytes: 0, units: 0 };
        const counting = { send: counted(client, put) } as unknown as KinesisClient;
        const some = readings.slice(0, readings.length * share);
        const started = performance.now();
        const used = process.cpuUsage();
        await way(counting, stream, some);
        const seconds = (performance.now() - started) / 1_000;
        const { user, system } = process.cpuUsage(used);
        if (best === undefined || seconds < best.seconds)
          best = { ...put, name, sent: some.length, seconds, micros: (user + system) / some.length };
      }
      if (best !== undefined) measured.push(best);
    }
    client.destroy();
    const floor = measured.at(-1);
    return {
      head: [
        'way of sending',
        'records of the stream for 1,000',
        'KB for 1,000',
        'PUT units for 1,000',
        'records/s',
        'processor, µs a record',
        'of the floor',
      ],
      rows: measured.map(({ name, sent, records, bytes, units, seconds, micros }) => [
        name,
        shown((1_000 * records) / sent),
        shown(bytes / sent),
        shown((1_000 * units) / sent),
        shown(sent / seconds),
        shown(micros),
        floor === undefined ? '' : `× ${shown(micros / floor.micros)}`,
      ]),
      faults: [],
    };
  }),
);

function readingsOf(count: number): readonly Reading[] {
  const readings: Reading[] = [];
  for (let at = 0; at < count; at++) {
    const machineId = `machine-${at % 1_000}`;
    const reading = { machineId, measuredAt: 1_767_614_400_000 + at, celsius: 20 + (at % 997) / 100 };
    readings.push({ key: machineId, data: Buffer.from(JSON.stringify(reading)) });
  }
  return readings;
}

/** Counts what goes to the stream on its way there. */
function counted(client: KinesisClient, put: Put) {
  return (command: PutRecordCommand | PutRecordsCommand) => {
    const entries = command instanceof PutRecordsCommand ? (command.input.Records ?? []) : [command.input];
    for (const { PartitionKey = '', Data = new Uint8Array() } of entries) {
      const bytes = Data.length + Buffer.byteLength(PartitionKey);
      put.records++;
      put.bytes += bytes;
      put.units += Math.ceil(bytes / UNIT_BYTES);
    }
    return client.send(command as PutRecordsCommand);
  };
}

async function createStream(client: KinesisClient, StreamName: string): Promise<void> {
  await client.send(new CreateStreamCommand({ StreamName, ShardCount: SHARDS }));
  for (;;) {
    const { StreamDescriptionSummary } = await client.send(new DescribeStreamSummaryCommand({ StreamName }));
    if (StreamDescriptionSummary?.StreamStatus === 'ACTIVE') return;
  }
}
