import { CfnResource } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { IConstruct } from 'constructs';
import type { Pipeline } from '../src/index.ts';
import { leastMemory } from '../src/plan/memory.ts';
import { ROWS_KEY, STATE_KEY } from '../src/wiring/names.ts';
import { type Rendered, rendered } from './rendered.ts';

/** What a rule looks at: what was made, and whatever of the app feeds it, as templates will have it. */
interface Deployed {
  readonly pipeline: Pipeline;
  readonly functions: readonly DeployedFunction[];
  /** The mappings of the pipeline's functions, whoever made them. */
  readonly mappings: readonly Mapping[];
  /** What calls functions by the clock. */
  readonly schedules: readonly Rendered[];
  /** Tables and buckets of the app, made or brought; those that were imported are not known. */
  readonly state: Rendered | undefined;
  readonly rows: Rendered | undefined;
  readonly buckets: readonly Rendered[];
}

interface DeployedFunction extends Rendered {
  readonly role: 'handler' | 'sweeper' | 'projector' | 'query';
  readonly resource: CfnResource;
}

interface Mapping extends Rendered {
  readonly of: DeployedFunction;
  /** The stream, the queue or the table that it reads; undefined where that is imported. */
  readonly source: Rendered | undefined;
}

/** A rule without which a pipeline would lose records, or stand still, without a word. */
interface Rule {
  readonly name: string;
  /** Returns what breaks the rule, each as a sentence with the rule and the state. */
  readonly faults: (deployed: Deployed) => readonly string[];
}

/** How many times as long as an invocation may take a queue must hide a batch, as Lambda recommends. */
const VISIBILITIES = 6;

/** The most messages that Lambda passes at once of a FIFO queue. */
const FIFO_BATCH = 10;

/** The least time for an invocation, in seconds: a handler begins no commit in the last two. */
const LEAST_TIMEOUT = 10;

/** What CloudFormation takes where a template says nothing. */
const UNSAID = {
  timeout: 3,
  memory: 128,
  visibility: 30,
  streamHours: 24,
  queueSeconds: 4 * 86_400,
} as const;

/** In milliseconds. */
const SECOND = 1_000;
const HOUR = 3_600_000;

const rule = <Item extends Rendered>(
  name: string,
  of: (deployed: Deployed) => readonly Item[],
  faultOf: (item: Item, deployed: Deployed) => string | undefined,
): Rule => ({
  name,
  faults: (deployed) => of(deployed).flatMap((item) => faultOf(item, deployed) ?? []),
});

const ofMappings = (
  name: string,
  must: string,
  stateOf: (mapping: Mapping, deployed: Deployed) => string | undefined,
): Rule =>
  rule(
    name,
    ({ mappings }) => mappings,
    (mapping, deployed) => {
      const state = stateOf(mapping, deployed);
      return state && `Cannot map "${mapping.path}" as ${must}: ${state}`;
    },
  );

const ofFunctions = (
  name: string,
  must: string,
  stateOf: (fn: DeployedFunction, deployed: Deployed) => string | undefined,
): Rule =>
  rule(
    name,
    ({ functions }) => functions,
    (fn, deployed) => {
      const state = stateOf(fn, deployed);
      return state && `Cannot run "${fn.path}" as ${must}: ${state}`;
    },
  );

