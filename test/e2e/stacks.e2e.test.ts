import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { CreateStreamCommand, ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { ListEventSourceMappingsCommand, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { startMoto } from '../adapters/contract-servers.ts';
import { cdk, clientsOf, deployOver, environmentOf, fill, keptIn, PROJECT, runningIn } from './moto.ts';

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
    mkdirSync(changedEntry());
    writeFileSync(
      join(changedEntry(), 'pipeline.ts'),
      `export { flights } from '${PROJECT}/functions/flights/pipeline.ts'; // changed`,
    );
    await Promise.all([synth('former'), synth('changed', { CHANGED_ENTRY: changedEntry() })]);
    await cdk(environment, 'bootstrap', 'aws://123456789012/us-east-1', '--app', assembly('former'));
    // Moto knows what a stack exports only where no change set made it.
    await deployOver(environment, assembly('former'), ...STACKS);
  }, 400_000);

  afterAll(async () => {
    await moto?.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const changedEntry = () => join(scratch, 'entry');
  const assembly = (name: 'former' | 'changed') => join(scratch, name);
  const synth = (name: 'former' | 'changed', variables: Readonly<Record<string, string>> = {}) =>
    cdk(
      { ...environment, ...variables },
      ...['synth', '--quiet', '--output', assembly(name)],
      ...['--app', `"${process.execPath}" --import tsx test/e2e/stacks/app.ts`],
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

  it('take a change, and another that goes back, with all that they hold', { timeout: 400_000 }, async () => {
    const former = await runningIn(clients);
    await fill(clients, 'before');
    const before = await keptIn(clients);
    await deployOver(environment, assembly('changed'), ...STACKS);
    expect(await mappings()).toEqual([
      'dynamodb 20 s',
      'kinesis 20 s',
      'kinesis 20 s',
      'kinesis 20 s',
      'kinesis 20 s',
      'sqs 20 s',
    ]);
    const changed = await runningIn(clients);
    expect(Object.keys(changed.functions)).toEqual(Object.keys(former.functions));
    for (const [name, { CodeSha256, Timeout }] of Object.entries(changed.functions)) {
      expect(Timeout, name).toBe(120);
      expect(CodeSha256, name).not.toBe(former.functions[name]?.CodeSha256);
    }
    expect(await keptIn(clients)).toEqual(before);

    await fill(clients, 'meanwhile');
    const meanwhile = await keptIn(clients);
    await deployOver(environment, assembly('former'), ...STACKS);
    expect(await runningIn(clients)).toEqual(former);
    expect(await keptIn(clients)).toEqual(meanwhile);
  });

  it('leave nothing behind but what was there before', { timeout: 400_000 }, async () => {
    await cdk(environment, 'destroy', ...STACKS, '--app', assembly('former'), '--force');
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
