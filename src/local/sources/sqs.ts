import { createHash, randomUUID } from 'node:crypto';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { clientOf } from '../../adapters/aws/client.ts';
import { sqsArrivals } from '../../adapters/sqs/arrivals.ts';
import { isMessageText } from '../../adapters/sqs/message.ts';
import { type EpochMillis, millis } from '../../core/time.ts';
import { MAPPINGS } from '../../wiring/mappings.ts';
import { checkQueueMapping, type QueueItem, QueueMappingMachine } from '../mapping/queue.ts';
import { LOCAL_REGION, type ResourceNames, settingsFor, UNHURRIED } from '../resources.ts';
import { serversPackage } from '../servers-package.ts';
import { quoted } from '../shell.ts';
import { outcomeOf, steadyTime } from './drain.ts';
import type { LocalSource, OpenSource } from './source.ts';

/** The bounds that SQS sets on one message, and on the messages of one request. */
const MAX_MESSAGE_BYTES = 1_048_576;
const MAX_REQUEST_MESSAGES = 10;

/** SQS's own default. AWS wants six times the time limit of the function, but here someone waits. */
const VISIBILITY_SECONDS = 30;
const LONG_POLL_SECONDS = 20;
const RETRY_MILLIS = 200;

/** How a kind of queue is read. */
interface Reading {
  readonly fifo: boolean;
  readonly batchSize: number;
  readonly maxReceives: number;
  readonly reportsFailures: boolean;
  readonly batchingWindow: ReturnType<typeof millis>;
  /** How many batches are in flight at once. */
  readonly batches: number;
}

/**
 * One batch of a standard queue is in flight, where AWS would have two: the order in which batches are committed
 * is then that of the queue, and the results of a run can be had again.
 */
const STANDARD: Reading = {
  ...MAPPINGS.sqs,
  fifo: false,
  batchSize: MAPPINGS.sqs.batchSize / 10,
  batchingWindow: millis('1s'),
  batches: 1,
};
const FIFO: Reading = {
  ...MAPPINGS.fifo,
  fifo: true,
  batchingWindow: millis('0s'),
  batches: MAPPINGS.fifo.concurrency,
};

/** A standard queue on the server of the run. */
export const openStandardQueue: OpenSource = (settings) => openQueue(settings, STANDARD);

/** A FIFO queue on the server of the run. A record's partition key is its message group. */
export const openFifoQueue: OpenSource = (settings) => openQueue(settings, FIFO);

/** A message as the mapping has it. */
interface Held extends QueueItem {
  readonly receipt: string;
  readonly record: SQSRecord;
}

