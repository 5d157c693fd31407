import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DescribeTableCommand, ListTablesCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { DescribeStreamSummaryCommand, ListStreamsCommand } from '@aws-sdk/client-kinesis';
import {
  ListEventSourceMappingsCommand,
  ListFunctionsCommand,
  PublishLayerVersionCommand,
} from '@aws-sdk/client-lambda';
import { GetBucketEncryptionCommand, ListBucketsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMoto } from '../adapters/contract-servers.ts';
import { cdk, clientsOf, deployOver, environmentOf, keptIn, PROJECT, runningIn } from './moto.ts';

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
    let environment: Record<string, string>;
    let clients: ReturnType<typeof clientsOf>;

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'millrace-deploy-'));
      moto = await startMoto();
      environment = environmentOf(moto.endpoint, scratch);
      clients = clientsOf(moto.endpoint);
      const entry = join(scratch, 'entry');
      mkdirSync(entry);
      writeFileSync(
        join(entry, 'pipeline.ts'),
        `import { flights as former } from '${PROJECT}/functions/flights/pipeline.ts';
         export const flights = { ...former, version: 2 };`,
      );
      await Promise.all([
        cdk(environment, 'synth', '--quiet', '--output', former()),
        cdk(
          { ...environment, ENTRY: entry, LAYER },
          ...['synth', '--quiet', '--output', changed()],
          ...['--app', `"${process.execPath}" --import tsx test/e2e/stacks/changed.ts`],
        ),
      ]);
      await cdk(environment, 'bootstrap', 'aws://123456789012/us-east-1', '--app', former());
      await cdk(environment, 'deploy', '--require-approval', 'never', '--app', former());
    }, 180_000);

    afterAll(async () => {
      await moto?.close();
      rmSync(scratch, { recursive: true, force: true });
    });

    const former = () => join(scratch, 'former');
    const changed = () => join(scratch, 'changed');

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
      const names = Functions.map(({ FunctionName = '' }) => roleOf(FunctionName));
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
      expect(await take(1)).toEqual({ batchItemFailures: [] });
      expect(await meanDelay()).toBe(1);
      await invoke('Sweeper', { source: 'millrace.schedule' });
      const [, , results = ''] = await bucketNames();
      const { Contents = [] } = await clients.s3.send(new ListObjectsV2Command({ Bucket: results }));
      expect(Contents.map(({ Key }) => Key)).toEqual([expect.stringMatching(/^panes\/pipeline=flights\//)]);
    });

    // CloudFormation goes back by itself where a deployment fails; moto leaves the stack as it is at that moment.
    it('keeps what it holds where another fails half-way, and goes on once that is taken back', async () => {
      const [running, kept] = [await runningIn(clients), await keptIn(clients)];
      await expect(deploy(changed())).rejects.toThrow('MillraceFlights failed to deploy');
      expect(await codeThatDiffers(running)).toEqual(['Check', 'Projector', 'Sweeper']);
      expect(await keptIn(clients)).toEqual(kept);

      await deploy(former());
      expect(await runningIn(clients)).toEqual(running);
      expect(await keptIn(clients)).toEqual(kept);
      expect(await take(2)).toEqual({ batchItemFailures: [] });
      expect(await meanDelay()).toBe(1.5);
    });

    it('is taken back with all that it holds, and refuses to go on where newer code has committed', async () => {
      const [running, kept] = [await runningIn(clients), await keptIn(clients)];
      await clients.lambda.send(
        new PublishLayerVersionCommand({ LayerName: 'extension', Content: { ZipFile: Buffer.from('any') } }),
      );
      await deploy(changed());
      expect(await codeThatDiffers(running)).toEqual(['Check', 'Handler', 'Projector', 'Sweeper']);
      expect(await keptIn(clients)).toEqual(kept);
      expect(await take(3)).toEqual({ batchItemFailures: [] });
      expect(await meanDelay()).toBe(2);

      const committed = await keptIn(clients);
      await deploy(former());
      expect(await runningIn(clients)).toEqual(running);
      expect(await keptIn(clients)).toEqual(committed);
      await expect(take(4)).rejects.toThrow(
        'Cannot run version 1 of "flights" as version 2 has been at work',
      );
      expect(await keptIn(clients)).toEqual(committed);
    });

    /** Returns which functions have other code than before. */
    async function codeThatDiffers(
      before: Awaited<ReturnType<typeof runningIn>>,
    ): Promise<readonly string[]> {
      const { functions } = await runningIn(clients);
      return Object.entries(functions)
        .filter(([name, { CodeSha256 }]) => CodeSha256 !== before.functions[name]?.CodeSha256)
        .map(([name]) => roleOf(name) ?? name)
        .sort();
    }

    /** Has the handler take a flight in that is late by some minutes. */
    const take = (delay: number) =>
      invoke(
        'Handler',
        kinesisEvent(delay, {
          date: '2001/01/01 00:47',
          delay,
          distance: 640,
          origin: 'SEA',
          destination: 'SMF',
        }),
      );

    /** Returns the mean delay of the last flights, as the projector has written it. */
    async function meanDelay(): Promise<number> {
      await invoke('Projector', { source: 'millrace.schedule' });
      const [rows = ''] = await tableNames();
      const { Items = [] } = await clients.dynamo.send(new ScanCommand({ TableName: rows }));
      const [row, ...others] = Items.filter(({ key, window }) => key?.S === 'SEA' && window?.S === 'lastTen');
      expect(others).toEqual([]);
      return Number(row?.['results']?.M?.['meanDelay']?.N);
    }

    let deployed = former;
    async function deploy(assembly: string): Promise<void> {
      await deployOver(environment, assembly);
      deployed = () => assembly;
    }

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
      const found = Functions.find(({ FunctionName }) => FunctionName?.startsWith(`MillraceFlights-${name}`));
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '--eval', INVOKE, join(assetOf(name), 'index.mjs'), JSON.stringify(event)],
        // By address, not by name: the client of S3 then does not put the bucket before it.
        {
          env: {
            ...environment,
            ...found?.Environment?.Variables,
            AWS_ENDPOINT_URL: moto.endpoint.replace('localhost', '127.0.0.1'),
          },
        },
      );
      return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    }

    function assetOf(name: string): string {
      const template = JSON.parse(readFileSync(join(deployed(), 'MillraceFlights.template.json'), 'utf8'));
      const resources = Object.entries<{ Type: string; Metadata: Record<string, string> }>(
        template.Resources,
      );
      const found = resources.find(
        ([id, { Type }]) => Type === 'AWS::Lambda::Function' && id.startsWith(name),
      );
      return join(deployed(), found?.[1].Metadata['aws:asset:path'] ?? '');
    }
  },
);

const roleOf = (name: string) => /^MillraceFlights-([A-Z][a-z]+)/.exec(name)?.[1];

/** What a changed stack asks for, which is not there at first. */
const LAYER = 'arn:aws:lambda:us-east-1:123456789012:layer:extension:1';

const INVOKE = `
  const [, bundle, event] = process.argv;
  const { handler } = await import(bundle);
  const answer = await handler(JSON.parse(event), { getRemainingTimeInMillis: () => 30_000 });
  console.log(JSON.stringify(answer ?? null));
`;

const kinesisEvent = (sequence: number, record: object) => ({
  Records: [
    {
      eventID: `shardId-000000000000:${FIRST + BigInt(sequence)}`,
      eventSourceARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/any',
      kinesis: {
        sequenceNumber: String(FIRST + BigInt(sequence)),
        partitionKey: 'any',
        approximateArrivalTimestamp: 1_795_000_000.5,
        data: Buffer.from(JSON.stringify(record)).toString('base64'),
      },
    },
  ],
});

const FIRST = 49590338271490256608559692538361571095921575989136588898n;