/** Every rule that is checked as an app is synthesized, over what its templates will say. */
export const RULES: readonly Rule[] = [
  ofMappings(
    'partial answers',
    'a mapping must set ReportBatchItemFailures',
    // A mapping of a broker of Amazon MQ cannot ask for reports: its handler throws instead.
    ({ properties: { FunctionResponseTypes: types = [], Queues: queues } }) =>
      queues === undefined && !(types as readonly unknown[]).includes('ReportBatchItemFailures')
        ? `it sets [${(types as readonly unknown[]).join(', ')}]`
        : undefined,
  ),
  ofMappings(
    'one batch at a time',
    'batches of one shard must be taken in one after the other, with a ParallelizationFactor of 1',
    ({ properties: { ParallelizationFactor: factor } }) =>
      typeof factor === 'number' && factor > 1 ? `it is ${factor}` : undefined,
  ),
  ofMappings(
    'from the oldest record',
    'a mapping must begin with the oldest record, at TRIM_HORIZON, or records that came before it was made are lost',
    ({ properties: { StartingPosition: position } }) =>
      position === 'LATEST' ? 'it begins at LATEST' : undefined,
  ),
  ofMappings(
    'batches of FIFO queues',
    `Lambda passes at most ${FIFO_BATCH} messages of a FIFO queue at once`,
    ({ source, properties: { BatchSize: size, EventSourceArn: arn } }) => {
      const isFifo =
        source?.properties['FifoQueue'] === true || (typeof arn === 'string' && arn.endsWith('.fifo'));
      return isFifo && typeof size === 'number' && size > FIFO_BATCH ? `BatchSize is ${size}` : undefined;
    },
  ),
  ofMappings(
    'visibility',
    `a queue must hide a batch for ${VISIBILITIES} times as long as an invocation may take`,
    ({ source, of }) => {
      if (source?.type !== 'AWS::SQS::Queue') return undefined;
      const visibility = numberIn(source, 'VisibilityTimeout', UNSAID.visibility);
      const timeout = numberIn(of, 'Timeout', UNSAID.timeout);
      return visibility !== undefined && timeout !== undefined && visibility < VISIBILITIES * timeout
        ? `"${source.path}" hides it for ${visibility} s, and an invocation may take ${timeout} s`
        : undefined;
    },
  ),
  ofMappings(
    'retention',
    'a source must keep its records for allowedLateness and idleAfter together, or an outage as long loses records that are still on time',
    ({ source, of }, { pipeline }) => {
      if (of.role !== 'handler' || source === undefined) return undefined;
      const kept = retentionOf(source);
      const needed = pipeline.allowedLateness + pipeline.rules.time.idleAfter;
      return kept !== undefined && kept < needed
        ? `"${source.path}" keeps them for ${kept / HOUR} hours, and these are ${needed / HOUR} hours`
        : undefined;
    },
  ),
  ofFunctions(
    'memory',
    'a function must have memory for all that the bounds of the engine let it hold',
    (fn, { pipeline }) => {
      const floor = leastMemory(pipeline, fn.role);
      const memory = numberIn(fn, 'MemorySize', UNSAID.memory);
      return memory !== undefined && memory < floor ? `it has ${memory} MB, and needs ${floor}` : undefined;
    },
  ),
  ofFunctions('time', `an invocation must have ${LEAST_TIMEOUT} seconds at least`, (fn) => {
    const timeout = numberIn(fn, 'Timeout', UNSAID.timeout);
    return timeout !== undefined && timeout < LEAST_TIMEOUT ? `it has ${timeout}` : undefined;
  }),
  ofFunctions(
    'runtime',
    'its bundle must run on Node.js 20 or later, from index.handler',
    ({ properties: { Runtime: runtime, Handler: handler } }) => {
      const [, major] = /^nodejs(\d+)\.x$/.exec(String(runtime)) ?? [];
      return Number(major ?? 0) >= 20 && handler === 'index.handler'
        ? undefined
        : `it runs on ${runtime}, from ${handler}`;
    },
  ),
  ofFunctions(
    'concurrency',
    'a function must be allowed to run',
    ({ properties: { ReservedConcurrentExecutions: reserved } }) =>
      reserved === 0 ? 'its reserved concurrency is 0' : undefined,
  ),
  {
    name: 'sweeper',
    faults: ({ pipeline, functions, schedules }) => {
      const sweeper = functions.find(({ role }) => role === 'sweeper');
      const rule = 'a sweeper must be called once a minute, or the windows of silent keys never close';
      if (sweeper === undefined) return [`Cannot deploy "${pipeline.name}" as ${rule}: there is none`];
      const called = schedules.some(
        (schedule) =>
          schedule.properties['State'] !== 'DISABLED' &&
          schedule.properties['ScheduleExpression'] === 'rate(1 minute)' &&
          [...schedule.refersTo('Target'), ...schedule.refersTo('Targets')].includes(sweeper.resource),
      );
      return called
        ? []
        : [
            `Cannot deploy "${pipeline.name}" as ${rule}: no schedule that is enabled calls "${sweeper.path}"`,
          ];
    },
  },
  rule(
    'state table',
    ({ state }) => (state === undefined ? [] : [state]),
    (state) => {
      const must = `a state table must have the keys ${STATE_KEY.partition}, a text, and ${STATE_KEY.sort}, a number, a stream, and expiry by ${STATE_KEY.expiry}`;
      const { StreamSpecification: stream, TimeToLiveSpecification: expiry } = state.properties;
      const { AttributeName: attribute, Enabled: enabled } = (expiry ?? {}) as {
        readonly AttributeName?: string;
        readonly Enabled?: boolean;
      };
      const wrong = [
        ...keyFaults(state, { [STATE_KEY.partition]: 'S', [STATE_KEY.sort]: 'N' }),
        ...(stream === undefined ? ['it has no stream'] : []),
        ...(enabled === true && attribute === STATE_KEY.expiry
          ? []
          : [`it expires items by ${attribute ?? 'nothing'}`]),
      ];
      return wrong.length > 0
        ? `Cannot keep logs in "${state.path}" as ${must}: ${wrong.join(', ')}`
        : undefined;
    },
  ),
  rule(
    'rows table',
    ({ rows }) => (rows === undefined ? [] : [rows]),
    (rows) => {
      const wrong = keyFaults(rows, { [ROWS_KEY.partition]: 'S', [ROWS_KEY.sort]: 'S' });
      return wrong.length > 0
        ? `Cannot keep rows in "${rows.path}" as its keys must be ${ROWS_KEY.partition} and ${ROWS_KEY.sort}, both texts: ${wrong.join(', ')}`
        : undefined;
    },
  ),
  rule(
    'private buckets',
    ({ buckets }) => buckets,
    ({ path, properties: { PublicAccessBlockConfiguration: block = {} } }) => {
      const open = PUBLIC_ACCESS.filter(
        (one) => (block as { readonly [name: string]: unknown })[one] !== true,
      );
      return open.length > 0
        ? `Cannot keep records in "${path}" as a bucket must block all public access: it does not set ${open.join(', ')}`
        : undefined;
    },
  ),
];

