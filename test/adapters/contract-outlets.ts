import {
  CreateEventBusCommand,
  EventBridgeClient,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import {
  CreateStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { WebSocket } from 'ws';
import { appsyncChannel } from '../../src/adapters/appsync/channel.ts';
import { clientOf } from '../../src/adapters/aws/client.ts';
import { eventBus } from '../../src/adapters/eventbridge/bus.ts';
import { kinesisStream } from '../../src/adapters/kinesis/stream-outlet.ts';
import { snsTopic } from '../../src/adapters/sns/topic.ts';
import { sqsQueue } from '../../src/adapters/sqs/queue-outlet.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { UNHURRIED } from '../../src/local/resources.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Outlet } from '../../src/ports/outlet.ts';
import { fresher } from './contract-titles.ts';

/** What somebody received of a message. */
interface Received {
  readonly body: string;
  /** What tells the message from others without its body, where the service has such a thing. */
  readonly id?: string | undefined;
}

/** Answers a request: with the code of a refusal for each message that is refused. */
type Ask = (bodies: readonly string[], signal: AbortSignal) => Promise<readonly (string | undefined)[]>;

/** A service that takes messages, and its bounds. */
export interface Service {
  readonly name: string;
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Whether it keeps the order of a key, so that a request must hold one message of each. */
  readonly keepsOrder: boolean;
  /** Returns an outlet to a service that answers as it is told. */
  over(ask: Ask, clock: Clock): Outlet;
  /** Creates a resource on real servers: an outlet to it, and what reads all that it was sent. */
  create(
    endpoints: Endpoints,
  ): Promise<{ readonly outlet: Outlet; received(): Promise<readonly Received[]> }>;
}

/** Where the services of some servers are. */
export interface Endpoints {
  /** SNS, SQS and EventBridge. */
  readonly messages: string;
  readonly kinesis: string;
  /** Whether a bus has rules; otherwise it passes every event to the queue of its name. */
  readonly hasRules: boolean;
  readonly hasChannels: boolean;
}

const SETTINGS = { region: 'us-east-1', credentials: { accessKeyId: 'any', secretAccessKey: 'any' } };
const fresh = fresher();
const clock = systemClock();

/** A client whose requests are answered by a function of their input. */
const answering = <Client>(answer: (input: never, signal: AbortSignal) => Promise<unknown>): Client =>
  ({
    send: ({ input }: { readonly input: never }, { abortSignal }: { readonly abortSignal: AbortSignal }) =>
      answer(input, abortSignal),
  }) as Client;

/** As SNS and SQS answer. */
const inLists = (
  entries: readonly { readonly Id?: string }[],
  refusals: readonly (string | undefined)[],
) => ({
  Successful: entries.filter((_, at) => refusals[at] === undefined).map(({ Id }) => ({ Id })),
  Failed: entries
    .map(({ Id }, at) => ({ Id, Code: refusals[at], SenderFault: false }))
    .filter(({ Code }) => Code !== undefined),
});

const queuesAt = (endpoint: string) =>
  clientOf(SQSClient, { ...SETTINGS, endpoint, useQueueUrlAsEndpoint: false });

async function createQueue(sqs: SQSClient, isFifo: boolean) {
  const suffix = isFifo ? '.fifo' : '';
  const QueueName = `${fresh('queue')}${suffix}`;
  const Attributes = isFifo ? { FifoQueue: 'true' } : {};
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
  const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] });
  const { QueueArn = '' } = (await sqs.send(asked)).Attributes ?? {};
  return { name: QueueName, url: QueueUrl, arn: QueueArn };
}

/** Receives all that is in a queue. */
export async function drain(sqs: SQSClient, QueueUrl: string): Promise<Received[]> {
  const received: Received[] = [];
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] }),
    );
    if (Messages.length === 0) return received;
    for (const { Body = '', MessageAttributes, ReceiptHandle } of Messages) {
      received.push({ body: Body, id: MessageAttributes?.['id']?.StringValue });
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
}

