import { GetMetricStatisticsCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import {
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { DescribeStreamSummaryCommand, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { ListEventSourceMappingsCommand } from '@aws-sdk/client-lambda';
import { GetBucketEncryptionCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { LATE_PREFIX, PANES_PREFIX, POISON_PREFIX } from '../../src/wiring/names.ts';
import { CANARY, linesThatShowIt } from '../runtime/canary.ts';
import type { Account } from './account.ts';

/** Something that an account shows, and nothing that runs on one machine. */
export interface Item {
  readonly name: string;
  readonly shows: string;
  readonly how: string;
  /** What it costs, in dollars by the prices of us-east-1, rounded up. */
  readonly dollars: number;
  /** Why an imitation of AWS cannot show it; undefined where moto can. */
  readonly notOnMoto?: string;
  /**
   * Looks at the deployed stack, after the items before it.
   *
   * @returns what was seen
   * @throws Error that says what was not
   */
  check(account: Account): Promise<string>;
}

const NO_FUNCTIONS = 'moto calls no function';
const MACHINES = ['pump', 'oven', CANARY];
const RECORDS = 90;

/** The functions of the stack, by the outputs that name them. */
const FUNCTIONS = ['HandlerName', 'SweeperName', 'ProjectorName'] as const;

const named = ({ outputs }: Account, name: string): string => {
  const value = outputs[name];
  if (value === undefined)
    throw new Error(`The stack has no output ${name}: it has ${Object.keys(outputs).join(', ')}`);
  return value;
};

const objectsIn = async (account: Account, prefix: string): Promise<readonly string[]> => {
  const Bucket = named(account, 'ResultsBucketName');
  const { Contents = [] } = await account.s3.send(new ListObjectsV2Command({ Bucket, Prefix: prefix }));
  return Contents.flatMap(({ Key }) => Key ?? []);
};

/** What is checked, in its order: later items look at what earlier ones have sent. */
export const ITEMS: readonly Item[] = [
  {
    name: 'resources',
    shows: 'CloudFormation makes all that the template has, with the quotas and the policies of this account',
    how: 'asks the services for the stream, the tables and the buckets that the outputs name',
    dollars: 0.01,
    async check(account) {
      const { StreamDescriptionSummary: stream } = await account.kinesis.send(
        new DescribeStreamSummaryCommand({ StreamName: named(account, 'StreamName') }),
      );
      const tables = await Promise.all(
        ['StateTableName', 'RowsTableName'].map((output) =>
          account.dynamo.send(new DescribeTableCommand({ TableName: named(account, output) })),
        ),
      );
      for (const output of ['ResultsBucketName', 'FailuresBucketName'])
        await account.s3.send(new GetBucketEncryptionCommand({ Bucket: named(account, output) }));
      return `a stream that is ${stream?.StreamStatus}, tables that are ${tables.map(({ Table }) => Table?.TableStatus).join(' and ')}, two encrypted buckets`;
    },
  },
  {
    name: 'mappings',
    shows: 'Lambda accepts the event source mappings, and is allowed to read what they read',
    how: 'waits until every mapping of the functions is enabled',
    dollars: 0,
    check: (account) =>
      account.until('all mappings enabled', 5, async () => {
        const answers = await Promise.all(
          (['HandlerName', 'ProjectorName'] as const).map((output) =>
            account.lambda.send(new ListEventSourceMappingsCommand({ FunctionName: named(account, output) })),
          ),
        );
        const states = answers.flatMap(({ EventSourceMappings = [] }) =>
          EventSourceMappings.map(({ State }) => State),
        );
        return states.length === 2 && states.every((state) => state === 'Enabled')
          ? 'two, enabled'
          : undefined;
      }),
  },
  {
    name: 'recovery',
    shows: 'the state table can be taken back to any second',
    how: 'asks DynamoDB for its continuous backups',
    dollars: 0,
    notOnMoto: 'moto drops this on the way from a template',
    async check({ dynamo, ...account }) {
      const TableName = named(account as Account, 'StateTableName');
      const { ContinuousBackupsDescription } = await dynamo.send(
        new DescribeContinuousBackupsCommand({ TableName }),
      );
      const status = ContinuousBackupsDescription?.PointInTimeRecoveryDescription?.PointInTimeRecoveryStatus;
      if (status !== 'ENABLED') throw new Error(`Point-in-time recovery is ${status}`);
      return 'point-in-time recovery is on';
    },
  },
  {
    name: 'records',
    shows: 'the stream takes records',
    how: `puts ${RECORDS} readings of three machines, and three that cannot be read`,
    dollars: 0.01,
    async check(account) {
      const now = Date.now();
      const readings = Array.from({ length: RECORDS }, (_, at) => ({
        machine: MACHINES[at % MACHINES.length] as string,
        at: now - 1_000 * (RECORDS - at),
        celsius: 20 + (at % 10),
      }));
      const records = [
        ...readings.map((reading) => [reading.machine, JSON.stringify(reading)] as const),
        ...['{', `{"machine":"${CANARY}"}`, CANARY].map((text) => [CANARY, text] as const),
      ];
      const { FailedRecordCount } = await account.kinesis.send(
        new PutRecordsCommand({
          StreamName: named(account, 'StreamName'),
          Records: records.map(([PartitionKey, text]) => ({ PartitionKey, Data: Buffer.from(text) })),
        }),
      );
      if (FailedRecordCount !== 0)
        throw new Error(`${FailedRecordCount} of ${records.length} were not taken`);
      return `${records.length} records`;
    },
  },
  {
    name: 'rows',
    shows:
      'the mapping calls the handler, its commits wake the projector, and their roles allow what both do',
    how: 'waits for the rows of three machines in both windows',
    dollars: 0.01,
    notOnMoto: NO_FUNCTIONS,
    check: (account) =>
      account.until('rows of three machines', 5, async () => {
        const { Items = [] } = await account.dynamo.send(
          new ScanCommand({ TableName: named(account, 'RowsTableName') }),
        );
        const keys = new Set(Items.map(({ key }) => key?.S));
        return MACHINES.every((machine) => keys.has(machine)) ? `${Items.length} rows` : undefined;
      }),
  },
  {
    name: 'objects',
    shows: 'the projector may write panes, and the handler what it refuses',
    how: `waits for objects below ${PANES_PREFIX} and ${POISON_PREFIX}, and for none below ${LATE_PREFIX}`,
    dollars: 0.01,
    notOnMoto: NO_FUNCTIONS,
    check: (account) =>
      account.until('objects of panes and of refused records', 5, async () => {
        const [panes = [], poison = [], late = []] = await Promise.all(
          [PANES_PREFIX, POISON_PREFIX, LATE_PREFIX].map((prefix) => objectsIn(account, prefix)),
        );
        if (late.length > 0) throw new Error('Records were late that were not');
        return panes.length > 0 && poison.length > 0
          ? `${panes.length} of panes, ${poison.length} of refused records`
          : undefined;
      }),
  },
  {
    name: 'schedule',
    shows: 'the schedule calls the sweeper each minute, and windows of silent keys close',
    how: "waits for a second invocation of the sweeper in CloudWatch's statistics",
    dollars: 0.01,
    notOnMoto: NO_FUNCTIONS,
    check: (account) =>
      account.until('two invocations of the sweeper', 8, async () => {
        const { Datapoints = [] } = await account.cloudwatch.send(
          new GetMetricStatisticsCommand({
            Namespace: 'AWS/Lambda',
            MetricName: 'Invocations',
            Dimensions: [{ Name: 'FunctionName', Value: named(account, 'SweeperName') }],
            StartTime: new Date(Date.now() - 1_800_000),
            EndTime: new Date(),
            Period: 60,
            Statistics: ['Sum'],
          }),
        );
        return Datapoints.length >= 2 ? `${Datapoints.length} minutes with invocations` : undefined;
      }),
  },
  {
    name: 'metrics',
    shows: 'CloudWatch makes metrics of what functions log',
    how: 'waits for metrics of the namespace Millrace',
    dollars: 0.05,
    notOnMoto: NO_FUNCTIONS,
    check: (account) =>
      account.until('metrics of Millrace', 8, async () => {
        const { Metrics = [] } = await account.cloudwatch.send(
          new ListMetricsCommand({ Namespace: 'Millrace' }),
        );
        const names = new Set(Metrics.map(({ MetricName }) => MetricName));
        return names.has('applied') ? `${names.size} metrics` : undefined;
      }),
  },
  {
    name: 'permissions',
    shows: 'no function lacks a permission',
    how: 'looks for refusals in what each has logged',
    dollars: 0.01,
    notOnMoto: NO_FUNCTIONS,
    async check(account) {
      for (const output of FUNCTIONS)
        for (const text of ['AccessDenied', 'not authorized']) {
          const [line] = await account.logged(named(account, output), text);
          if (line !== undefined) throw new Error(`${output} was refused: ${line}`);
        }
      return 'no refusal';
    },
  },
  {
    name: 'privacy',
    shows: 'no log of the account holds a key or a payload',
    how: 'looks for the key and the payload that were sent in what each function has logged',
    dollars: 0.01,
    notOnMoto: NO_FUNCTIONS,
    async check(account) {
      for (const output of FUNCTIONS) {
        const lines = await account.logged(named(account, output), CANARY);
        const [line] = linesThatShowIt(lines.join('\n'));
        if (line !== undefined) throw new Error(`${output} has logged what it was given: ${line}`);
      }
      return 'nothing of a record';
    },
  },
  {
    name: 'cold starts',
    shows: 'how long functions take to begin, and how much memory they use, in Lambda itself',
    how: 'reads the REPORT lines of each function',
    dollars: 0.01,
    notOnMoto: NO_FUNCTIONS,
    async check(account) {
      const said = await Promise.all(
        FUNCTIONS.map(async (output) => {
          const lines = await account.logged(named(account, output), 'Init Duration');
          const [, init = '?'] = /Init Duration: ([\d.]+ ms)/.exec(lines[0] ?? '') ?? [];
          const [, memory = '?'] = /Max Memory Used: (\d+ MB)/.exec(lines[0] ?? '') ?? [];
          return `${output.replace('Name', '').toLowerCase()} ${init}, ${memory}`;
        }),
      );
      return said.join('; ');
    },
  },
  {
    name: 'query',
    shows: 'the URL answers who signs, and nobody else',
    how: 'asks it with a signature, and without one',
    dollars: 0.01,
    notOnMoto: 'moto does not know the URL of a function',
    async check(account) {
      const url = new URL('/api/latest?key=pump&window=lastThree', named(account, 'QueryUrl')).href;
      const unsigned = await fetch(url);
      if (unsigned.status !== 403) throw new Error(`Without a signature it answers ${unsigned.status}`);
      const signed = await account.ask('lambda', { url, method: 'GET' });
      if (!signed.ok) throw new Error(`With a signature it answers ${signed.status}: ${await signed.text()}`);
      return '403 without a signature, 200 with one';
    },
  },
  {
    name: 'create-only',
    shows: "the bucket's policy refuses to write an object without If-None-Match",
    how: 'tries to',
    dollars: 0.01,
    notOnMoto: 'moto drops bucket policies on the way from a template',
    async check(account) {
      const Bucket = named(account, 'ResultsBucketName');
      const put = account.s3.send(
        new PutObjectCommand({ Bucket, Key: `${PANES_PREFIX}overwritten`, Body: '' }),
      );
      const refused = await put.then(
        () => undefined,
        (error) => String(error?.name),
      );
      if (refused !== 'AccessDenied') throw new Error(`The write ended with ${refused ?? 'success'}`);
      return 'AccessDenied';
    },
  },
];
