import { randomUUID } from 'node:crypto';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { SQSClient } from '@aws-sdk/client-sqs';
import { clientOf } from './adapters/aws/client.ts';
import { systemClock } from './adapters/system/clock.ts';
import { checkOptions } from './core/options.ts';
import { type ClientSettings, settingsOf } from './producer/aws.ts';
import { kinesisSender } from './producer/kinesis.ts';
import { Producer, type ProducerPorts, type ProducerSettings } from './producer/producer.ts';
import type { Parcel, Sender } from './producer/sender.ts';
import { sqsSender } from './producer/sqs.ts';

export type { ClientSettings } from './producer/aws.ts';
export type {
  Producer,
  ProducerPorts,
  ProducerProgress,
  ProducerSettings,
  RecordToSend,
} from './producer/producer.ts';
export type { OutgoingRecord, Parcel, ParcelOutcome, Sender } from './producer/sender.ts';

export interface KinesisProducerOptions extends ProducerSettings, ClientSettings {
  /** The name or the ARN of the stream. */
  readonly stream: string;
  /**
   * Into how many slices the hash-key space is cut: a power of two up to 4,096, best the key groups of the
   * pipeline that reads the stream. Default 16.
   */
  readonly slices?: number | undefined;
}

export interface SqsProducerOptions extends ProducerSettings, ClientSettings {
  /** The URL of the queue. One that ends with `.fifo` keeps the order of each key. */
  readonly queueUrl: string;
}

const SETTINGS = ['linger', 'maxBuffered', 'patience', 'onSilence', 'onFailure'];
const CLIENT = ['region', 'endpoint', 'credentials'];
const SLICES = 16;

/**
 * Makes a producer for a Kinesis stream. It packs records as the Kinesis Producer Library does; a pipeline of
 * `kinesis()` takes them apart.
 *
 * @throws RangeError when `slices` is no power of two from 1 to 4,096, or a setting is no duration; TypeError for
 * an unknown option
 *
 * @example
 * ```ts
 * import { kinesisProducer } from 'millrace/producer';
 *
 * export async function report(readings: readonly { machineId: string; celsius: number }[]) {
 *   const producer = kinesisProducer({ stream: 'readings', slices: 8 });
 *   for (const reading of readings) {
 *     await producer.send({ key: reading.machineId, data: JSON.stringify(reading) });
 *   }
 *   await producer.close();
 * }
 * ```
 */
export function kinesisProducer(options: KinesisProducerOptions): Producer {
  checkOptions('send to a stream', options, ['stream', 'slices', ...SETTINGS, ...CLIENT]);
  const { stream, slices = SLICES } = options;
  if (slices < 1 || !Number.isInteger(Math.log2(slices)) || slices > 4_096) {
    throw new RangeError(
      `Cannot cut the hash keys into ${slices} slices as slices must be a power of two from 1 to 4,096`,
    );
  }
  const client = clientOf(KinesisClient, settingsOf(options));
  return producerFor(kinesisSender(client, stream, slices), options);
}

/**
 * Makes a producer for an SQS queue: ten messages a request, and in a FIFO queue the key as message group.
 *
 * @throws RangeError when `queueUrl` is no URL, or a setting is no duration; TypeError for an unknown option
 */
export function sqsProducer(options: SqsProducerOptions): Producer {
  checkOptions('send to a queue', options, ['queueUrl', ...SETTINGS, ...CLIENT]);
  const { queueUrl } = options;
  const { endpoint = originOf(queueUrl) } = options;
  const client = clientOf(SQSClient, settingsOf({ ...options, endpoint }));
  return producerFor(sqsSender(client, queueUrl, randomUUID()), options);
}

function originOf(queueUrl: string): string {
  try {
    return new URL(queueUrl).origin;
  } catch (cause) {
    throw new RangeError(`Cannot send to the queue "${queueUrl}" as queueUrl must be the URL of a queue`, {
      cause,
    });
  }
}

/** Makes a producer for a sender of your own, such as one of Kafka or RabbitMQ. */
export function producerFor<Sent extends Parcel>(
  sender: Sender<Sent>,
  settings: ProducerSettings = {},
  ports: ProducerPorts = { clock: systemClock(), random: Math.random },
): Producer {
  return new Producer(sender as unknown as Sender, settings, ports);
}
