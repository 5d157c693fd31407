import { CfnElement, Duration, Stack, Token } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { DynamoEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import type { DynamoDBSource as Changes } from '../../src/pipeline/sources/dynamodb.ts';
import { MAPPINGS } from '../../src/wiring/mappings.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { SourcePart } from './source.ts';
import { type Reading, readingInOrder } from './stream-mapping.ts';

/**
 * Only with a tumbling window does an event say which shard its changes are of. The longest one ends least
 * often, which costs an invocation without records.
 */
const WINDOW = Duration.minutes(15);

export interface DynamoDBSourceProps {
  /** The name of the pipeline. */
  readonly name: string;
  readonly source: Changes<unknown>;
  /** The ARN of the table's stream, where the source does not say it. */
  readonly stream: string | undefined;
}

/**
 * The stream of a table that exists.
 *
 * @throws RangeError when nobody says which stream, or the table is one that the stack itself makes
 */
export class DynamoDBSource extends Construct implements SourcePart {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string } = {};
  readonly #pipeline: string;
  readonly #table: dynamodb.ITable;
  readonly arn: string;
  readonly #kinds: Changes<unknown>['kinds'];

  constructor(scope: Construct, id: string, { name, source, stream = source.stream }: DynamoDBSourceProps) {
    super(scope, id);
    const { table, kinds } = source;
    if (stream === undefined) {
      throw new RangeError(
        `Cannot make a stack of "${name}" as the ARN of the stream of its table must be known: give dynamodbStream a stream, or the stack a tableStream`,
      );
    }
    this.#pipeline = name;
    this.arn = stream;
    this.#kinds = kinds;
    this.#table = dynamodb.Table.fromTableAttributes(this, 'Table', {
      tableName: table,
      tableStreamArn: stream,
    });
    this.environment = { [ENVIRONMENT.tableStream]: stream };
  }

  checkWritten(tables: readonly dynamodb.ITable[]): void {
    const { tableName } = this.#table;
    if (!tables.some((written) => isNameOf(tableName, written))) return;
    throw new RangeError(
      `Cannot make a stack of "${this.#pipeline}" as a pipeline must not read the tables that it writes: "${tableName}" is one of the stack`,
    );
  }

  /** Passes every change of the kinds that the definition reads to `handler`. */
  feed(handler: PipelineFunction, reading: Reading): void {
    handler.addEventSource(
      new DynamoEventSource(this.#table, {
        ...readingInOrder(MAPPINGS.dynamodb, reading),
        tumblingWindow: WINDOW,
        ...(this.#kinds.length === 3
          ? {}
          : {
              filters: [lambda.FilterCriteria.filter({ eventName: lambda.FilterRule.or(...this.#kinds) })],
            }),
      }),
    );
  }

  /** Lets the sweeper see which changes no handler has read yet. */
  allowLook(sweeper: PipelineFunction): void {
    sweeper.permit(['dynamodb:DescribeStream', 'dynamodb:GetShardIterator', 'dynamodb:GetRecords'], this.arn);
  }

  /** Lets a principal change items of the table, whose changes are the records. */
  grantPut(grantee: iam.IGrantable): iam.Grant {
    return iam.Grant.addToPrincipal({
      grantee,
      actions: ['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:BatchWriteItem'],
      resourceArns: [this.#table.tableArn],
    });
  }
}

/** Says whether a table has a name, or will have: CloudFormation begins names with the stack's and the logical id. */
function isNameOf(name: string, table: dynamodb.ITable): boolean {
  const { defaultChild } = table.node;
  if (!Token.isUnresolved(table.tableName) || !CfnElement.isCfnElement(defaultChild))
    return table.tableName === name;
  const stack = Stack.of(table);
  return name.startsWith(`${stack.stackName}-${stack.getLogicalId(defaultChild)}`);
}
