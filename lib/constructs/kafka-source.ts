import { ArnFormat, Stack, Token } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { Cluster, SecretWay } from '../../src/pipeline/cluster.ts';
import type { KafkaSource as Topic } from '../../src/pipeline/sources/kafka.ts';
import { MAPPINGS } from '../../src/wiring/mappings.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { NETWORK_ACTIONS, type PipelineFunction } from './pipeline-function.ts';
import type { SourcePart } from './source.ts';
import type { Reading } from './stream-mapping.ts';

/** The most event pollers that Lambda takes. */
const MAX_POLLERS = 2_000;

/** How the mapping names each way to use a secret. */
const ACCESS: { readonly [Way in SecretWay]: lambda.SourceAccessConfigurationType } = {
  scram: lambda.SourceAccessConfigurationType.SASL_SCRAM_512_AUTH,
  scram256: lambda.SourceAccessConfigurationType.SASL_SCRAM_256_AUTH,
  plain: lambda.SourceAccessConfigurationType.BASIC_AUTH,
  mtls: lambda.SourceAccessConfigurationType.CLIENT_CERTIFICATE_TLS_AUTH,
};

export interface KafkaSourceProps {
  /** The name of the pipeline. */
  readonly name: string;
  readonly source: Topic<unknown>;
}

/**
 * A topic of a cluster that exists. The stack makes neither, as topics are their cluster's, and clusters belong
 * to more than one pipeline.
 */
export class KafkaSource extends Construct implements SourcePart {
  readonly environment: { readonly [name: string]: string } = {};
  readonly outputs: { readonly [name: string]: string };
  readonly #source: Topic<unknown>;
  readonly #cluster: Cluster;

  /** @throws RangeError when the definition names no cluster, or one that is known to be in another region */
  constructor(scope: Construct, id: string, { name, source }: KafkaSourceProps) {
    super(scope, id);
    const { topic, cluster } = source;
    if (cluster === undefined) {
      throw new RangeError(
        `Cannot make a stack of "${name}" as its source must name the cluster of topic "${topic}": give kafka cluster: { msk: <ARN> } or { brokers: [<host:port>] }`,
      );
    }
    if ('msk' in cluster) checkRegion(this, cluster.msk);
    this.outputs = { TopicName: topic };
    this.#source = source;
    this.#cluster = cluster;
  }

  /**
   * Passes every record to `handler`. Only a mapping in provisioned mode heeds the answer of the handler. It has
   * no failure destination, as one would turn tries without end into ten.
   */
  feed(handler: PipelineFunction, { batchingWindow }: Pick<Reading, 'batchingWindow'>): void {
    const { topic, partitions } = this.#source;
    const cluster = this.#cluster;
    const secrets = secretsOf(cluster);
    const access = [
      ...secrets.map(({ type, uri }) => ({ type, uri })),
      ...networkOf(cluster).map(([type, uri]) => ({ type, uri })),
    ];
    this.#permit(handler, secrets);
    const mapping = handler.addEventSourceMapping('Source', {
      ...('msk' in cluster
        ? { eventSourceArn: cluster.msk }
        : { kafkaBootstrapServers: [...cluster.brokers] }),
      kafkaTopic: topic,
      startingPosition: lambda.StartingPosition.TRIM_HORIZON,
      batchSize: MAPPINGS.kafka.batchSize,
      maxBatchingWindow: batchingWindow,
      reportBatchItemFailures: MAPPINGS.kafka.reportsFailures,
      provisionedPollerConfig: { minimumPollers: 1, maximumPollers: Math.min(partitions, MAX_POLLERS) },
      ...(access.length > 0 && { sourceAccessConfigurations: access }),
    });
    // Lambda tries to reach the cluster when the mapping is made, so that the permissions must be there.
    if (handler.role) mapping.node.addDependency(handler.role);
  }

  lookingBy(handler: PipelineFunction): { readonly [name: string]: string } {
    return { [ENVIRONMENT.topicReader]: handler.functionName };
  }

  /** Lets the sweeper see the lag of the handler. */
  allowLook(sweeper: PipelineFunction): void {
    // This action takes no resource.
    sweeper.permit(['cloudwatch:GetMetricStatistics'], '*');
  }