const topic = (isFifo: boolean): Service => ({
  name: isFifo ? 'a FIFO topic of SNS' : 'a topic of SNS',
  maxEntries: 10,
  maxBytes: 262_144,
  keepsOrder: isFifo,
  over: (ask, clock) =>
    snsTopic(
      answering(
        async (
          {
            PublishBatchRequestEntries: entries,
          }: { PublishBatchRequestEntries: { Id: string; Message: string }[] },
          signal,
        ) =>
          inLists(
            entries,
            await ask(
              entries.map(({ Message }) => Message),
              signal,
            ),
          ),
      ),
      `arn:aws:sns:us-east-1:000000000000:topic${isFifo ? '.fifo' : ''}`,
      clock,
    ),
  async create({ messages: endpoint }) {
    const sns = clientOf(SNSClient, { ...SETTINGS, endpoint });
    const sqs = queuesAt(endpoint);
    const queue = await createQueue(sqs, isFifo);
    const { TopicArn = '' } = await sns.send(
      new CreateTopicCommand({
        Name: `${fresh('topic')}${isFifo ? '.fifo' : ''}`,
        Attributes: isFifo ? { FifoTopic: 'true' } : {},
      }),
    );
    await sns.send(
      new SubscribeCommand({
        TopicArn,
        Protocol: 'sqs',
        Endpoint: queue.arn,
        Attributes: { RawMessageDelivery: 'true' },
      }),
    );
    return { outlet: snsTopic(sns, TopicArn, clock), received: () => drain(sqs, queue.url) };
  },
});

const queue = (isFifo: boolean): Service => ({
  name: isFifo ? 'a FIFO queue of SQS' : 'a queue of SQS',
  maxEntries: 10,
  maxBytes: 1_048_576,
  keepsOrder: isFifo,
  over: (ask, clock) =>
    sqsQueue(
      answering(async ({ Entries: entries }: { Entries: { Id: string; MessageBody: string }[] }, signal) =>
        inLists(
          entries,
          await ask(
            entries.map(({ MessageBody }) => MessageBody),
            signal,
          ),
        ),
      ),
      `http://localhost/000000000000/queue${isFifo ? '.fifo' : ''}`,
      clock,
    ),
  async create({ messages: endpoint }) {
    const sqs = queuesAt(endpoint);
    const { url } = await createQueue(sqs, isFifo);
    return { outlet: sqsQueue(sqs, url, clock), received: () => drain(sqs, url) };
  },
});

const stream: Service = {
  name: 'a stream of Kinesis',
  maxEntries: 500,
  maxBytes: 5 * 1_048_576,
  keepsOrder: true,
  over: (ask, clock) =>
    kinesisStream(
      answering(async ({ Records: records }: { Records: { Data: Uint8Array }[] }, signal) => {
        const refusals = await ask(
          records.map(({ Data }) => Buffer.from(Data).toString()),
          signal,
        );
        return {
          Records: refusals.map((ErrorCode) => (ErrorCode ? { ErrorCode } : { SequenceNumber: '1' })),
        };
      }),
      'stream',
      clock,
    ),
  async create({ kinesis: endpoint }) {
    const kinesis = clientOf(KinesisClient, { ...SETTINGS, endpoint });
    const StreamName = fresh('stream');
    await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: 2 }));
    return {
      outlet: kinesisStream(kinesis, StreamName, clock),
      received: () => recordsOf(kinesis, StreamName),
    };
  },
};

/** Reads all that is in a stream. */
export async function recordsOf(kinesis: KinesisClient, StreamName: string): Promise<Received[]> {
  const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName }));
  const received: Received[] = [];
  for (const { ShardId } of Shards) {
    let { ShardIterator } = await kinesis.send(
      new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }),
    );
    for (;;) {
      const { Records = [], NextShardIterator } = await kinesis.send(
        new GetRecordsCommand({ ShardIterator }),
      );
      received.push(...Records.map(({ Data = [] }) => ({ body: Buffer.from(Data).toString() })));
      if (Records.length === 0) break;
      ShardIterator = NextShardIterator;
    }
  }
  return received;
}

