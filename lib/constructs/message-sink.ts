import { ArnFormat, Duration, Names, Stack } from 'aws-cdk-lib';
import * as appsync from 'aws-cdk-lib/aws-appsync';
import * as events from 'aws-cdk-lib/aws-events';
import * as kinesis from 'aws-cdk-lib/aws-kinesis';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Service } from '../../src/pipeline/services.ts';
import { namespaceVariable, sinkVariable } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { Kept } from './settings.ts';

/** An Event API of AppSync that exists, and the namespace of its channels that is published to. */
interface ExistingChannels {
  readonly api: appsync.IEventApi;
  readonly namespace: string;
}

/** What exists already that a sink sends to: as a construct or, but for channels, as an ARN. */
export type SinkTarget =
  | sns.ITopic
  | events.IEventBus
  | kinesis.IStream
  | sqs.IQueue
  | ExistingChannels
  | string;

export interface MessageSinkProps extends Omit<Kept, 'name'> {
  readonly name: string;
  readonly service: Service;
  readonly isFifo: boolean;
  /** What the sink sends to; without it, the construct makes it. */
  readonly target: SinkTarget | undefined;
}

/** For how long a stream or a queue keeps what nobody has read. */
const STREAM_RETENTION = Duration.days(7);
const QUEUE_RETENTION = Duration.days(14);

/** The namespace of the channels of an API that a stack makes. */
const NAMESPACE = 'panes';

/** What a sink sends to, and how a function may. */
interface Place {
  /** The values of environment variables, outputs without the sink's name before them. */
  readonly address: string;
  readonly namespace?: string;
  readonly outputs: { readonly [name: string]: string };
  readonly action: string;
  readonly resource: string;
  /** The customer's own key with which the service encrypts what it is sent. */
  readonly key?: kms.IKey | undefined;
}

/**
 * The topic, the bus, the stream, the queue or the channels that a sink sends to.
 *
 * What it makes is encrypted, and refuses requests without TLS as far as its service takes any. Its function may send
 * to this one resource, and nothing else with it.
 */
export class MessageSink extends Construct {
  /** The name of the sink. */
  readonly sink: string;
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly #place: Place;

  /** @throws RangeError when the target is not what the sink sends to */
  constructor(scope: Construct, id: string, props: MessageSinkProps) {
    super(scope, id);
    this.sink = props.name;
    this.#place = PLACES[props.service](this, props);
    const { address, namespace, outputs } = this.#place;
    this.environment = {
      [sinkVariable(props.name)]: address,
      ...(namespace && { [namespaceVariable(props.name)]: namespace }),
    };
    this.outputs = Object.fromEntries(
      Object.entries(outputs).map(([name, value]) => [`${id}${name}`, value]),
    );
  }

  readonly allowWrite = (projector: PipelineFunction): void => {
    const { action, resource, key } = this.#place;
    projector.permit([action], resource);
    if (key) projector.permit(['kms:GenerateDataKey', 'kms:Decrypt'], key.keyArn);
  };
}

const PLACES: { readonly [Of in Service]: (scope: Construct, props: MessageSinkProps) => Place } = {
  sns(scope, props) {
    const topic =
      existing(props, 'topicArn', (arn) => sns.Topic.fromTopicArn(scope, 'Topic', arn)) ??
      new sns.Topic(scope, 'Topic', {
        enforceSSL: true,
        masterKey: props.key ?? kms.Alias.fromAliasName(scope, 'Key', 'alias/aws/sns'),
        // A message group is of one key, and so is a deduplication id.
        ...(props.isFifo && {
          fifo: true,
          contentBasedDeduplication: false,
          fifoThroughputScope: sns.FifoThroughputScope.MESSAGE_GROUP,
        }),
      });
    const { topicArn } = topic;
    checkFifo(props, topic.fifo);
    if (props.target === undefined) topic.applyRemovalPolicy(props.removalPolicy);
    return {
      address: topicArn,
      outputs: { TopicArn: topicArn },
      action: 'sns:Publish',
      resource: topicArn,
      ...(props.target !== undefined && { key: (topic as { masterKey?: kms.IKey }).masterKey }),
    };
  },
  eventbridge(scope, props) {
    const bus =
      existing(props, 'eventBusArn', (arn) => events.EventBus.fromEventBusArn(scope, 'Bus', arn)) ??
      new events.EventBus(scope, 'Bus');
    const { eventBusArn, eventBusName } = bus;
    if (props.target === undefined) bus.applyRemovalPolicy(props.removalPolicy);
    return {
      address: eventBusArn,
      outputs: { BusName: eventBusName },
      action: 'events:PutEvents',
      resource: eventBusArn,
    };
  },
  kinesis(scope, props) {
    const stream =
      existing(props, 'streamArn', (arn) => kinesis.Stream.fromStreamArn(scope, 'Stream', arn)) ??
      onDemandStream(scope, props);
    const { streamArn, streamName, encryptionKey } = stream;
    return {
      address: streamArn,
      outputs: { StreamName: streamName },
      action: 'kinesis:PutRecords',
      resource: streamArn,
      ...(props.target !== undefined && { key: encryptionKey }),
    };
  },
  sqs(scope, props) {
    const queue =
      existing(props, 'queueArn', (arn) => sqs.Queue.fromQueueArn(scope, 'Queue', arn)) ??
      new sqs.Queue(scope, 'Queue', {
        ...(props.key
          ? { encryption: sqs.QueueEncryption.KMS, encryptionMasterKey: props.key }
          : { encryption: sqs.QueueEncryption.SQS_MANAGED }),
        enforceSSL: true,
        retentionPeriod: QUEUE_RETENTION,
        removalPolicy: props.removalPolicy,
        ...(props.isFifo && {
          fifo: true,
          contentBasedDeduplication: false,
          deduplicationScope: sqs.DeduplicationScope.MESSAGE_GROUP,
          fifoThroughputLimit: sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
        }),
      });
    const { queueArn, queueUrl, encryptionMasterKey: key } = queue;
    checkFifo(props, queue.fifo);
    return {
      address: queueUrl,
      outputs: { QueueUrl: queueUrl },
      action: 'sqs:SendMessage',
      resource: queueArn,
      key,
    };
  },
  appsync(scope, props) {
    const { target } = props;
    if (typeof target === 'string' || (target !== undefined && !('api' in target)))
      throw wrong(props, 'an Event API with a namespace');
    const { api, namespace } = target ?? madeChannels(scope, props);
    const endpoint = `https://${api.httpDns}/event`;
    return {
      address: endpoint,
      namespace,
      outputs: { EventsUrl: endpoint, RealtimeUrl: `wss://${api.realtimeDns}/event/realtime` },
      action: 'appsync:EventPublish',
      resource: Stack.of(scope).formatArn({
        service: 'appsync',
        resource: 'apis',
        resourceName: `${api.apiId}/channelNamespace/${namespace}`,
        arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
      }),
    };
  },
};

