import { ArnFormat, Duration, Names, Stack, Token } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kinesis from 'aws-cdk-lib/aws-kinesis';
import { KinesisConsumerEventSource, KinesisEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import type { KinesisSource as Stream } from '../../src/pipeline/sources/kinesis.ts';
import { MAPPINGS } from '../../src/wiring/mappings.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { Kept } from './settings.ts';
import type { SourceDimensions, SourcePart } from './source.ts';
import { type Reading, readingInOrder } from './stream-mapping.ts';

export interface KinesisSourceProps extends Kept {
  /** The name of the pipeline. */
  readonly pipeline: string;
  readonly source: Stream<unknown>;
  /** The stream that is read, where the definition names none; without either, the construct makes one. */
  readonly existing?: kinesis.IStream | undefined;
  readonly overrides?: kinesis.StreamProps | undefined;
}

/**
 * A data stream that the stack makes, or one that exists, and a consumer of its own where the definition asks
 * for enhanced fan-out.
 */
export class KinesisSource extends Construct implements SourcePart {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly dimensions: SourceDimensions;
  readonly arn: string;
  readonly stream: kinesis.IStream;
  readonly #fanOut: boolean;

  /**
   * @throws RangeError when the definition names a stream and one is brought, or the stream is known to be of another
   * account or region than the stack
   */
  constructor(scope: Construct, id: string, props: KinesisSourceProps) {
    super(scope, id);
    const { stream, fanOut } = props.source;
    this.#fanOut = fanOut;
    this.stream =
      'arn' in stream ? named(this, stream.arn, props) : (props.existing ?? made(this, stream, props));
    this.arn = this.stream.streamArn;
    this.environment = { [ENVIRONMENT.stream]: this.stream.streamName };
    this.dimensions = { stream: { StreamName: this.stream.streamName } };
    this.outputs = { StreamName: this.stream.streamName };
  }

  /** Passes every record to `handler`. */
  feed(handler: PipelineFunction, reading: Reading): void {
    const settings = readingInOrder(MAPPINGS.kinesis, reading);
    if (!this.#fanOut) {
      handler.addEventSource(new KinesisEventSource(this.stream, settings));
      return;
    }
    const consumer = new kinesis.StreamConsumer(this, 'Consumer', {
      stream: this.stream,
      // Consumers of one stream have different names, and the stream may be read by several stacks.
      streamConsumerName: Names.uniqueResourceName(this, { maxLength: 128, separator: '-' }),
    });
    handler.addEventSource(new KinesisConsumerEventSource(consumer, settings));
  }

  /** Lets the sweeper see which records no handler has read yet. It reads the stream itself, never as a consumer. */
  allowLook(sweeper: PipelineFunction): void {
    sweeper.permit(
      ['kinesis:ListShards', 'kinesis:GetShardIterator', 'kinesis:GetRecords'],
      this.stream.streamArn,
    );
  }

  grantPut(grantee: iam.IGrantable): iam.Grant {
    const { streamArn, encryptionKey } = this.stream;
    const putting = iam.Grant.addToPrincipal({
      grantee,
      actions: ['kinesis:PutRecord', 'kinesis:PutRecords'],
      resourceArns: [streamArn],
    });
    return encryptionKey === undefined
      ? putting
      : putting.combine(encryptionKey.grant(grantee, 'kms:GenerateDataKey'));
  }
}

type NewStream = Exclude<Stream<unknown>['stream'], { readonly arn: string }>;

function made(
  scope: Construct,
  { mode, retention }: NewStream,
  { source, removalPolicy, key, name, overrides }: KinesisSourceProps,
): kinesis.IStream {
  const common = {
    retentionPeriod: Duration.millis(retention),
    ...(key
      ? { encryption: kinesis.StreamEncryption.KMS, encryptionKey: key }
      : { encryption: kinesis.StreamEncryption.MANAGED }),
    ...(name !== undefined && { streamName: name }),
    removalPolicy,
  };
  if (mode === 'provisioned') {
    // A provisioned stream always honours partition keys.
    return new kinesis.Stream(scope, 'Stream', {
      ...common,
      streamMode: kinesis.StreamMode.PROVISIONED,
      shardCount: source.shards,
      ...overrides,
    });
  }
  const stream = new kinesis.Stream(scope, 'Stream', {
    ...common,
    streamMode: kinesis.StreamMode.ON_DEMAND,
    ...overrides,
  });
  // The records of a key are in order, and in few key groups, only where the stream heeds partition keys. CDK's
  // own class does not have the property.
  (stream.node.defaultChild as kinesis.CfnStream).recordDistributionStrategy = 'USER_PARTITION_KEY';
  return stream;
}

/** The stream that a definition names by its ARN. */
function named(scope: Construct, arn: string, { pipeline, existing }: KinesisSourceProps): kinesis.IStream {
  if (existing !== undefined) {
    throw new RangeError(
      `Cannot bring a stream for "${pipeline}" as one place alone must say which it reads: the definition names ${arn}`,
    );
  }
  const { region, account } = Stack.of(scope);
  const of = Stack.of(scope).splitArn(arn, ArnFormat.SLASH_RESOURCE_NAME);
  for (const [what, theirs, ours] of [
    ['region', of.region, region],
    ['account', of.account, account],
  ] as const) {
    if (Token.isUnresolved(ours) || theirs === ours) continue;
    throw new RangeError(
      `Cannot read the stream "${arn}" as it must be of the stack's own region and account: the stack's ${what} is ${ours}`,
    );
  }
  return kinesis.Stream.fromStreamArn(scope, 'Stream', arn);
}
