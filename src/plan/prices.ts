/** What something costs: dollars for so many of a unit. */
interface Price {
  readonly dollars: number;
  readonly per: number;
  readonly unit: string;
  /** The public page of AWS that lists it. */
  readonly page: string;
  /** Whether it was held against a second public source, or is from memory. */
  readonly known: 'compared' | 'from memory';
}

const MILLION = 1_000_000;

const listed =
  (page: string) =>
  (dollars: number, unit: string, known: Price['known'], per = 1): Price => ({
    dollars,
    per,
    unit,
    page,
    known,
  });

const lambda = listed('AWS Lambda Pricing');
const dynamodb = listed('Amazon DynamoDB pricing, on-demand capacity');
const kinesis = listed('Amazon Kinesis Data Streams pricing');
const s3 = listed('Amazon S3 pricing');
const sqs = listed('Amazon SQS pricing');
const sns = listed('Amazon SNS pricing');
const eventbridge = listed('Amazon EventBridge pricing');
const appsync = listed('AWS AppSync pricing');
const cloudwatch = listed('Amazon CloudWatch pricing');
const kms = listed('AWS Key Management Service pricing');
const vpc = listed('AWS PrivateLink pricing');
const flink = listed('Amazon Managed Service for Apache Flink pricing');

const PRICES = {
  lambdaRequest: lambda(0.2, 'requests', 'compared', MILLION),
  lambdaGigabyteSecond: lambda(0.0000133334, 'GB-second, Arm', 'compared'),
  lambdaPollerHour: lambda(0.00925, 'event poller unit and hour, provisioned mode', 'from memory'),
  dynamodbWriteUnit: dynamodb(0.625, 'write request units', 'compared', MILLION),
  dynamodbReadUnit: dynamodb(0.125, 'read request units', 'compared', MILLION),
  dynamodbStorage: dynamodb(0.25, 'GB-month', 'compared'),
  dynamodbRecovery: dynamodb(0.2, 'GB-month of point-in-time recovery', 'compared'),
  kinesisShardHour: kinesis(0.015, 'shard and hour', 'compared'),
  kinesisPutUnit: kinesis(0.014, 'PUT payload units of 25 KB', 'compared', MILLION),
  kinesisExtendedShardHour: kinesis(0.02, 'shard and hour of retention from 1 to 7 days', 'compared'),
  kinesisLongRetention: kinesis(0.023, 'GB-month of retention past 7 days', 'compared'),
  kinesisFanOutShardHour: kinesis(0.015, 'consumer, shard and hour of enhanced fan-out', 'compared'),
  kinesisFanOutRead: kinesis(0.013, 'GB read by enhanced fan-out', 'compared'),
  kinesisStreamHour: kinesis(0.04, 'on-demand stream and hour', 'compared'),
  kinesisIn: kinesis(0.08, 'GB written to an on-demand stream', 'compared'),
  kinesisOut: kinesis(0.04, 'GB read from an on-demand stream', 'compared'),
  kinesisOutFanOut: kinesis(0.05, 'GB read from an on-demand stream by enhanced fan-out', 'compared'),
  kinesisExtendedGigabyte: kinesis(0.1, 'GB-month of an on-demand stream from 1 to 7 days', 'compared'),
  s3Put: s3(0.005, 'PUT requests', 'from memory', 1_000),
  s3Get: s3(0.0004, 'GET and HEAD requests', 'from memory', 1_000),
  s3Storage: s3(0.023, 'GB-month, Standard', 'from memory'),
  sqsRequest: sqs(0.4, 'requests, standard queue', 'from memory', MILLION),
  sqsFifoRequest: sqs(0.5, 'requests, FIFO queue', 'from memory', MILLION),
  snsPublish: sns(0.5, 'publish requests of 64 KB, standard topic', 'from memory', MILLION),
  snsFifoPublish: sns(0.3, 'publish requests, FIFO topic', 'from memory', MILLION),
  eventbridgeEvent: eventbridge(1, 'custom events of 64 KB', 'compared', MILLION),
  schedulerInvocation: eventbridge(1, 'invocations of EventBridge Scheduler', 'from memory', MILLION),
  appsyncOperation: appsync(1, 'Event API operations', 'from memory', MILLION),
  cloudwatchMetric: cloudwatch(0.3, 'custom metric and month', 'from memory'),
  cloudwatchAlarm: cloudwatch(0.1, 'alarm of standard resolution and month', 'from memory'),
  cloudwatchDashboard: cloudwatch(3, 'dashboard and month', 'from memory'),
  cloudwatchRead: cloudwatch(0.01, 'metrics requested by API', 'from memory', 1_000),
  cloudwatchLogs: cloudwatch(0.5, 'GB of logs ingested', 'from memory'),
  cloudwatchLogStorage: cloudwatch(0.03, 'GB-month of logs, compressed', 'from memory'),
  kmsKey: kms(1, 'customer managed key and month', 'from memory'),
  kmsRequest: kms(0.03, 'requests', 'from memory', 10_000),
  endpointHour: vpc(0.01, 'interface endpoint, zone and hour', 'from memory'),
  flinkUnitHour: flink(0.11, 'KPU and hour', 'from memory'),
  flinkStorage: flink(0.1, 'GB-month of running application storage', 'from memory'),
} as const satisfies { readonly [name: string]: Price };

