import { Token } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { PanesSource as Panes } from '../../src/pipeline/sources/panes.ts';
import { ENVIRONMENT, STATE_PREFIX } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { SourcePart } from './source.ts';
import type { Reading } from './stream-mapping.ts';
import { wakeByState } from './tables.ts';

/** The resources of the stack of the pipeline whose panes are read. */
export interface UpstreamResources {
  /** The name of its state table: the stack's output `StateTableName`. */
  readonly stateTable: string;
  /** The name of its bucket: the stack's output `ResultsBucketName`. */
  readonly resultsBucket: string;
  /**
   * The ARN of the stream of its state table: the stack's output `StateStreamArn`. Its commits then wake this pipeline
   * within the batching window. A stream serves two readers, and the other pipeline's own projector is one of them, so
   * that one pipeline alone may read it; without it, panes are read once a minute.
   */
  readonly stateStream?: string;
}

export interface PanesSourceProps {
  /** The name of the pipeline. */
  readonly name: string;
  readonly source: Panes<unknown>;
  readonly upstream: UpstreamResources | undefined;
}

/** The streams of state tables that a pipeline of the app reads, with the pipeline, by the app's root. */
const READ = new WeakMap<object, Map<string, string>>();

/**
 * The logs of another pipeline.
 *
 * @throws RangeError when nobody says where they are, or another pipeline of the app reads their stream
 */
export class PanesSource extends Construct implements SourcePart {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string } = {};
  readonly readsByTheClock = true;
  readonly #of: string;
  readonly #table: dynamodb.ITable;
  readonly #bucketObjects: string;
  readonly #stream: string | undefined;

  constructor(scope: Construct, id: string, { name, source, upstream }: PanesSourceProps) {
    super(scope, id);
    this.#of = source.of.name;
    if (upstream === undefined) {
      throw new RangeError(
        `Cannot make a stack of "${name}" as the resources of "${this.#of}", whose panes it reads, must be known: give the stack an upstream`,
      );
    }
    const { stateTable, resultsBucket, stateStream } = upstream;
    this.#stream = stateStream;
    if (stateStream !== undefined) this.#claim(name, stateStream);
    this.#table = dynamodb.Table.fromTableAttributes(this, 'State', {
      tableName: stateTable,
      ...(stateStream === undefined ? {} : { tableStreamArn: stateStream }),
    });
    this.#bucketObjects = s3.Bucket.fromBucketName(this, 'Results', resultsBucket).arnForObjects(
      `${STATE_PREFIX}*`,
    );
    this.environment = {
      [ENVIRONMENT.upstreamTable]: stateTable,
      [ENVIRONMENT.upstreamBucket]: resultsBucket,
    };
  }

  /** Wakes `handler` by the commits of the other pipeline, where it may read their stream. */
  feed(handler: PipelineFunction, reading: Reading): void {
    this.#allowRead(handler);
    if (this.#stream !== undefined) wakeByState(handler, this.#table, this.#of, reading);
  }

  /** Lets the sweeper see which panes are not read yet. */
  allowLook(sweeper: PipelineFunction): void {
    this.#allowRead(sweeper);
    // How far the other pipeline's sweeper has come.
    sweeper.permit(['dynamodb:GetItem'], this.#table.tableArn);
  }

  grantPut(_: iam.IGrantable): iam.Grant {
    throw new RangeError(
      `Cannot grant putting records as the source must take records: it is the panes of "${this.#of}", whose stack grants putting records there`,
    );
  }

  #allowRead(fn: PipelineFunction): void {
    fn.permit(['dynamodb:Query'], this.#table.tableArn);
    fn.permit(['s3:GetObject'], this.#bucketObjects);
  }

  #claim(name: string, stream: string): void {
    const { root } = this.node;
    const read = READ.get(root) ?? new Map<string, string>();
    READ.set(root, read);
    const key = Token.isUnresolved(stream) ? Token.asString(stream) : stream;
    const reader = read.get(key);
    if (reader !== undefined) {
      throw new RangeError(
        `Cannot wake "${name}" by the stream of the state table of "${this.#of}" as such a stream serves two readers, its own projector and one pipeline more: "${reader}" is that one; leave stateStream out, and it reads once a minute`,
      );
    }
    read.set(key, name);
  }
}
