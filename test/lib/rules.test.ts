import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type CfnResource, Duration, Stack } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as kinesis from 'aws-cdk-lib/aws-kinesis';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import type { IConstruct } from 'constructs';
import { afterAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { MillracePipeline, type MillracePipelineProps } from '../../lib/millrace-pipeline.ts';
import { RULES } from '../../lib/rules.ts';
import { millis } from '../../src/core/time.ts';
import { kinesis as kinesisSource, type Pipeline, sqs as sqsSource, table } from '../../src/index.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-rules-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const entry = writeEntry(join(scratch, 'flights'), 'flights').folder;

const newStack = () => new Stack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'Plant');

interface Case {
  readonly source?: Pipeline['source'];
  readonly pipeline?: Partial<Pipeline>;
  readonly props?: (stack: Stack) => Partial<MillracePipelineProps>;
  /** What the author does to what was made. */
  readonly after?: (millrace: MillracePipeline, stack: Stack) => void;
}

function made({ source = kinesisSource(), pipeline = {}, props = () => ({}), after }: Case) {
  const stack = newStack();
  const definition = { ...flights, source, sinks: [table()], ...pipeline };
  const millrace = new MillracePipeline(stack, 'It', {
    pipeline: definition,
    entry,
    alarms: 'none',
    ...props(stack),
  });
  after?.(millrace, stack);
  return millrace;
}

/** Another mapping to the handler, by whoever deploys the pipeline. */
const mapped =
  (props: Partial<lambda.CfnEventSourceMappingProps>) => (millrace: MillracePipeline, stack: Stack) => {
    new lambda.CfnEventSourceMapping(stack, 'Mine', {
      functionName: millrace.handler.functionName,
      functionResponseTypes: ['ReportBatchItemFailures'],
      eventSourceArn: 'arn:aws:kinesis:us-east-1:123456789012:stream/mine',
      startingPosition: 'TRIM_HORIZON',
      ...props,
    });
  };

const fifoMapped = (batchSize: number) =>
  mapped({ eventSourceArn: 'arn:aws:sqs:us-east-1:123456789012:mine.fifo', batchSize });

const readsQueue = (visibility: number): Case => ({
  source: sqsSource(),
  props: (stack) => ({
    existing: { queue: new sqs.Queue(stack, 'Queue', { visibilityTimeout: Duration.seconds(visibility) }) },
  }),
});

const late = (allowedLateness: Pipeline['allowedLateness']): Case => ({ pipeline: { allowedLateness } });

const logs = (more: Partial<dynamodb.TableProps>): Case => ({
  props: (stack) => ({
    existing: {
      stateTable: new dynamodb.Table(stack, 'Logs', {
        partitionKey: { name: 'pk', type: dynamodb.AttributeType.STRING },
        sortKey: { name: 'sk', type: dynamodb.AttributeType.NUMBER },
        timeToLiveAttribute: 'ttl',
        stream: dynamodb.StreamViewType.KEYS_ONLY,
        ...more,
      }),
    },
  }),
});

const overriding = (overrides: MillracePipelineProps['overrides']): Case => ({
  props: () => (overrides === undefined ? {} : { overrides }),
});

/** The schedule that calls the sweeper. */
const scheduleOf = (millrace: MillracePipeline) =>
  millrace.everyMinute.node.findChild('Sweeper') as CfnResource;

const resourceOf = (construct: IConstruct) => construct.node.defaultChild as CfnResource;

const publicAccess = (blocked: boolean): Case => ({
  after: ({ results }) =>
    resourceOf(results.bucket).addPropertyOverride('PublicAccessBlockConfiguration.BlockPublicAcls', blocked),
});