  grantPut(grantee: iam.IGrantable): iam.Grant {
    const cluster = this.#cluster;
    if (!('msk' in cluster) || (cluster.auth ?? 'iam') !== 'iam') {
      const state = 'msk' in cluster ? 'its clients have a secret, or need none' : 'its brokers are your own';
      throw new RangeError(
        `Cannot grant putting records into "${this.#source.topic}" as its cluster must be one of MSK that is used by IAM: ${state}`,
      );
    }
    const connecting = iam.Grant.addToPrincipal({
      grantee,
      actions: ['kafka-cluster:Connect', 'kafka-cluster:WriteDataIdempotently'],
      resourceArns: [cluster.msk],
    });
    const writing = iam.Grant.addToPrincipal({
      grantee,
      actions: ['kafka-cluster:DescribeTopic', 'kafka-cluster:WriteData'],
      resourceArns: [partOf(cluster.msk, 'topic', `/${this.#source.topic}`)],
    });
    return connecting.combine(writing);
  }

  #permit(handler: PipelineFunction, secrets: readonly UsedSecret[]): void {
    const cluster = this.#cluster;
    if ('msk' in cluster) {
      handler.permit(
        ['kafka:DescribeCluster', 'kafka:DescribeClusterV2', 'kafka:GetBootstrapBrokers'],
        cluster.msk,
      );
      const { auth = 'iam' } = cluster;
      if (auth === 'iam') {
        handler.permit(
          ['kafka-cluster:Connect', 'kafka-cluster:DescribeClusterDynamicConfiguration'],
          cluster.msk,
        );
        handler.permit(
          ['kafka-cluster:DescribeTopic', 'kafka-cluster:ReadData'],
          partOf(cluster.msk, 'topic', `/${this.#source.topic}`),
        );
        // Lambda keeps its offsets in a group of the mapping's own id, which is known once it is made.
        handler.permit(
          ['kafka-cluster:DescribeGroup', 'kafka-cluster:AlterGroup'],
          partOf(cluster.msk, 'group', '/*'),
        );
      } else if (auth !== 'none' && 'scram' in auth) {
        handler.permit(['kafka:ListScramSecrets'], cluster.msk);
      }
    }
    for (const { uri, key } of secrets) {
      handler.permit(['secretsmanager:GetSecretValue'], uri);
      if (key !== undefined) handler.permit(['kms:Decrypt'], key);
    }
    // A cluster of MSK is always in a VPC. These actions are for network interfaces that Lambda makes there, and
    // takes away, of which nobody knows the names.
    if ('msk' in cluster || networkOf(cluster).length > 0) handler.permit(NETWORK_ACTIONS, '*');
  }
}

/** Returns the ARN of a topic, or of groups, of a cluster. */
const partOf = (cluster: string, kind: 'topic' | 'group', name: string): string =>
  `${cluster.replace(':cluster/', `:${kind}/`)}${name}`;

interface UsedSecret {
  readonly type: lambda.SourceAccessConfigurationType;
  readonly uri: string;
  readonly key?: string | undefined;
}

function secretsOf(cluster: Cluster): readonly UsedSecret[] {
  const { auth } = cluster;
  const secrets: UsedSecret[] = [];
  if (typeof auth === 'object') {
    const { key, ...used } = auth;
    for (const [way, uri] of Object.entries(used)) secrets.push({ type: ACCESS[way as SecretWay], uri, key });
  }
  if ('brokers' in cluster && cluster.rootCa !== undefined) {
    secrets.push({
      type: lambda.SourceAccessConfigurationType.SERVER_ROOT_CA_CERTIFICATE,
      uri: cluster.rootCa,
    });
  }
  return secrets;
}

const networkOf = (cluster: Cluster): readonly (readonly [lambda.SourceAccessConfigurationType, string])[] =>
  'msk' in cluster
    ? []
    : [
        ...(cluster.subnets ?? []).map(
          (id) => [lambda.SourceAccessConfigurationType.VPC_SUBNET, `subnet:${id}`] as const,
        ),
        ...(cluster.securityGroups ?? []).map(
          (id) => [lambda.SourceAccessConfigurationType.VPC_SECURITY_GROUP, `security_group:${id}`] as const,
        ),
      ];

function checkRegion(scope: Construct, arn: string): void {
  const { region } = Stack.of(scope);
  const of = Stack.of(scope).splitArn(arn, ArnFormat.SLASH_RESOURCE_NAME);
  if (Token.isUnresolved(region) || of.region === region) return;
  throw new RangeError(
    `Cannot read the cluster "${arn}" as it must be in the stack's own region: the stack's region is ${region}`,
  );
}
