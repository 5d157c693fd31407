import * as cdk from 'aws-cdk-lib';
import { MillracePipeline } from 'millrace/cdk';
import { plant as pipeline } from './pipeline.ts';

const entry = import.meta.dirname;
const stack = new cdk.Stack(new cdk.App(), 'Plant');
const arn = (service: string, name: string) => `arn:aws:${service}:eu-west-1:123456789012:${name}`;
const tableArn = arn('dynamodb', 'table/logs');
const logs = { tableArn, tableStreamArn: `${tableArn}/stream/2026-01-05T08:00:00.000` };
const subnets = { vpcId: 'vpc-1a2b3c4d', availabilityZones: ['a'], privateSubnetIds: ['subnet-1a2b3c4d'] };
const alarms = { topic: cdk.aws_sns.Topic.fromTopicArn(stack, 'OnCall', arn('sns', 'on-call')) };
const existing = {
  stream: cdk.aws_kinesis.Stream.fromStreamArn(stack, 'Stream', arn('kinesis', 'stream/readings')),
  stateTable: cdk.aws_dynamodb.Table.fromTableAttributes(stack, 'Logs', logs),
  rowsTable: cdk.aws_dynamodb.Table.fromTableName(stack, 'Rows', 'rows'),
  resultsBucket: cdk.aws_s3.Bucket.fromBucketName(stack, 'Results', 'plant-results'),
  failuresBucket: cdk.aws_s3.Bucket.fromBucketName(stack, 'Failures', 'plant-failures'),
  key: cdk.aws_kms.Key.fromKeyArn(stack, 'Key', arn('kms', 'key/1234abcd-12ab-34cd-56ef-1234567890ab')),
  network: { vpc: cdk.aws_ec2.Vpc.fromVpcAttributes(stack, 'Vpc', subnets) },
};
new MillracePipeline(stack, 'Flow', { pipeline, entry, existing, alarms, sinks: { alerts: alarms.topic } });
