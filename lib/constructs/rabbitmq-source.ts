import type * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { RabbitSource } from '../../src/pipeline/sources/rabbitmq.ts';
import { MAPPINGS } from '../../src/wiring/mappings.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { NETWORK_ACTIONS, type PipelineFunction } from './pipeline-function.ts';
import type { SourceDimensions, SourcePart } from './source.ts';
import type { Reading } from './stream-mapping.ts';

export interface RabbitmqSourceProps {
  readonly pipeline: string;
  readonly source: RabbitSource<unknown>;
}

/**
 * A queue of a RabbitMQ broker of Amazon MQ, which is there already: CloudFormation makes no queues.
 *
 * @throws RangeError when the source does not say which broker and secret to use, or what becomes of a message
 * that was delivered too often
 */
export class RabbitmqSource extends Construct implements SourcePart {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly dimensions: SourceDimensions;
  readonly #source: RabbitSource<unknown>;
  readonly #broker: string;
  readonly #secret: string;

  constructor(scope: Construct, id: string, { pipeline, source }: RabbitmqSourceProps) {
    super(scope, id);
    const { queue, broker, secret, deadLetterExchange, deliveryLimit } = source;
    const refuse = (rule: string, state: string): RangeError =>
      new RangeError(`Cannot make a stack of "${pipeline}" as ${rule}: ${state}`);
    if (broker === undefined || secret === undefined) {
      const state = broker === undefined ? 'broker is not set' : 'secret is not set';
      throw refuse('rabbitmq must have the ARNs of its broker and of the secret with its user', state);
    }
    if (deadLetterExchange === undefined && deliveryLimit === undefined) {
      throw refuse(
        'a quorum queue drops a message after 20 deliveries since RabbitMQ 4.0, and every message of a batch ' +
          'that fails is delivered again, so rabbitmq must have a deadLetterExchange, or deliveryLimit: "none" ' +
          'for a queue without a limit',
        'neither is set',
      );
    }
    this.#source = source;
    this.#broker = broker;
    this.#secret = secret;
    const brokerName = broker.split(':').at(-2) as string;
    this.environment = { [ENVIRONMENT.brokerName]: brokerName };
    this.dimensions = { broker: { Broker: brokerName, VirtualHost: source.virtualHost, Queue: queue } };
    this.outputs = { QueueName: queue };
  }

  /** Passes every message to `handler`. Lambda has one batch in flight, and delivers a batch that fails again. */
  feed(handler: PipelineFunction, { batchingWindow }: Pick<Reading, 'batchingWindow'>): void {
    handler.permit(['mq:DescribeBroker'], this.#broker);
    handler.permit(['secretsmanager:GetSecretValue'], this.#secret);
    handler.permit(NETWORK_ACTIONS, '*');
    const { queue, virtualHost } = this.#source;
    const mapping = new lambda.CfnEventSourceMapping(this, 'Mapping', {
      functionName: handler.live.functionName,
      eventSourceArn: this.#broker,
      queues: [queue],
      sourceAccessConfigurations: [
        { type: 'BASIC_AUTH', uri: this.#secret },
        { type: 'VIRTUAL_HOST', uri: virtualHost },
      ],
      batchSize: MAPPINGS.rabbitmq.batchSize,
      maximumBatchingWindowInSeconds: batchingWindow.toSeconds(),
    });
    // Lambda connects with the role of the function, which must be allowed that by then.
    if (handler.role) mapping.node.addDependency(handler.role);
  }

  /** Lets the sweeper see whether any message waits. */
  allowLook(sweeper: PipelineFunction): void {
    // This action takes no resource.
    sweeper.permit(['cloudwatch:GetMetricStatistics'], '*');
  }

  grantPut(_: iam.IGrantable): iam.Grant {
    throw new RangeError(
      `Cannot grant putting messages into "${this.#source.queue}" as a policy of IAM must be able to allow it: a RabbitMQ broker has users of its own`,
    );
  }
}