/** Makes an API whose callers all sign as principals of the account. */
function madeChannels(scope: Construct, { removalPolicy }: MessageSinkProps): ExistingChannels {
  const iam = appsync.AppSyncAuthorizationType.IAM;
  const api = new appsync.EventApi(scope, 'Api', {
    apiName: Names.uniqueResourceName(scope, { maxLength: 50, separator: '-' }),
    authorizationConfig: {
      authProviders: [{ authorizationType: iam }],
      connectionAuthModeTypes: [iam],
      defaultPublishAuthModeTypes: [iam],
      defaultSubscribeAuthModeTypes: [iam],
    },
  });
  const channels = api.addChannelNamespace('Channels', { channelNamespaceName: NAMESPACE });
  for (const made of [api, channels]) made.applyRemovalPolicy(removalPolicy);
  return { api, namespace: NAMESPACE };
}

function onDemandStream(scope: Construct, { removalPolicy, key }: MessageSinkProps): kinesis.IStream {
  const stream = new kinesis.Stream(scope, 'Stream', {
    streamMode: kinesis.StreamMode.ON_DEMAND,
    retentionPeriod: STREAM_RETENTION,
    ...(key
      ? { encryption: kinesis.StreamEncryption.KMS, encryptionKey: key }
      : { encryption: kinesis.StreamEncryption.MANAGED }),
    removalPolicy,
  });
  // Messages of a key are in order only where the stream heeds partition keys. CDK's own class lacks the property.
  (stream.node.defaultChild as kinesis.CfnStream).recordDistributionStrategy = 'USER_PARTITION_KEY';
  return stream;
}

/**
 * Returns what a sink is to send to, where that exists already.
 *
 * @param field the property by which such a construct is known
 * @param imported makes a construct of an ARN
 */
function existing<Field extends string, Target>(
  props: MessageSinkProps,
  field: Field,
  imported: (arn: string) => Target,
): Target | undefined {
  const { target } = props;
  if (target === undefined) return undefined;
  if (typeof target !== 'string') {
    if (field in target) return target as Target;
    throw wrong(props, `a construct with "${field}"`);
  }
  if (target.split(':')[2] === ARN_SERVICES[field]) return imported(target);
  throw wrong(props, `an ARN of ${ARN_SERVICES[field]}`);
}

const ARN_SERVICES: { readonly [field: string]: string } = {
  topicArn: 'sns',
  eventBusArn: 'events',
  streamArn: 'kinesis',
  queueArn: 'sqs',
};

const wrong = ({ name, service }: MessageSinkProps, needed: string): RangeError =>
  new RangeError(`Cannot deploy the sink "${name}" as it sends to ${service}: its target must be ${needed}`);

/** @throws RangeError where a FIFO topic or queue is given for one that is not, or the other way about */
function checkFifo({ name, isFifo, target }: MessageSinkProps, fifo: boolean | undefined): void {
  if (target === undefined || fifo === undefined || fifo === isFifo) return;
  throw new RangeError(
    `Cannot deploy the sink "${name}" as its target must be ${isFifo ? '' : 'no '}FIFO, as the definition says: it is ${fifo ? '' : 'no '}FIFO`,
  );
}