async function openQueue(
  { names, endpoints, clock, dataDirectory, batchSize }: Parameters<OpenSource>[0],
  reading: Reading,
): Promise<LocalSource> {
  const { fifo } = reading;
  const mapping = { ...reading, batchSize: batchSize ?? reading.batchSize };
  checkQueueMapping(mapping, reading);
  const endpoint = endpoints.s3;
  const client = connectQueues(endpoint);
  const name = `${names.stream}${fifo ? '.fifo' : ''}`;
  const deadLetterUrl = await createDeadLetterQueue(client, names, fifo);
  const { Attributes: { QueueArn: deadLetterTargetArn } = {} } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: deadLetterUrl, AttributeNames: ['QueueArn'] }),
  );
  const url = await createQueue(client, name, fifo, {
    VisibilityTimeout: String(VISIBILITY_SECONDS),
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: reading.maxReceives }),
  });

  const stopping = new AbortController();
  const machine = new QueueMappingMachine<Held>(mapping);
  const waiting = new Set<() => void>();
  let inFlight = 0;

  /** Settles everyone who waits for the queue to be empty, if it is. */
  const lookWhetherEmpty = async (): Promise<void> => {
    if (waiting.size === 0 || inFlight > 0 || machine.waiting > 0) return;
    const { Attributes = {} } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...COUNTS] }),
    );
    if (!COUNTS.every((count) => Attributes[count] === '0')) return;
    for (const settle of waiting) settle();
    waiting.clear();
  };

  return {
    place: {
      service: 'SQS',
      resource: `queue ${name}`,
      endpoint,
      mostBytes: `${MAX_MESSAGE_BYTES.toLocaleString('en')} of text in UTF-8`,
      environment: { AWS_ENDPOINT_URL_SQS: endpoint },
      commands: (last) => [
        ...(last
          ? [
              `aws --endpoint-url ${endpoint} sqs send-message --queue-url ${url}${fifo ? ` --message-group-id ${quoted(groupOf(last.partitionKey))} --message-deduplication-id "$RANDOM"` : ''} --message-body ${quoted(last.text)}`,
            ]
          : []),
        `aws --endpoint-url ${endpoint} sqs get-queue-attributes --queue-url ${url} --attribute-names All`,
      ],
    },
    arn: queueArn(name),
    // CloudWatch, which knows the age of the oldest message, does not run here: while messages wait, nothing is known.
    arrivals: sqsArrivals(client, url, { latest: async () => undefined }),
    async openFeed() {
      const sent = dataDirectory === undefined ? [] : (await serversPackage()).sentTo(dataDirectory, name);
      let resumed = 0;
      let ordinal = sent.length;
      let batch: SendMessageBatchRequestEntry[] = [];
      let batchBytes = 0;
      const flush = async (): Promise<void> => {
        if (batch.length > 0) {
          const { Failed = [] } = await client.send(
            new SendMessageBatchCommand({ QueueUrl: url, Entries: batch }),
          );
          const [failed] = Failed;
          if (failed) throw new Error(`Cannot send a message to queue ${name}: ${failed.Message}`);
        }
        batch = [];
        batchBytes = 0;
      };
      return {
        held: sent.length,
        get resumed() {
          return resumed;
        },
        holds(_partitionKey, data) {
          if (!isMessage(data) || resumed === sent.length) return false;
          if (digestOf(data) !== sent[resumed++]) {
            throw new Error(
              `Cannot go on as the queue must have been sent what the input begins with: message ${resumed} of ${name} is another`,
            );
          }
          return true;
        },
        async send(partitionKey, data) {
          if (!isMessage(data)) return false;
          if (batch.length === MAX_REQUEST_MESSAGES || batchBytes + data.length > MAX_MESSAGE_BYTES)
            await flush();
          const id = String(ordinal++);
          batch.push({
            Id: id,
            MessageBody: Buffer.from(data).toString(),
            ...(fifo && { MessageGroupId: groupOf(partitionKey), MessageDeduplicationId: id }),
          });
          batchBytes += data.length;
          return true;
        },
        flush,
        async handled() {
          const settled = new Promise<void>((settle) => waiting.add(settle));
          await lookWhetherEmpty();
          await settled;
        },
      };
    },
    async put(partitionKey, data) {
      await client.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody: Buffer.from(data).toString(),
          ...(fifo && { MessageGroupId: groupOf(partitionKey), MessageDeduplicationId: randomUUID() }),
        }),
      );
    },
    async consume(handle, { onError }) {
      let hasRoom = (): void => {};
      let timer: NodeJS.Timeout | undefined;
      const remove = (done: readonly Held[]) =>
        Promise.all(
          chunksOf(done).map((chunk) =>
            client.send(
              new DeleteMessageBatchCommand({
                QueueUrl: url,
                Entries: chunk.map(({ receipt }, at) => ({ Id: String(at), ReceiptHandle: receipt })),
              }),
            ),
          ),
        );
      const deliver = async (batch: readonly Held[]): Promise<void> => {
        const event = JSON.parse(JSON.stringify({ Records: batch.map(({ record }) => record) }));
        const outcome = await outcomeOf(handle(event), onError);
        await remove(machine.settle(batch, outcome, steadyTime()).done);
      };
      const running = new Set<Promise<void>>();
      const pump = (): void => {
        clearTimeout(timer);
        while (inFlight < reading.batches && !stopping.signal.aborted) {
          const batch = machine.next(steadyTime());
          if (batch === undefined) break;
          inFlight++;
          const delivered = deliver(batch)
            .catch(onError)
            .then(() => {
              inFlight--;
              running.delete(delivered);
              pump();
              return lookWhetherEmpty();
            })
            .catch(onError);
          running.add(delivered);
        }
        if (machine.waiting < mapping.batchSize * reading.batches) hasRoom();
        const due = machine.due();
        if (due !== undefined && inFlight < reading.batches) timer = setTimeout(pump, due - steadyTime());
      };

      const receive = async (): Promise<void> => {
        while (!stopping.signal.aborted) {
          const request = new ReceiveMessageCommand({
            QueueUrl: url,
            MaxNumberOfMessages: MAX_REQUEST_MESSAGES,
            WaitTimeSeconds: LONG_POLL_SECONDS,
            MessageSystemAttributeNames: ['All'],
          });
          const { Messages = [] } = await client.send(request, { abortSignal: stopping.signal });
          machine.offer(
            Messages.map((message) => heldOf(message, name, clock.at)),
            steadyTime(),
          );
          const room = new Promise<void>((settle) => {
            hasRoom = settle;
          });
          pump();
          if (Messages.length === 0) await lookWhetherEmpty();
          await room;
        }
      };
      const follow = async (): Promise<void> => {
        while (!stopping.signal.aborted) {
          await receive().catch(async (error) => {
            if (stopping.signal.aborted) return;
            onError(error);
            await new Promise((settle) => setTimeout(settle, RETRY_MILLIS));
          });
        }
      };
      const following = follow();
      return {
        async stop() {
          stopping.abort();
          clearTimeout(timer);
          hasRoom();
          await Promise.all([following, ...running]);
        },
      };
    },
    async close() {
      client.destroy();
    },
  };
}

