import { RemovalPolicy, Token } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { DynamoEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import type { Pipeline } from '../../src/index.ts';
import { MAPPINGS } from '../../src/wiring/mappings.ts';
import { groupLogPrefix, ROWS_KEY, STATE_KEY } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { AnyTable, Kept } from './settings.ts';
import { type Reading, readingInOrder } from './stream-mapping.ts';

const { STRING, NUMBER } = dynamodb.AttributeType;

/**
 * To how many days ago a table can be restored, the most that DynamoDB offers. What the state table names
 * must be kept for longer.
 */
export const RECOVERY_DAYS = 35;

const onDemand = {
  billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
  pointInTimeRecoverySpecification: {
    pointInTimeRecoveryEnabled: true,
    recoveryPeriodInDays: RECOVERY_DAYS,
  },
} as const;

export interface TableProps extends Kept {
  /** The table that is used; without it, the construct makes one. */
  readonly existing?: AnyTable | undefined;
  readonly overrides?: Partial<dynamodb.TableProps> | undefined;
}

/**
 * The table of the commit logs. Its stream tells the projector that a log has grown; the projector reads the
 * committed panes from the log.
 */
export class StateTable extends Construct {
  readonly table: dynamodb.ITable;
  readonly tableName: string;
  readonly tableArn: string;
  readonly streamArn: string;

  /** @throws RangeError when it is brought, and its stream is not known */
  constructor(scope: Construct, id: string, props: TableProps) {
    super(scope, id);
    this.table = tableOf(this, props, {
      partitionKey: { name: STATE_KEY.partition, type: STRING },
      sortKey: { name: STATE_KEY.sort, type: NUMBER },
      timeToLiveAttribute: STATE_KEY.expiry,
      stream: dynamodb.StreamViewType.KEYS_ONLY,
    });
    const { tableName, tableArn, tableStreamArn } = this.table;
    if (tableStreamArn === undefined) {
      throw new RangeError(
        `Cannot keep logs in "${Token.isUnresolved(tableName) ? this.table.node.path : tableName}" as the stream of a state table must be known: it has none, or was imported without a tableStreamArn`,
      );
    }
    this.tableName = tableName;
    this.tableArn = tableArn;
    this.streamArn = tableStreamArn;
  }

  /** Lets a function read logs and append to them. */
  allowAppend(fn: PipelineFunction): void {
    fn.permit(['dynamodb:Query', 'dynamodb:PutItem'], this.tableArn);
  }

  /** Lets a function read logs. */
  allowRead(fn: PipelineFunction): void {
    fn.permit(['dynamodb:Query'], this.tableArn);
  }

  /** Lets a function read how far each shard has been committed. */
  allowProgress(fn: PipelineFunction): void {
    fn.permit(['dynamodb:GetItem'], this.tableArn);
  }

  /** Wakes `projector` when a key group of the pipeline has committed. */
  wake(projector: PipelineFunction, pipeline: Pipeline, reading: Reading): void {
    wakeByState(projector, this.table, pipeline.name, reading);
  }
}

/** Wakes a function when a key group of a pipeline has committed to a state table. */
export const wakeByState = (
  fn: PipelineFunction,
  table: dynamodb.ITable,
  pipeline: string,
  reading: Reading,
): void =>
  fn.addEventSource(
    new DynamoEventSource(table, {
      ...readingInOrder(MAPPINGS.state, reading),
      filters: [
        lambda.FilterCriteria.filter({
          eventName: lambda.FilterRule.isEqual('INSERT'),
          dynamodb: {
            Keys: { [STATE_KEY.partition]: { S: lambda.FilterRule.beginsWith(groupLogPrefix(pipeline)) } },
          },
        }),
      ],
    }),
  );

/** The table of the rows that the `table()` sink writes. */
export class RowsTable extends Construct {
  readonly table: dynamodb.ITable;
  readonly tableName: string;
  readonly tableArn: string;

  constructor(scope: Construct, id: string, props: TableProps) {
    super(scope, id);
    this.table = tableOf(this, props, {
      partitionKey: { name: ROWS_KEY.partition, type: STRING },
      sortKey: { name: ROWS_KEY.sort, type: STRING },
    });
    this.tableName = this.table.tableName;
    this.tableArn = this.table.tableArn;
  }

  /** Lets a function write rows. */
  allowWrite(projector: PipelineFunction): void {
    projector.permit(['dynamodb:PutItem', 'dynamodb:BatchWriteItem'], this.tableArn);
  }

  /** Lets a principal look rows up. */
  grantReadRows(grantee: iam.IGrantable): iam.Grant {
    return iam.Grant.addToPrincipal({
      grantee,
      actions: ['dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:Query'],
      resourceArns: [this.tableArn],
    });
  }
}

/** Returns the table that is brought, or makes one. */
function tableOf(
  scope: Construct,
  { removalPolicy, key, name, existing, overrides }: TableProps,
  props: dynamodb.TableProps,
): dynamodb.ITable {
  // CDK's class does not match its own interface under exactOptionalPropertyTypes.
  if (existing !== undefined) return existing as dynamodb.ITable;
  return new dynamodb.Table(scope, 'Default', {
    ...onDemand,
    ...props,
    ...(key && { encryption: dynamodb.TableEncryption.CUSTOMER_MANAGED, encryptionKey: key }),
    ...(name !== undefined && { tableName: name }),
    removalPolicy,
    // What a stack leaves behind nobody deletes by mistake either.
    deletionProtection: removalPolicy === RemovalPolicy.RETAIN,
    ...overrides,
  }) as dynamodb.ITable;
}
