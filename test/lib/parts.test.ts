import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { afterAll, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import {
  Bundles,
  entryOf,
  FailuresBucket,
  KinesisSource,
  MillracePipeline,
  PipelineFunction,
  ResultsBucket,
  StateTable,
} from '../../lib/index.ts';
import { kinesis, type Pipeline, table } from '../../src/index.ts';
import { permissionsOf, plain } from './permissions.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-parts-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const { folder } = writeEntry(join(scratch, 'flights'), 'flights');
const source = kinesis();
const pipeline: Pipeline = { ...flights, source, sinks: [table()] };
const removalPolicy = RemovalPolicy.RETAIN;
const newApp = () => new App({ context: { 'aws:cdk:bundling-stacks': [] } });

it('parts are used alone, each with what it permits', () => {
  const stack = new Stack(newApp(), 'Parts');
  const entry = entryOf(folder);
  const state = new StateTable(stack, 'State', { removalPolicy });
  const handler = new PipelineFunction(stack, 'Handler', {
    description: 'folds records into windows',
    role: 'handler',
    file: entry.pipeline,
    bundles: new Bundles(entry, ['handler']),
    memorySize: 1_024,
    environment: {},
    settings: {
      timeout: Duration.minutes(1),
      architecture: lambda.Architecture.ARM_64,
      logRetention: logs.RetentionDays.ONE_WEEK,
      network: undefined,
      logKey: undefined,
    },
  });
  state.allowAppend(handler);
  new KinesisSource(stack, 'Source', { removalPolicy, pipeline: 'flights', source }).feed(handler, {
    batchingWindow: Duration.seconds(5),
    failures: new FailuresBucket(stack, 'Failures', { removalPolicy }),
  });
  const template = Template.fromStack(stack);
  template.resourceCountIs('AWS::Lambda::EventSourceMapping', 1);
  expect(permissionsOf(template)['Handler']).toEqual(
    expect.arrayContaining([
      'dynamodb:PutItem State',
      'kinesis:GetRecords SourceStream',
      's3:PutObject Failures/*',
    ]),
  );
});

it('parts of one stack are brought to a pipeline in another', () => {
  const app = newApp();
  const kept = new Stack(app, 'Kept');
  const state = new StateTable(kept, 'State', { removalPolicy });
  const results = new ResultsBucket(kept, 'Results', { removalPolicy });
  const plant = new Stack(app, 'Plant');
  new MillracePipeline(plant, 'Flights', {
    pipeline,
    entry: folder,
    existing: { stateTable: state.table, resultsBucket: results.bucket },
  });
  const template = Template.fromStack(plant);
  const made = ['AWS::DynamoDB::Table', 'AWS::S3::Bucket'].flatMap((type) =>
    Object.keys(template.findResources(type)).map(plain),
  );
  expect(made).toEqual(expect.arrayContaining(['FlightsRows', 'FlightsFailures']));
  expect(made).not.toEqual(expect.arrayContaining(['FlightsState']));
  expect(made).not.toEqual(expect.arrayContaining(['FlightsResults']));
});