/** For each rule a fault with what is said of it, and what just keeps to the rule. */
const CASES: { readonly [rule: string]: readonly [fault: Case, says: string, sound: Case] } = {
  'partial answers': [
    { after: mapped({ functionResponseTypes: [] }) },
    'Cannot map "Plant/Mine" as a mapping must set ReportBatchItemFailures: it sets []',
    { after: mapped({}) },
  ],
  'one batch at a time': [
    { after: mapped({ parallelizationFactor: 2 }) },
    'Cannot map "Plant/Mine" as batches of one shard must be taken in one after the other, with a ParallelizationFactor of 1: it is 2',
    { after: mapped({ parallelizationFactor: 1 }) },
  ],
  'from the oldest record': [
    { after: mapped({ startingPosition: 'LATEST' }) },
    'Cannot map "Plant/Mine" as a mapping must begin with the oldest record, at TRIM_HORIZON, or records that came before it was made are lost: it begins at LATEST',
    { after: mapped({ startingPosition: 'TRIM_HORIZON' }) },
  ],
  'batches of FIFO queues': [
    { after: fifoMapped(11) },
    'Cannot map "Plant/Mine" as Lambda passes at most 10 messages of a FIFO queue at once: BatchSize is 11',
    { after: fifoMapped(10) },
  ],
  visibility: [
    readsQueue(359),
    'Cannot map "Plant/It/Handler/SqsEventSource:PlantQueue49AB2472/Resource" as a queue must hide a batch for 6 times as long as an invocation may take: "Plant/Queue/Resource" hides it for 359 s, and an invocation may take 60 s',
    readsQueue(360),
  ],
  retention: [
    late(millis('7d')),
    'Cannot map "Plant/It/Handler/KinesisEventSource:PlantItSourceStream1405DA49/Resource" as a source must keep its records for allowedLateness and idleAfter together, or an outage as long loses records that are still on time: "Plant/It/Source/Stream/Resource" keeps them for 168 hours, and these are 174 hours',
    late(millis('6d')),
  ],
  memory: [
    { props: () => ({ memory: { sweeper: 383 } }) },
    'Cannot run "Plant/It/Sweeper/Resource" as a function must have memory for all that the bounds of the engine let it hold: it has 383 MB, and needs 384',
    { props: () => ({ memory: { sweeper: 384 } }) },
  ],
  time: [
    overriding({ handler: { timeout: Duration.seconds(9) } }),
    'Cannot run "Plant/It/Handler/Resource" as an invocation must have 10 seconds at least: it has 9',
    overriding({ handler: { timeout: Duration.seconds(10) } }),
  ],
  runtime: [
    overriding({ handler: { runtime: lambda.Runtime.PYTHON_3_13 } }),
    'Cannot run "Plant/It/Handler/Resource" as its bundle must run on Node.js 20 or later, from index.handler: it runs on python3.13, from index.handler',
    overriding({ handler: { runtime: lambda.Runtime.NODEJS_22_X } }),
  ],
  concurrency: [
    { props: () => ({ reservedConcurrency: { sweeper: 0 } }) },
    'Cannot run "Plant/It/Sweeper/Resource" as a function must be allowed to run: its reserved concurrency is 0',
    { props: () => ({ reservedConcurrency: { sweeper: 1 } }) },
  ],
  sweeper: [
    { after: (millrace) => scheduleOf(millrace).addPropertyOverride('State', 'DISABLED') },
    'Cannot deploy "flights" as a sweeper must be called once a minute, or the windows of silent keys never close: no schedule that is enabled calls "Plant/It/Sweeper/Resource"',
    { after: (millrace) => scheduleOf(millrace).addPropertyOverride('State', 'ENABLED') },
  ],
  'state table': [
    logs({ timeToLiveAttribute: 'expires', sortKey: { name: 'sk', type: dynamodb.AttributeType.STRING } }),
    'Cannot keep logs in "Plant/Logs/Resource" as a state table must have the keys pk, a text, and sk, a number, a stream, and expiry by ttl: its keys are pk (S) and sk (S), it expires items by expires',
    logs({ stream: dynamodb.StreamViewType.NEW_IMAGE }),
  ],
  'rows table': [
    overriding({ rows: { sortKey: { name: 'at', type: dynamodb.AttributeType.STRING } } }),
    'Cannot keep rows in "Plant/It/Rows/Default/Resource" as its keys must be pk and sk, both texts: its keys are pk (S) and at (S)',
    overriding({ rows: { deletionProtection: true } }),
  ],
  'private buckets': [
    publicAccess(false),
    'Cannot keep records in "Plant/It/Results/Default/Resource" as a bucket must block all public access: it does not set BlockPublicAcls',
    publicAccess(true),
  ],
};

describe('a rule that is checked as an app is synthesized', () => {
  it('has a fault here, and what keeps to it', () => {
    expect(Object.keys(CASES)).toEqual(RULES.map(({ name }) => name));
  });

  it.each(Object.entries(CASES))('finds its fault, and nothing else does: %s', (_, [fault, says, sound]) => {
    expect(made(fault).node.validate()).toEqual([expect.stringContaining(says)]);
    expect(made(sound).node.validate()).toEqual([]);
  });

  it.each(OTHERS)('finds %s', (_, fault, says) => {
    expect(made(fault).node.validate()).toEqual([expect.stringContaining(says)]);
  });

  it('stops the synthesis', () => {
    const { node } = made({ after: mapped({ startingPosition: 'LATEST' }) });
    expect(() => (node.root as App).synth()).toThrow('it begins at LATEST');
  });
});