export type PriceName = keyof typeof PRICES;

/** List prices of a region as of a day. */
export interface PriceList {
  readonly region: string;
  /** The day on which they were written down, as YYYY-MM-DD. */
  readonly asOf: string;
  /** Where they come from, in a few words. */
  readonly from: string;
  readonly prices: { readonly [Name in PriceName]: Price };
}

/** The list that plans go by where none is given. */
export const LIST: PriceList = {
  region: 'us-east-1',
  asOf: '2026-11-29',
  from: 'public pages as they were remembered or stored, not from a bill',
  prices: PRICES,
};

/** Returns what some of a unit cost, in dollars. */
export const costOf = ({ prices }: PriceList, name: PriceName, units: number): number =>
  (units * prices[name].dollars) / prices[name].per;

/**
 * Returns the list with the prices of a file in place of its own: JSON of the form
 * `{ region, asOf, prices: { <name>: <dollars for as many units as the list says> } }`. What the file leaves out stays.
 *
 * @throws RangeError when the file is not of that form, or names a price that no list has
 */
export function pricesOf(file: unknown): PriceList {
  if (!isMap(file))
    throw new RangeError(`Cannot read prices as they must be an object: they are ${kindOf(file)}`);
  const { region = LIST.region, asOf, prices, ...others } = file;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new RangeError(
      `Cannot read prices as they have region, asOf and prices alone: there is "${unknown}"`,
    );
  }
  if (typeof region !== 'string' || region === '') {
    throw new RangeError(
      `Cannot read prices as region must be the name of a region: it is ${kindOf(region)}`,
    );
  }
  if (typeof asOf !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(asOf)) {
    throw new RangeError(
      `Cannot read prices as asOf must be a day such as "2026-11-29": it is ${kindOf(asOf)}`,
    );
  }
  if (!isMap(prices)) {
    throw new RangeError(`Cannot read prices as prices must be an object: it is ${kindOf(prices)}`);
  }
  const replaced = Object.entries(prices).map(([name, dollars]) => {
    if (!isName(name)) {
      throw new RangeError(
        `Cannot read prices as "${name}" must be a price of the list: millrace plan --prices show names them`,
      );
    }
    if (typeof dollars !== 'number' || !(dollars >= 0 && dollars < Number.POSITIVE_INFINITY)) {
      throw new RangeError(
        `Cannot read prices as ${name} must be a number of dollars from 0 on: it is ${kindOf(dollars)}`,
      );
    }
    return [name, { ...LIST.prices[name], dollars }] as const;
  });
  const from =
    replaced.length === Object.keys(LIST.prices).length
      ? 'a file'
      : 'a file, and what it leaves out as listed';
  return { region, asOf, from, prices: { ...LIST.prices, ...Object.fromEntries(replaced) } };
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isName = (name: string): name is PriceName => Object.hasOwn(LIST.prices, name);

const kindOf = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number'
    ? JSON.stringify(value)
    : Array.isArray(value)
      ? 'a list'
      : value === null
        ? 'null'
        : typeof value;
