import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CreateTableCommand, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { CreateStreamCommand, ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { ListEventSourceMappingsCommand, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { startMoto } from '../adapters/contract-servers.ts';
import { clientsOf, environmentOf } from './moto.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const hasMoto = spawnSync('moto_server', ['-h']).status === 0;
if (!hasMoto)
  console.info('Skipped: stacks of sources, as there is no moto_server: pip install "moto[server]==5.2.1"');

/** The stacks whose resources moto 5.2.1 knows: see docs/testing.md. */
const STACKS = ['OnDemand', 'Existing', 'Queue', 'Table', 'Messages', 'Upstream', 'Downstream'];

describe.skipIf(!hasMoto)('the stacks of sources on moto', () => {
  let scratch: string;
  let moto: Awaited<ReturnType<typeof startMoto>>;
  let clients: ReturnType<typeof clientsOf>;
  let environment: Record<string, string>;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'millrace-stacks-'));
    moto = await startMoto();
    clients = clientsOf(moto.endpoint);
    await clients.kinesis.send(new CreateStreamCommand({ StreamName: 'existing', ShardCount: 1 }));
    const { TableDescription } = await clients.dynamo.send(
      new CreateTableCommand({
        TableName: 'orders',
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' },
      }),
    );
    environment = {
      ...environmentOf(moto.endpoint, scratch),
      TABLE_STREAM: TableDescription?.LatestStreamArn ?? '',
    };
    await cdk('bootstrap', 'aws://123456789012/us-east-1');
    // Moto knows what a stack exports only where no change set made it.
    await cdk('deploy', ...STACKS, '--require-approval', 'never', '--method', 'direct');
  }, 400_000);

  afterAll(async () => {
    await moto?.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const cdk = (...commands: string[]) =>
    promisify(execFile)(
      process.execPath,
      [
        join(PROJECT, 'node_modules/aws-cdk/bin/cdk'),
        ...commands,
        '--app',
        `"${process.execPath}" --import tsx test/e2e/stacks/app.ts`,
        '--output',
        join(scratch, 'cdk.out'),
      ],
      { cwd: PROJECT, env: environment, timeout: 300_000 },
    );

  /** Which sources the mappings of the handlers read, and for how long they gather records. */
  async function mappings(): Promise<readonly string[]> {
    const { EventSourceMappings = [] } = await clients.lambda.send(new ListEventSourceMappingsCommand());
    // The others read the streams of state tables.
    return EventSourceMappings.filter(({ EventSourceArn }) => !EventSourceArn?.includes('-State'))
      .map(({ EventSourceArn = '', MaximumBatchingWindowInSeconds: seconds, FunctionResponseTypes }) => {
        expect(FunctionResponseTypes).toEqual(['ReportBatchItemFailures']);
        return `${EventSourceArn.split(':')[2]} ${seconds} s`;
      })
      .sort();
  }

  it('read their sources', async () => {
    expect(await mappings()).toEqual([
      'dynamodb 5 s',
      'kinesis 5 s',
      'kinesis 5 s',
      'kinesis 5 s',
      'kinesis 5 s',
      'sqs 5 s',
    ]);
    const { Functions = [] } = await clients.lambda.send(new ListFunctionsCommand());
    expect(Functions).toHaveLength(4 * STACKS.length);
  });

  it('read the panes of another, by the names of what that has, and are woken by its commits', async () => {
    const { TableNames = [] } = await clients.dynamo.send(new ListTablesCommand());
    const state = TableNames.find((name) => name.startsWith('Upstream-State')) as string;
    const { Functions = [] } = await clients.lambda.send(new ListFunctionsCommand());
    const readers = Functions.filter(
      ({ Environment }) => Environment?.Variables?.[ENVIRONMENT.upstreamTable],
    );
    expect(readers.map(({ FunctionName = '' }) => /^[A-Za-z]+-[A-Z][a-z]+/.exec(FunctionName)?.[0])).toEqual(
      expect.arrayContaining(['Downstream-Handler', 'Downstream-Sweeper']),
    );
    for (const { Environment } of readers.filter(({ FunctionName }) =>
      FunctionName?.startsWith('Downstream'),
    ))
      expect(Environment?.Variables).toMatchObject({
        [ENVIRONMENT.upstreamTable]: state,
        [ENVIRONMENT.upstreamBucket]: expect.stringMatching(/^upstream-results/),
      });
    const { EventSourceMappings = [] } = await clients.lambda.send(new ListEventSourceMappingsCommand());
    const woken = EventSourceMappings.filter(({ EventSourceArn }) =>
      EventSourceArn?.includes(`:table/${state}/stream/`),
    ).map(({ FunctionArn = '' }) => /:function:([A-Za-z]+-[A-Z][a-z]+)/.exec(FunctionArn)?.[1]);
    expect(woken.toSorted()).toEqual(['Downstream-Handler', 'Upstream-Projector']);
  });

  // By change sets a deployment of the change was not seen to end. Moto does not keep the default of a parameter either,
  // which the CDK would have stay as it was.
  it('take a change', { timeout: 400_000 }, async () => {
    environment['BATCHING_SECONDS'] = '20';
    await cdk(
      ...['deploy', ...STACKS, '--require-approval', 'never'],
      ...['--method', 'direct', '--no-previous-parameters'],
    );
    expect(await mappings()).toEqual([
      'dynamodb 20 s',
      'kinesis 20 s',
      'kinesis 20 s',
      'kinesis 20 s',
      'kinesis 20 s',
      'sqs 20 s',
    ]);
    const { Functions = [] } = await clients.lambda.send(new ListFunctionsCommand());
    expect(Functions).toHaveLength(4 * STACKS.length);
  });

  it('leave nothing behind but what was there before', { timeout: 400_000 }, async () => {
    await cdk('destroy', ...STACKS, '--force');
    const { dynamo, kinesis, lambda, sqs } = clients;
    expect(await mappings()).toEqual([]);
    expect((await lambda.send(new ListFunctionsCommand())).Functions).toEqual([]);
    expect((await kinesis.send(new ListStreamsCommand())).StreamNames).toEqual(['existing']);
    // Moto leaves the table of which another stack imported the name.
    const { TableNames = [] } = await dynamo.send(new ListTablesCommand());
    expect(TableNames.filter((name) => !name.startsWith('Upstream-State'))).toEqual(['orders']);
    expect((await sqs.send(new ListQueuesCommand())).QueueUrls ?? []).toEqual([]);
  });
});