const bus: Service = {
  name: 'a bus of EventBridge',
  maxEntries: 10,
  maxBytes: 262_144,
  keepsOrder: false,
  over: (ask, clock) =>
    eventBus(
      answering(async ({ Entries: entries }: { Entries: { Detail: string }[] }, signal) => {
        const refusals = await ask(
          entries.map(({ Detail }) => Detail),
          signal,
        );
        return {
          FailedEntryCount: refusals.filter((code) => code !== undefined).length,
          Entries: refusals.map((ErrorCode) => (ErrorCode ? { ErrorCode } : { EventId: 'any' })),
        };
      }),
      'bus',
      clock,
    ),
  async create({ messages: endpoint, hasRules }) {
    // Moto takes half a second for an event.
    const events = clientOf(EventBridgeClient, { ...SETTINGS, endpoint }, UNHURRIED);
    const sqs = queuesAt(endpoint);
    const { name, url, arn } = await createQueue(sqs, false);
    if (hasRules) {
      await events.send(new CreateEventBusCommand({ Name: name }));
      const EventPattern = JSON.stringify({ source: ['millrace'] });
      await events.send(new PutRuleCommand({ Name: name, EventBusName: name, EventPattern }));
      await events.send(
        new PutTargetsCommand({ Rule: name, EventBusName: name, Targets: [{ Id: 'queue', Arn: arn }] }),
      );
    }
    return {
      outlet: eventBus(events, name, clock),
      async received() {
        return (await drain(sqs, url)).map(({ body }) => {
          const { detail, resources } = JSON.parse(body);
          return { body: JSON.stringify(detail), id: resources[0] };
        });
      },
    };
  },
};

/** Whoever may publish: the credentials and the region of any client. */
const { config: identity } = new SQSClient(SETTINGS);

const channel: Service = {
  name: 'a channel of AppSync Events',
  maxEntries: 5,
  maxBytes: 5 * 240_000,
  keepsOrder: false,
  over(ask, clock) {
    const endpoint = 'http://127.0.0.1:1/event';
    const fetchFrom: typeof fetch = async (_, { body, signal } = {}) => {
      const { events } = JSON.parse(String(body));
      const places = (await ask(events, signal as AbortSignal)).map((code, index) => ({ code, index }));
      const taken = places.filter(({ code }) => code === undefined);
      return Response.json({ successful: taken, failed: places.filter((place) => !taken.includes(place)) });
    };
    return appsyncChannel({ endpoint, namespace: 'panes' }, identity, clock, fetchFrom);
  },
  async create({ messages }) {
    const namespace = fresh('panes');
    const received: Received[] = [];
    const socket = new WebSocket(`${messages.replace('http', 'ws')}/event/realtime`, 'aws-appsync-event-ws');
    const [subscribed, subscribe] = settling();
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })));
    socket.on('message', (data) => {
      const { type, event = [] } = JSON.parse(String(data));
      const channel = `/${namespace}/*`;
      if (type === 'connection_ack') socket.send(JSON.stringify({ type: 'subscribe', id: 'all', channel }));
      if (type === 'subscribe_success') subscribe();
      for (const body of event) received.push({ body });
    });
    await subscribed;
    const endpoint = `${messages}/event`;
    return {
      outlet: appsyncChannel({ endpoint, namespace }, identity, clock),
      // What is published before a subscription ends comes before what confirms its end.
      async received() {
        const [ended, end] = settling();
        socket.on('message', (data) => JSON.parse(String(data)).type === 'unsubscribe_success' && end());
        socket.send(JSON.stringify({ type: 'unsubscribe', id: 'all' }));
        await ended;
        socket.close();
        return received;
      },
    };
  },
};

function settling(): readonly [Promise<void>, () => void] {
  let settle = () => {};
  return [
    new Promise<void>((resolve) => {
      settle = resolve;
    }),
    () => settle(),
  ];
}

export const SERVICES: readonly Service[] = [
  topic(false),
  topic(true),
  queue(false),
  queue(true),
  stream,
  bus,
  channel,
];
