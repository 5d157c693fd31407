import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DescribeTableCommand, ListTablesCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { DescribeStreamSummaryCommand, ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { ListEventSourceMappingsCommand, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { GetBucketEncryptionCommand, ListBucketsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMoto } from '../adapters/contract-servers.ts';
import { clientsOf, environmentOf } from './moto.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const hasMoto = spawnSync('moto_server', ['-h']).status === 0;

/**
 * The app deployed by the CDK's own command line to an independent imitation of AWS.
 *
 * Moto 5.2.1 drops on the way, so that only the template's tests see them: bucket policies, public access blocks, object
 * ownership, expiry, point-in-time recovery, stream encryption and architectures.
 */
describe.skipIf(!hasMoto)(
  `a deployment${hasMoto ? '' : ' (needs moto_server: pip install "moto[server]==5.2.1")'}`,
  () => {
    let scratch: string;
    let moto: Awaited<ReturnType<typeof startMoto>>;
    let endpoint: string;
    let environment: Record<string, string>;
    let clients: ReturnType<typeof clientsOf>;

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'millrace-deploy-'));
      moto = await startMoto();
      environment = environmentOf(moto.endpoint, scratch);
      // By this name the SDK has buckets in the path, and not before a host that no machine knows.
      endpoint = moto.endpoint.replace('localhost', '127.0.0.1');
      clients = clientsOf(endpoint);
      const cdk = (...commands: string[]) =>
        promisify(execFile)(
          process.execPath,
          [join(PROJECT, 'node_modules/aws-cdk/bin/cdk'), ...commands, '--output', join(scratch, 'cdk.out')],
          { cwd: PROJECT, env: environment, timeout: 90_000 },
        );
      await cdk('bootstrap', 'aws://123456789012/us-east-1');
      await cdk('deploy', '--require-approval', 'never');
    }, 180_000);

    afterAll(async () => {
      await moto?.close();
      rmSync(scratch, { recursive: true, force: true });
    });

    it('has its stream, with a shard for each that the definition asks for', async () => {
      const { StreamNames = [] } = await clients.kinesis.send(new ListStreamsCommand());
      expect(StreamNames).toHaveLength(1);
      const summary = await clients.kinesis.send(
        new DescribeStreamSummaryCommand({ StreamName: StreamNames[0] ?? '' }),
      );
      expect(summary.StreamDescriptionSummary).toMatchObject({
        OpenShardCount: 2,
        StreamModeDetails: { StreamMode: 'PROVISIONED' },
        RetentionPeriodHours: 7 * 24,
      });
    });

    it('has its tables', async () => {
      const tables = await Promise.all(
        (await tableNames()).map((TableName) => clients.dynamo.send(new DescribeTableCommand({ TableName }))),
      );
      expect(tables.map(({ Table }) => Table)).toMatchObject([
        {
          TableName: expect.stringContaining('-Rows'),
          AttributeDefinitions: [
            { AttributeName: 'pk', AttributeType: 'S' },
            { AttributeName: 'sk', AttributeType: 'S' },
          ],
          BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
        },
        {
          TableName: expect.stringContaining('-State'),
          AttributeDefinitions: [
            { AttributeName: 'pk', AttributeType: 'S' },
            { AttributeName: 'sk', AttributeType: 'N' },
          ],
          BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
          StreamSpecification: { StreamEnabled: true, StreamViewType: 'KEYS_ONLY' },
        },
      ]);
    });

    it('has its buckets, encrypted', async () => {
      const buckets = await bucketNames();
      expect(buckets).toEqual(
        ['-accesslogs', '-failures', '-results'].map((name) => expect.stringContaining(name)),
      );
      for (const Bucket of buckets) {
        const { ServerSideEncryptionConfiguration } = await clients.s3.send(
          new GetBucketEncryptionCommand({ Bucket }),
        );
        expect(ServerSideEncryptionConfiguration?.Rules).toMatchObject([
          { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } },
        ]);
      }
    });

    it('has its functions, with their code', async () => {
      const { Functions = [] } = await clients.lambda.send(new ListFunctionsCommand());
      const names = Functions.map(
        ({ FunctionName = '' }) => /^MillraceFlights-([A-Z][a-z]+)/.exec(FunctionName)?.[1],
      );
      expect(names.sort()).toEqual(['Check', 'Handler', 'Projector', 'Sweeper']);
      for (const each of Functions) {
        expect(each).toMatchObject({ Runtime: 'nodejs24.x', Handler: 'index.handler', Timeout: 60 });
        expect(each.CodeSize).toBeGreaterThan(50_000);
      }
    });

    it('has its mappings, each reporting which records failed', async () => {
      const { EventSourceMappings = [] } = await clients.lambda.send(new ListEventSourceMappingsCommand());
      expect(
        EventSourceMappings.map(({ EventSourceArn = '' }) => EventSourceArn.split(':')[2]).sort(),
      ).toEqual(['dynamodb', 'kinesis']);
      for (const mapping of EventSourceMappings) {
        expect(mapping).toMatchObject({
          FunctionResponseTypes: ['ReportBatchItemFailures'],
          BisectBatchOnFunctionError: true,
          MaximumRetryAttempts: -1,
          ParallelizationFactor: 1,
          StartingPosition: 'TRIM_HORIZON',
          DestinationConfig: { OnFailure: { Destination: expect.stringContaining('-failures') } },
        });
      }
    });

    it('turns a record into a row and an object, by the code and the names that were deployed', async () => {
      const flight = { date: '2001/01/01 00:47', delay: 7, distance: 640, origin: 'SEA', destination: 'SMF' };
      expect(await invoke('Handler', kinesisEvent(flight))).toEqual({ batchItemFailures: [] });
      await invoke('Projector', { source: 'millrace.schedule' });
      await invoke('Sweeper', { source: 'millrace.schedule' });

      const [rows = ''] = await tableNames();
      const { Items = [] } = await clients.dynamo.send(new ScanCommand({ TableName: rows }));
      expect(Items).toMatchObject([
        { key: { S: 'SEA' }, window: { S: 'lastTen' }, results: { M: { meanDelay: { N: '7' } } } },
      ]);
      const [, , results = ''] = await bucketNames();
      const { Contents = [] } = await clients.s3.send(new ListObjectsV2Command({ Bucket: results }));
      expect(Contents.map(({ Key }) => Key)).toEqual([expect.stringMatching(/^panes\/pipeline=flights\//)]);
    });

    const tableNames = async () =>
      ((await clients.dynamo.send(new ListTablesCommand())).TableNames ?? []).sort();

    const bucketNames = async () =>
      ((await clients.s3.send(new ListBucketsCommand())).Buckets ?? [])
        .map(({ Name = '' }) => Name)
        .filter((name) => name.startsWith('millrace'))
        .sort();

    /** Runs a function's bundle in its deployed environment, as a process of its own. */
    async function invoke(name: string, event: unknown): Promise<unknown> {
      const { Functions = [] } = await clients.lambda.send(new ListFunctionsCommand());
      const deployed = Functions.find(({ FunctionName }) =>
        FunctionName?.startsWith(`MillraceFlights-${name}`),
      );
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '--eval', INVOKE, join(assetOf(name), 'index.mjs'), JSON.stringify(event)],
        // By address, not by name: the client of S3 then does not put the bucket before it.
        {
          env: {
            ...environment,
            ...deployed?.Environment?.Variables,
            AWS_ENDPOINT_URL: endpoint,
          },
        },
      );
      return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    }

    function assetOf(name: string): string {
      const template = JSON.parse(
        readFileSync(join(scratch, 'cdk.out/MillraceFlights.template.json'), 'utf8'),
      );
      const resources = Object.entries<{ Type: string; Metadata: Record<string, string> }>(
        template.Resources,
      );
      const found = resources.find(
        ([id, { Type }]) => Type === 'AWS::Lambda::Function' && id.startsWith(name),
      );
      return join(scratch, 'cdk.out', found?.[1].Metadata['aws:asset:path'] ?? '');
    }
  },
);

const INVOKE = `
  const [, bundle, event] = process.argv;
  const { handler } = await import(bundle);
  const answer = await handler(JSON.parse(event), { getRemainingTimeInMillis: () => 30_000 });
  console.log(JSON.stringify(answer ?? null));
`;

const kinesisEvent = (record: object) => ({
  Records: [
    {
      eventID: 'shardId-000000000000:49590338271490256608559692538361571095921575989136588898',
      eventSourceARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/any',
      kinesis: {
        sequenceNumber: '49590338271490256608559692538361571095921575989136588898',
        partitionKey: 'any',
        approximateArrivalTimestamp: 1_795_000_000.5,
        data: Buffer.from(JSON.stringify(record)).toString('base64'),
      },
    },
  ],
});