/** Faults that a rule finds besides: by what a template does not say, or says elsewhere. */
const OTHERS: readonly (readonly [what: string, fault: Case, says: string])[] = [
  [
    'large batches of a FIFO queue of the app',
    {
      after: (millrace, stack) => {
        const { queueArn } = new sqs.Queue(stack, 'Mail', {
          fifo: true,
          visibilityTimeout: Duration.hours(1),
        });
        mapped({ eventSourceArn: queueArn, batchSize: 11 })(millrace, stack);
      },
    },
    'BatchSize is 11',
  ],
  [
    'a queue that does not say for how long it hides a batch',
    { source: sqsSource(), props: (stack) => ({ existing: { queue: new sqs.Queue(stack, 'Queue') } }) },
    'hides it for 30 s',
  ],
  [
    'a stream that does not say for how long it keeps records',
    {
      after: ({ source }) =>
        resourceOf((source as unknown as { stream: kinesis.Stream }).stream).addPropertyDeletionOverride(
          'RetentionPeriodHours',
        ),
      pipeline: { allowedLateness: millis('1d') },
    },
    'keeps them for 24 hours',
  ],
  [
    'a bundle that begins elsewhere',
    { after: ({ handler }) => resourceOf(handler).addPropertyOverride('Handler', 'main.run') },
    'it runs on nodejs24.x, from main.run',
  ],
  [
    'a sweeper that comes now and then',
    {
      after: (millrace) => scheduleOf(millrace).addPropertyOverride('ScheduleExpression', 'rate(5 minutes)'),
    },
    'no schedule that is enabled calls "Plant/It/Sweeper/Resource"',
  ],
  [
    'a state table without a stream',
    { after: ({ state }) => resourceOf(state.table).addPropertyDeletionOverride('StreamSpecification') },
    'it has no stream',
  ],
  [
    'a state table whose expiry is disabled',
    {
      after: ({ state }) =>
        resourceOf(state.table).addPropertyOverride('TimeToLiveSpecification.Enabled', false),
    },
    'it expires items by ttl',
  ],
  [
    'a bucket that does not say whether it is private',
    {
      after: ({ results }) =>
        resourceOf(results.bucket).addPropertyDeletionOverride(
          'PublicAccessBlockConfiguration.BlockPublicAcls',
        ),
    },
    'it does not set BlockPublicAcls',
  ],
];

describe('the rules see a mapping', () => {
  it('of an alias of the handler, and of the projector', () => {
    const { node } = made({
      after: (millrace, stack) => {
        const alias = millrace.handler.addAlias('live');
        mapped({ functionName: alias.functionName, parallelizationFactor: 3 })(millrace, stack);
      },
    });
    expect(node.validate()).toEqual([expect.stringContaining('"Plant/Mine" as batches of one shard')]);
    const projected = made({
      after: (millrace, stack) =>
        mapped({ functionName: millrace.projector?.functionName as string, startingPosition: 'LATEST' })(
          millrace,
          stack,
        ),
    });
    expect(projected.node.validate()).toEqual([
      expect.stringContaining('"Plant/Mine" as a mapping must begin'),
    ]);
  });

  it('in another stack of the app, and by the name that the handler was given', () => {
    const { node } = made({
      after: (millrace) =>
        mapped({ startingPosition: 'LATEST' })(millrace, new Stack(millrace.node.root as App, 'Other')),
    });
    expect(node.validate()).toEqual([expect.stringContaining('"Other/Mine" as a mapping must begin')]);
    const named = made({
      props: () => ({ names: { functions: 'delays' } }),
      after: mapped({ functionName: 'delays-handler', startingPosition: 'LATEST' }),
    });
    expect(named.node.validate()).toEqual([expect.stringContaining('"Plant/Mine" as a mapping must begin')]);
  });

  it('of a function that is none of the pipeline’s as somebody else’s', () => {
    const { node } = made({ after: mapped({ functionName: 'other', startingPosition: 'LATEST' }) });
    expect(node.validate()).toEqual([]);
  });

  it('by an escape hatch, and through a consumer with the stream behind it', () => {
    const hatched = made({
      source: kinesisSource({ fanOut: true }),
      after: ({ source }) => {
        const stream = (source as unknown as { stream: kinesis.Stream }).stream;
        resourceOf(stream).addPropertyOverride('RetentionPeriodHours', 24);
      },
      pipeline: { allowedLateness: millis('1d') },
    });
    expect(hatched.node.validate()).toEqual([expect.stringContaining('keeps them for 24 hours')]);
  });
});

it('misses a sweeper that was taken away', () => {
  const { node } = made({ after: (millrace) => millrace.node.tryRemoveChild('Sweeper') });
  expect(node.validate()).toEqual([
    'Cannot deploy "flights" as a sweeper must be called once a minute, or the windows of silent keys never close: there is none',
  ]);
});

it('says nothing of what only deployment knows', () => {
  const { node } = made({
    source: sqsSource(),
    after: ({ source }) => {
      const { queue } = source as unknown as { queue: sqs.Queue };
      resourceOf(queue).addPropertyOverride('VisibilityTimeout', { Ref: 'Seconds' });
    },
  });
  expect(node.validate()).toEqual([]);
});
