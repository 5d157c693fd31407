import { ArnFormat, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

export interface PipelineKeyProps {
  readonly description: string;
  readonly removalPolicy: RemovalPolicy;
}

/**
 * The key of one pipeline, whose material KMS changes every year. Principals of the account use it as their own policies
 * say; CloudWatch may use it for log groups of the account.
 */
export class PipelineKey extends kms.Key {
  constructor(scope: Construct, id: string, props: PipelineKeyProps) {
    super(scope, id, { ...props, enableKeyRotation: true });
    const stack = Stack.of(this);
    this.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'Logs',
        principals: [new iam.ServicePrincipal(`logs.${stack.region}.amazonaws.com`)],
        actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:Describe*'],
        resources: ['*'],
        conditions: {
          ArnLike: {
            'kms:EncryptionContext:aws:logs:arn': stack.formatArn({
              service: 'logs',
              resource: 'log-group',
              resourceName: '*',
              arnFormat: ArnFormat.COLON_RESOURCE_NAME,
            }),
          },
        },
      }),
    );
  }
}