const PUBLIC_ACCESS = ['BlockPublicAcls', 'BlockPublicPolicy', 'IgnorePublicAcls', 'RestrictPublicBuckets'];

/** Returns a property that is a number, or what is taken for it; undefined where it is known at deployment alone. */
function numberIn({ properties }: Rendered, name: string, unsaid: number): number | undefined {
  const value = properties[name] ?? unsaid;
  return typeof value === 'number' ? value : undefined;
}

/** For how many milliseconds a source keeps records; undefined where nobody can change it, as for a table, or nobody knows. */
function retentionOf(source: Rendered): number | undefined {
  const [name, unsaid, unit] =
    source.type === 'AWS::Kinesis::Stream'
      ? (['RetentionPeriodHours', UNSAID.streamHours, HOUR] as const)
      : (['MessageRetentionPeriod', UNSAID.queueSeconds, SECOND] as const);
  if (source.type !== 'AWS::Kinesis::Stream' && source.type !== 'AWS::SQS::Queue') return undefined;
  const kept = numberIn(source, name, unsaid);
  return kept === undefined ? undefined : kept * unit;
}

/** Says how the keys of a table differ from what they must be: the type of each by its name, in order. */
function keyFaults(
  { properties }: Rendered,
  must: { readonly [name: string]: 'S' | 'N' },
): readonly string[] {
  const schema = (properties['KeySchema'] ?? []) as readonly { readonly AttributeName: string }[];
  const attributes = (properties['AttributeDefinitions'] ?? []) as readonly {
    readonly AttributeName: string;
    readonly AttributeType: string;
  }[];
  const has = schema.map(({ AttributeName: name }) => {
    const attribute = attributes.find(({ AttributeName }) => AttributeName === name);
    return `${name} (${attribute?.AttributeType})`;
  });
  const needed = Object.entries(must).map(([name, type]) => `${name} (${type})`);
  return has.join() === needed.join() ? [] : [`its keys are ${has.join(' and ')}`];
}

/** What a pipeline's construct consists of, as far as rules look at it. */
interface Parts {
  readonly pipeline: Pipeline;
  readonly functions: { readonly [Role in DeployedFunction['role']]?: IConstruct | undefined };
  readonly state: IConstruct;
  readonly rows: IConstruct | undefined;
  readonly buckets: readonly IConstruct[];
}

/** Returns what breaks a rule in the app, in words. */
export function faultsOf(parts: Parts): string[] {
  const deployed = deployedOf(parts);
  return RULES.flatMap(({ faults }) => faults(deployed));
}

function deployedOf({ pipeline, state, rows, buckets, ...parts }: Parts): Deployed {
  const all = state.node.root.node.findAll();
  const resources = all.filter((construct) => CfnResource.isCfnResource(construct));
  const known = (construct: IConstruct | undefined): Rendered | undefined => {
    const child = construct?.node.defaultChild;
    return CfnResource.isCfnResource(child) && all.includes(child) ? rendered(child) : undefined;
  };
  const functions = Object.entries(parts.functions).flatMap(([role, fn]) => {
    const resource = fn?.node.defaultChild;
    if (!CfnResource.isCfnResource(resource) || !all.includes(resource)) return [];
    return [{ ...rendered(resource), role: role as DeployedFunction['role'], resource }];
  });
  const mappings = resources
    .filter((resource) => resource instanceof lambda.CfnEventSourceMapping)
    .map(rendered)
    .flatMap((mapping) => {
      const callees = mapping.refersTo('FunctionName');
      const of = functions.find(
        ({ resource, properties }) =>
          callees.includes(resource) ||
          (properties['FunctionName'] !== undefined &&
            mapping.properties['FunctionName'] === properties['FunctionName']),
      );
      const source = mapping.refersTo('EventSourceArn').at(-1);
      return of === undefined ? [] : [{ ...mapping, of, source: source && rendered(source) }];
    });
  const schedules = resources
    .filter(({ cfnResourceType }) => SCHEDULES.includes(cfnResourceType))
    .map(rendered);
  return {
    pipeline,
    functions,
    mappings,
    schedules,
    state: known(state),
    rows: known(rows),
    buckets: buckets.flatMap((bucket) => known(bucket) ?? []),
  };
}

const SCHEDULES = ['AWS::Scheduler::Schedule', 'AWS::Events::Rule'];
