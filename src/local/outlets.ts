import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { CreateStreamCommand, ResourceInUseException as StreamExists } from '@aws-sdk/client-kinesis';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { appsyncChannel } from '../adapters/appsync/channel.ts';
import { clientOf } from '../adapters/aws/client.ts';
import { eventBus } from '../adapters/eventbridge/bus.ts';
import { kinesisStream } from '../adapters/kinesis/stream-outlet.ts';
import { snsTopic } from '../adapters/sns/topic.ts';
import { sqsQueue } from '../adapters/sqs/queue-outlet.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type Service, serviceOf } from '../pipeline/services.ts';
import { sinkName } from '../pipeline/sinks.ts';
import type { Clock } from '../ports/clock.ts';
import type { Outlet } from '../ports/outlet.ts';
import { type Clients, settingsFor, UNHURRIED, unlessItExists } from './resources.ts';
import type { LocalServers } from './servers/servers.ts';
import { quoted } from './shell.ts';
import { connectQueues, createQueue, queueArn } from './sources/sqs.ts';

/** Where a sink of a run sends its messages. */
export interface SinkPlace {
  readonly sink: string;
  /** What the messages are sent to, such as `topic flights-to-alerts`. */
  readonly resource: string;
  /** A shell command that reads the messages. */
  readonly command: string;
}

/** What sends the messages of a pipeline's sinks on this machine. */
export interface LocalOutlets {
  readonly outlets: ReadonlyMap<string, Outlet>;
  readonly places: readonly SinkPlace[];
  close(): void;
}

/** The namespace of the channels that a run pushes to. */
const NAMESPACE = 'panes';
const SHARDS = 2;

/**
 * Creates what the sinks of a pipeline send to, unless it exists, and connects to it. What is sent to a topic, to a bus or
 * to a queue waits in a queue of the name `<pipeline>-to-<sink>`.
 */
export async function openOutlets(
  pipeline: Pipeline,
  endpoints: LocalServers['endpoints'],
  { kinesis }: Pick<Clients, 'kinesis'>,
  clock: Clock,
): Promise<LocalOutlets> {
  const { s3: endpoint } = endpoints;
  const queues = connectQueues(endpoint);
  const sns = clientOf(SNSClient, settingsFor('sns', endpoint), UNHURRIED);
  const bus = clientOf(EventBridgeClient, settingsFor('events', endpoint), UNHURRIED);

  const open: { readonly [Of in Service]: (name: string, isFifo: boolean) => Promise<Opened> } = {
    async sns(name, isFifo) {
      const url = await createQueue(queues, name, isFifo);
      const Attributes = isFifo ? { FifoTopic: 'true' } : {};
      const { TopicArn = '' } = await sns.send(new CreateTopicCommand({ Name: name, Attributes }));
      await sns.send(
        new SubscribeCommand({
          TopicArn,
          Protocol: 'sqs',
          Endpoint: queueArn(name),
          Attributes: { RawMessageDelivery: 'true' },
        }),
      );
      const outlet = snsTopic(sns, TopicArn, clock);
      return { outlet, resource: `topic ${name}`, command: receiving(endpoint, url) };
    },
    async eventbridge(name) {
      const url = await createQueue(queues, name, false);
      return {
        outlet: eventBus(bus, name, clock),
        resource: `event bus ${name}`,
        command: receiving(endpoint, url),
      };
    },
    async sqs(name, isFifo) {
      const url = await createQueue(queues, name, isFifo);
      return {
        outlet: sqsQueue(queues, url, clock),
        resource: `queue ${name}`,
        command: receiving(endpoint, url),
      };
    },
    async kinesis(name) {
      await unlessItExists(StreamExists, () =>
        kinesis.send(new CreateStreamCommand({ StreamName: name, ShardCount: SHARDS })),
      );
      const iterator = `aws --endpoint-url ${endpoints.kinesis} kinesis get-shard-iterator --stream-name ${name} --shard-id shardId-000000000000 --shard-iterator-type TRIM_HORIZON --query ShardIterator --output text`;
      return {
        outlet: kinesisStream(kinesis, name, clock),
        resource: `stream ${name}`,
        command: `aws --endpoint-url ${endpoints.kinesis} kinesis get-records --shard-iterator "$(${iterator})"`,
      };
    },
    async appsync() {
      const subscribe = JSON.stringify({ type: 'subscribe', id: '1', channel: `/${NAMESPACE}/*` });
      const socket = `${endpoint.replace('http', 'ws')}/event/realtime`;
      return {
        outlet: appsyncChannel({ endpoint: `${endpoint}/event`, namespace: NAMESPACE }, bus.config, clock),
        resource: `channels /${NAMESPACE}/${pipeline.name}/<window>`,
        command: `npx wscat --subprotocol aws-appsync-event-ws --connect ${socket} --wait 3600 --execute ${quoted(subscribe)}`,
      };
    },
  };

  const opened = await Promise.all(
    pipeline.sinks.flatMap((sink) => {
      const service = serviceOf(sink);
      if (service === undefined) return [];
      const isFifo = 'to' in sink && sink.to.endsWith('-fifo');
      const name = `${pipeline.name}-to-${sinkName(sink)}${isFifo ? '.fifo' : ''}`;
      return [open[service](name, isFifo).then((one) => ({ sink: sinkName(sink), ...one }))];
    }),
  );
  return {
    outlets: new Map(opened.map(({ sink, outlet }) => [sink, outlet])),
    places: opened.map(({ sink, resource, command }) => ({ sink, resource, command })),
    close() {
      for (const client of [queues, sns, bus]) client.destroy();
    },
  };
}

interface Opened extends Omit<SinkPlace, 'sink'> {
  readonly outlet: Outlet;
}

/** Returns the command that receives messages, and leaves them to be received again half a minute later. */
const receiving = (endpoint: string, url: string): string =>
  `aws --endpoint-url ${endpoint} sqs receive-message --queue-url ${url} --max-number-of-messages 10 --message-attribute-names All`;
