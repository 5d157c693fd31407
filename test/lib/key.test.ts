import { App, RemovalPolicy } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as kms from 'aws-cdk-lib/aws-kms';
import { describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { PipelineStack, type PipelineStackProps } from '../../lib/pipeline-stack.ts';
import { stacks } from '../e2e/stacks/app.ts';
import { permissionsOf } from './permissions.ts';

const stackOf = (props: Partial<PipelineStackProps>): PipelineStack =>
  new PipelineStack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'Flights', {
    pipeline: flights,
    ...props,
  });

describe('a pipeline with a key of its own', () => {
  const keyed = stacks.find(({ stackName }) => stackName === 'Keyed') as PipelineStack;
  const template = Template.fromStack(keyed);
  const KEY = { 'Fn::GetAtt': [Match.stringLikeRegexp('^Key'), 'Arn'] };

  it('has it rotated, and deleted with the stack only where its data are', () => {
    template.hasResource('AWS::KMS::Key', {
      Properties: { EnableKeyRotation: true },
      DeletionPolicy: 'Delete',
    });
    const kept = stackOf({ encryption: 'customer-managed', removalPolicy: RemovalPolicy.RETAIN });
    Template.fromStack(kept).hasResource('AWS::KMS::Key', { DeletionPolicy: 'Retain' });
  });

  it('encrypts its stream, its tables, its buckets of data and its logs by it', () => {
    template.allResourcesProperties('AWS::Kinesis::Stream', {
      StreamEncryption: { EncryptionType: 'KMS', KeyId: KEY },
    });
    template.allResourcesProperties('AWS::DynamoDB::Table', {
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS', KMSMasterKeyId: KEY },
    });
    template.allResourcesProperties('AWS::Logs::LogGroup', { KmsKeyId: KEY });
    const encrypted = {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          { ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: KEY } },
        ],
      },
    };
    // S3 writes access logs only to a bucket of its own keys.
    template.resourceCountIs('AWS::S3::Bucket', 3);
    template.resourcePropertiesCountIs('AWS::S3::Bucket', encrypted, 2);
  });

  it('lets CloudWatch use it for log groups of the account alone', () => {
    template.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Principal: { Service: 'logs.us-east-1.amazonaws.com' },
            Condition: {
              ArnLike: {
                'kms:EncryptionContext:aws:logs:arn': Match.objectLike({
                  'Fn::Join': ['', Match.arrayWith([':logs:us-east-1:123456789012:log-group:*'])],
                }),
              },
            },
          }),
        ]),
      },
    });
  });

  it('lets every function read what it encrypts', () => {
    const permissions = permissionsOf(template);
    for (const name of ['Handler', 'Sweeper', 'Projector', 'Query', 'Check'])
      expect(permissions[name], name).toContain('kms:Decrypt Key');
  });

  it('is refused beside a key that is brought, and by another word', () => {
    const key = kms.Key.fromKeyArn(keyed, 'Brought', 'arn:aws:kms:us-east-1:123456789012:key/1234');
    const refused = (state: string) =>
      new RangeError(
        `Cannot deploy "flights" as encryption must be 'customer-managed', without a key that is brought, or left out: ${state}`,
      );
    expect(() => stackOf({ encryption: 'customer-managed', existing: { key } })).toThrow(
      refused('existing.key is given, too'),
    );
    expect(() => stackOf({ encryption: 'none' as never })).toThrow(refused('encryption is "none"'));
  });

  it('is made for none that does not ask', () => {
    const stack = stackOf({});
    expect(stack.millrace.key).toBeUndefined();
    Template.fromStack(stack).resourceCountIs('AWS::KMS::Key', 0);
  });
});