/** Connects a client to the queues of a local server. */
export const connectQueues = (endpoint: string): SQSClient =>
  clientOf(
    SQSClient,
    // A request that is sent twice could put a message twice. Queues' addresses need not be known to this machine.
    { ...settingsFor('sqs', endpoint), maxAttempts: 1, useQueueUrlAsEndpoint: false },
    UNHURRIED,
  );

/** Creates a queue unless it exists, and returns its URL. What a data directory has of it is in it then. */
export async function createQueue(
  client: SQSClient,
  name: string,
  fifo: boolean,
  attributes: Record<string, string> = {},
): Promise<string> {
  const Attributes = { ...attributes, ...(fifo && { FifoQueue: 'true' }) };
  const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes }));
  return QueueUrl;
}

/** Creates the queue of a run's dead letters unless it exists, and returns its URL. */
export const createDeadLetterQueue = (
  client: SQSClient,
  { stream }: Pick<ResourceNames, 'stream'>,
  fifo: boolean,
): Promise<string> => createQueue(client, `${stream}-failed${fifo ? '.fifo' : ''}`, fifo);

/** The ARN of a queue, as events name it. */
export const queueArn = (queue: string): string => `arn:aws:sqs:${LOCAL_REGION}:000000000000:${queue}`;

const COUNTS = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
] as const;

const isMessage = (data: Uint8Array): boolean => data.length <= MAX_MESSAGE_BYTES && isMessageText(data);

/** Returns a key as a message group, whose name has at most 128 printable characters of ASCII. */
const groupOf = (key: string): string =>
  /^[!-~]{1,128}$/.test(key) ? key : createHash('sha256').update(key).digest('hex');

/** The first 48 bits of a message's MD5, as a number. */
const digestOf = (data: Uint8Array): number => createHash('md5').update(data).digest().readUIntBE(0, 6);

const chunksOf = <Item>(items: readonly Item[]): readonly (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / MAX_REQUEST_MESSAGES) }, (_, at) =>
    items.slice(MAX_REQUEST_MESSAGES * at, MAX_REQUEST_MESSAGES * (at + 1)),
  );

/** What an event has for each message beside its body and its attributes, roughly. */
const ENVELOPE_BYTES = 600;

function heldOf(
  { MessageId = '', ReceiptHandle = '', Body = '', MD5OfBody = '', Attributes = {} }: Message,
  queue: string,
  at: (real: EpochMillis) => EpochMillis,
): Held {
  const sent = Number(Attributes.SentTimestamp) as EpochMillis;
  return {
    id: MessageId,
    group: Attributes.MessageGroupId,
    receipt: ReceiptHandle,
    bytes: Buffer.byteLength(JSON.stringify(Body)) + ENVELOPE_BYTES,
    record: {
      messageId: MessageId,
      receiptHandle: ReceiptHandle,
      body: Body,
      attributes: { ...Attributes, SentTimestamp: String(at(sent)) } as unknown as SQSRecord['attributes'],
      messageAttributes: {},
      md5OfBody: MD5OfBody,
      eventSource: 'aws:sqs',
      eventSourceARN: queueArn(queue),
      awsRegion: LOCAL_REGION,
    },
  };
}
