import { type Millis, millis } from '../core/time.ts';
import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type Sink, sinkName } from '../pipeline/sinks.ts';
import { ENTRY_LIFETIME } from '../ports/commit-log.ts';
import type { Measure, Metric } from '../ports/telemetry.ts';

/** The functions of a pipeline that are watched. */
export type Watched = 'handler' | 'sweeper' | 'projector';

/** A figure in CloudWatch, as one value a period. */
export type Figure = { readonly stat: 'Sum' | 'Maximum' | 'SampleCount' } & (
  | { readonly of: 'pipeline'; readonly metric: Metric | Measure }
  | { readonly of: 'sink'; readonly metric: 'sinkLag'; readonly sink: string }
  | {
      readonly of: 'function';
      readonly metric: 'IteratorAge' | 'OffsetLag' | 'Errors' | 'Throttles' | 'Duration';
      readonly fn: Watched;
    }
  | {
      readonly of: 'mapping';
      /** Of the handler's mapping. */
      readonly metric: 'DroppedEventCount' | 'OnFailureDestinationDeliveredEventCount';
    }
  | { readonly of: 'queue'; readonly metric: 'ApproximateAgeOfOldestMessage' }
  | { readonly of: 'deadLetters'; readonly metric: 'ApproximateNumberOfMessagesVisible' }
  | { readonly of: 'broker'; readonly metric: 'MessageCount' }
  | { readonly of: 'stream'; readonly metric: 'WriteProvisionedThroughputExceeded' }
  | { readonly of: 'state'; readonly metric: 'ReadThrottleEvents' | 'WriteThrottleEvents' }
);

/** What goes wrong with a pipeline, and how that shows in CloudWatch. */
export interface Alarm {
  /** Such as `Behind`, or `SinkBehindTable`: unique among those of a pipeline. */
  readonly name: string;
  /** Its row in docs/operations.md, and its section in docs/runbook.md. */
  readonly row: string;
  /** What has happened, in a sentence. */
  readonly means: string;
  /** The figures by the names that `expression` has for them. Without an expression it is one figure. */
  readonly figures: { readonly [id: string]: Figure };
  /** Metric math of CloudWatch. */
  readonly expression?: string;
  /** It goes off above this, or, for `below`, below this. */
  readonly threshold: number;
  readonly comparison: 'above' | 'below';
  /** Why that is the threshold. */
  readonly reason: string;
  /** In whole minutes. */
  readonly periodMinutes: number;
  /** How many of the last `periods` must be so. */
  readonly periods: number;
  readonly breaching: number;
  /** What a period without data is taken for. */
  readonly missing: 'bad' | 'good';
}

/** What rows have in common: five minutes long, three times in a row, and no data where nothing runs. */
const SUSTAINED = {
  periodMinutes: 5,
  periods: 3,
  breaching: 3,
  comparison: 'above',
  missing: 'good',
} as const;

/** What must never happen goes off at once. */
const AT_ONCE = { ...SUSTAINED, periods: 1, breaching: 1, threshold: 0 } as const;

/** How late results may be before somebody is told. */
const LATE = millis('15m');

/** How many minutes of its own rate a topic or a queue may be behind. */
const LATE_MINUTES = LATE / millis('1m');

/** For how long the stack's queues keep a message, and by default all others. */
const QUEUE_KEPT = millis('4d');

/** For how long a table's stream keeps a change, and at least a stream of Kinesis that the stack did not make. */
const LEAST_KEPT = millis('1d');

/** The part of a function's time from which on it is slow. */
const SLOW = 0.8;

/** How a pipeline's functions are set, as far as alarms depend on it. */
export interface WatchedSettings {
  /** How long an invocation of a function may take. Default a minute. */
  readonly timeoutMillis?: number;
  /** Whether the stream or the queue that is read exists already, and is set as its owner wants. Default false. */
  readonly brought?: boolean;
}

/**
 * Lists the alarms of a pipeline: the table of docs/operations.md, for its source and its sinks.
 *
 * A name stands for one row of that table, followed by the sink or the function where a row makes several alarms.
 */
export function alarmsOf(
  pipeline: Pipeline,
  { timeoutMillis = millis('1m'), brought = false }: WatchedSettings = {},
): readonly Alarm[] {
  const delivers = pipeline.sinks.length > 0;
  const functions: readonly Watched[] = ['handler', 'sweeper', ...(delivers ? (['projector'] as const) : [])];
  const ofSource = sourceAlarms(pipeline, brought);
  return [
    ...ofSource.alarms,
    one('SweepStalled', pipelineSum('sweeps'), {
      ...SUSTAINED,
      comparison: 'below',
      threshold: 1,
      missing: 'bad',
      means: 'No sweep has visited all key groups for 15 minutes: windows of silent keys stay open.',
      reason: 'the sweeper comes once a minute, and a sweep that failed is made good by the next',
    }),
    one('SnapshotOld', pipelineMax('oldestSnapshot'), {
      ...AT_ONCE,
      threshold: millis('3d'),
      means: 'The snapshot of a key group was not renewed: its entries expire after eight days.',
      reason: 'the sweeper renews after two days, and what follows a snapshot can be read for four',
    }),
    ...pipeline.sinks.flatMap(sinkAlarms),
    ...(delivers || ofSource.readsLogs
      ? [
          one('Gaps', pipelineSum('gaps'), {
            ...AT_ONCE,
            means: 'Entries expired before a projector delivered them, and it cannot go on.',
            reason: 'what expired is not delivered any more',
          }),
        ]
      : []),
    ...messageAlarms(pipeline.sinks),
    math('PoisonShare', share('poison'), TAKEN_IN, {
      ...SUSTAINED,
      breaching: 2,
      threshold: 1,
      means: 'More than 1 % of the records are refused.',
      reason: 'producers send a bad record now and then; one in a hundred is a producer that changed',
    }),
    math('LateShare', share('late'), TAKEN_IN, {
      ...SUSTAINED,
      threshold: 5,
      means: 'More than 5 % of the records come too late for every window.',
      reason:
        'one in twenty moves results, and `outOfOrderness` or `allowedLateness` would take most of them',
    }),
    one('NoRoom', pipelineSum('noRoom'), {
      ...AT_ONCE,
      means: 'Records were refused, as their key group has no room for them.',
      reason: 'the records of new keys are missing from results until there are more groups',
    }),
    one('GroupsFull', pipelineMax('roomUsed'), {
      ...SUSTAINED,
      threshold: 70,
      means: 'A key group has used more than 70 % of its room for new keys.',
      reason: 'from 100 on it refuses records of new keys, and 70 leaves time to change the number of groups',
    }),
    one('CutPanes', pipelineSum('cutPanes'), {
      ...AT_ONCE,
      means: 'Results of panes were left out, as no entry has room for them.',
      reason: 'a pane without its results is no result',
    }),
    math('Conflicts', `IF(commits + conflicts > ${FEW}, 100 * conflicts / (commits + conflicts), 0)`, both, {
      ...SUSTAINED,
      periods: 6,
      breaching: 6,
      threshold: 50,
      means: 'More than half of the appends lose a race to another writer, and are made again.',
      reason: 'writers meet now and then; that most of them do for half an hour is a way of sending records',
    }),
    one('Unaccounted', pipelineSum('unaccounted'), {
      ...AT_ONCE,
      means: 'The handler has done with records that are in no count.',
      reason: 'every record is applied, a duplicate, late or poison: anything else is a fault of Millrace',
    }),
    one('AuthorFaults', pipelineSum('authorFaults'), {
      ...AT_ONCE,
      means: 'A function of the definition threw, or answered with what no record can have.',
      reason: 'the record is refused, or the window stays open, until the function is mended',
    }),
    one('Faults', pipelineSum('faults'), {
      ...SUSTAINED,
      means: 'Something could not be done in each of three times five minutes.',
      reason: 'what fails is tried again, and a single failure needs nobody',
    }),
    math('Errors', sumOf(functions), eachOf(functions, 'Errors'), {
      ...SUSTAINED,
      threshold: 0,
      means: 'A function failed in each of three times five minutes.',
      reason: 'an invocation that fails is made good by the next',
    }),
    math('Throttled', sumOf(functions), eachOf(functions, 'Throttles'), {
      ...SUSTAINED,
      threshold: 0,
      means: "Lambda refused to run a function: the account's concurrency is used up.",
      reason: 'a burst is throttled for some minutes and catches up',
    }),
    ...functions.map(
      (fn): Alarm => ({
        ...one(
          'Slow',
          { fn: { of: 'function', metric: 'Duration', fn, stat: 'Maximum' } },
          {
            ...SUSTAINED,
            threshold: SLOW * timeoutMillis,
            means: `The ${fn} takes more than 80 % of its time in each of three times five minutes.`,
            reason: 'two seconds before its time is up a function begins nothing more, and falls behind',
          },
        ),
        name: `Slow${capital(fn)}`,
      }),
    ),
    math(
      'StateThrottled',
      'FILL(reads, 0) + FILL(writes, 0)',
      {
        reads: { of: 'state', metric: 'ReadThrottleEvents', stat: 'Sum' },
        writes: { of: 'state', metric: 'WriteThrottleEvents', stat: 'Sum' },
      },
      {
        ...SUSTAINED,
        threshold: 0,
        means: 'DynamoDB refuses requests to the state table.',
        reason: 'a table on demand doubles what it takes within minutes',
      },
    ),
  ];
}

const FEW = 20;

const TAKEN_IN = sums('applied', 'late', 'duplicate', 'filtered', 'poison');
const both = sums('commits', 'conflicts');

const FILLED = sumOf(Object.keys(TAKEN_IN));

/** The share of the records that are counted as `metric`, in percent; 0 where there were none. */
const share = (metric: 'poison' | 'late'): string => {
  const total = Object.keys(TAKEN_IN).join(' + ');
  return `IF(${total} > 0, 100 * ${metric} / (${total}), 0)`;
};

type Rest = Omit<Alarm, 'name' | 'row' | 'figures' | 'expression' | 'threshold'> & {
  readonly threshold?: number;
};

const one = (name: string, figures: Alarm['figures'], rest: Rest): Alarm => ({
  name,
  row: name,
  figures,
  threshold: 0,
  ...rest,
});

const math = (name: string, expression: string, figures: Alarm['figures'], rest: Rest): Alarm => ({
  ...one(name, figures, rest),
  expression,
});

const pipelineSum = (metric: Metric): Alarm['figures'] => ({ it: { of: 'pipeline', metric, stat: 'Sum' } });
const pipelineMax = (metric: Measure): Alarm['figures'] => ({
  it: { of: 'pipeline', metric, stat: 'Maximum' },
});

function sums(...metrics: readonly Metric[]): Alarm['figures'] {
  return Object.fromEntries(metrics.map((metric) => [metric, { of: 'pipeline', metric, stat: 'Sum' }]));
}

const eachOf = (functions: readonly Watched[], metric: 'Errors' | 'Throttles'): Alarm['figures'] =>
  Object.fromEntries(functions.map((fn) => [fn, { of: 'function', metric, fn, stat: 'Sum' }]));

function sumOf(ids: readonly string[]): string {
  return ids.map((id) => `FILL(${id}, 0)`).join(' + ');
}

/** Returns a name such as `on-call` as `OnCall`. */
const capital = (name: string): string =>
  name.replaceAll(/(?:^|-)([a-z0-9]?)/g, (_, first: string) => first.toUpperCase());

interface SourceAlarms {
  readonly alarms: readonly Alarm[];
  /** Whether the handler reads the logs of another pipeline. */
  readonly readsLogs: boolean;
}

/** What differs by the source: how far behind the handler is, and what the source drops. */
function sourceAlarms({ source }: Pipeline, brought: boolean): SourceAlarms {
  const lagging = (figures: Alarm['figures'], unit: number, of: string): Alarm =>
    one('Behind', figures, {
      ...SUSTAINED,
      threshold: LATE / unit,
      means: `${of} has waited for more than 15 minutes.`,
      reason:
        'a batch waits for seconds, and a handler that was redeployed or throttled catches up in minutes',
    });
  const runningOut = (figures: Alarm['figures'], unit: number, kept: Millis): Alarm =>
    one('RetentionRunsOut', figures, {
      ...AT_ONCE,
      threshold: kept / 2 / unit,
      means: 'What waits at the source has waited for half of the time for which it is kept.',
      reason: 'what is older than the source keeps it is lost, and half of that time is left',
    });
  // While nobody can tell what waits, no time passes by silence. A sweeper that is dead is another alarm.
  const silence = one(
    'SilenceStalled',
    { it: { of: 'pipeline', metric: 'sourceAge', stat: 'SampleCount' } },
    {
      ...SUSTAINED,
      periods: 6,
      breaching: 6,
      comparison: 'below',
      threshold: 1,
      missing: 'bad',
      means: 'For half an hour the sweeper could not tell what waits at the source: no silence passes.',
      reason: 'a service that does not answer once is asked again a minute later',
    },
  );
  const shards = (kept: Millis): readonly Alarm[] => {
    const age: Alarm['figures'] = {
      it: { of: 'function', metric: 'IteratorAge', fn: 'handler', stat: 'Maximum' },
    };
    return [lagging(age, 1, 'A record of the stream'), runningOut(age, 1, kept), silence];
  };
  const queue = (): SourceAlarms => {
    const age: Alarm['figures'] = {
      it: { of: 'queue', metric: 'ApproximateAgeOfOldestMessage', stat: 'Maximum' },
    };
    const deadLetters = one(
      'DeadLetters',
      { it: { of: 'deadLetters', metric: 'ApproximateNumberOfMessagesVisible', stat: 'Maximum' } },
      {
        ...AT_ONCE,
        means: 'Messages are in the dead-letter queue.',
        reason: 'a message comes there only once it was tried a hundred times, and is in no result',
      },
    );
    const seconds = millis('1s');
    return {
      alarms: [
        lagging(age, seconds, 'A message of the queue'),
        runningOut(age, seconds, QUEUE_KEPT),
        silence,
        ...(brought ? [] : [deadLetters]),
      ],
      readsLogs: false,
    };
  };
  // How old what waits is, nobody can tell: so it is how many minutes of what is taken in would bring it in. What comes
  // again and again is received, and not taken in.
  const backlog = (waiting: Figure): SourceAlarms => ({
    alarms: [
      math(
        'Behind',
        `IF(FILL(waiting, 0) > 0, IF(${FILLED} > 0, 5 * waiting / (${FILLED}), 1440), 0)`,
        { waiting, ...TAKEN_IN },
        {
          ...SUSTAINED,
          threshold: LATE_MINUTES,
          means: 'More records wait than the handler takes in within 15 minutes.',
          reason: 'a batch waits for seconds, and a burst is worked off in minutes',
        },
      ),
    ],
    readsLogs: false,
  });
  return byKind(source, {
    kinesis: ({ stream }) => ({
      alarms: [
        ...shards('arn' in stream || brought ? LEAST_KEPT : stream.retention),
        one('Misaligned', pipelineSum('misaligned'), {
          ...SUSTAINED,
          means: 'Partition keys of records are not their keys, so that every batch touches every key group.',
          reason: 'a shard that splits shows the same for some minutes',
        }),
        STREAM_FULL,
        GIVEN_UP,
      ],
      readsLogs: false,
    }),
    dynamodb: () => ({ alarms: [...shards(LEAST_KEPT), GIVEN_UP], readsLogs: false }),
    sqs: queue,
    fifo: queue,
    kafka: () => backlog({ of: 'function', metric: 'OffsetLag', fn: 'handler', stat: 'Maximum' }),
    rabbitmq: () => backlog({ of: 'broker', metric: 'MessageCount', stat: 'Maximum' }),
    panes: () => ({
      alarms: [
        lagging(pipelineMax('sourceAge'), 1, 'A pane of the other pipeline'),
        runningOut(pipelineMax('sourceAge'), 1, ENTRY_LIFETIME),
        silence,
      ],
      readsLogs: true,
    }),
  });
}

const STREAM_FULL = one(
  'StreamThrottled',
  { it: { of: 'stream', metric: 'WriteProvisionedThroughputExceeded', stat: 'Sum' } },
  {
    ...SUSTAINED,
    means: 'The stream refuses records of its producers.',
    reason: 'producers try again, and a stream on demand grows within minutes',
  },
);

/** Wake-ups of projectors are given up, too, and lost without harm: the clock wakes them as well. */
const GIVEN_UP = math(
  'GivenUp',
  'FILL(dropped, 0) + FILL(kept, 0)',
  {
    dropped: { of: 'mapping', metric: 'DroppedEventCount', stat: 'Sum' },
    kept: { of: 'mapping', metric: 'OnFailureDestinationDeliveredEventCount', stat: 'Sum' },
  },
  {
    ...AT_ONCE,
    means: 'Lambda gave up records that the stream had dropped: they lie in the failures bucket, or nowhere.',
    reason: 'the mapping tries without end, so that only what the stream no longer has is given up',
  },
);

/** How far behind a sink is that notes how far it has come. */
function sinkAlarms(sink: Sink): readonly Alarm[] {
  const name = sinkName(sink);
  const behind = (gathers: Millis): Alarm => ({
    ...one(
      'SinkBehind',
      { it: { of: 'sink', metric: 'sinkLag', sink: name, stat: 'Maximum' } },
      {
        ...SUSTAINED,
        threshold: LATE + gathers,
        missing: 'bad',
        means: `Panes for the sink "${name}" have waited for more than 15 minutes, or nobody can tell.`,
        reason: 'a projector that failed, or a sink that was full, catches up in minutes',
      },
    ),
    name: `SinkBehind${capital(name)}`,
  });
  const atOnce = () => [behind(0 as Millis)];
  return byKind<Sink, readonly Alarm[]>(sink, {
    table: atOnce,
    bucket: ({ every }) => [behind(every)],
    notify: atOnce,
    stream: atOnce,
    // It promises nothing, and notes nothing.
    push: () => [],
    sink: atOnce,
  });
}

/** Whether panes were left out of messages, where a pipeline has sinks that count it. */
function messageAlarms(sinks: Pipeline['sinks']): readonly Alarm[] {
  const counted = new Set(
    sinks.flatMap((sink) =>
      byKind<Sink, readonly Metric[]>(sink, {
        table: () => [],
        bucket: () => [],
        notify: () => ['tooLarge', 'unmade', 'tooOld'],
        stream: () => ['tooLarge', 'unmade'],
        push: () => ['tooLarge', 'unmade'],
        sink: () => ['unmade'],
      }),
    ),
  );
  if (counted.size === 0) return [];
  return [
    math('Unsent', sumOf([...counted]), sums(...counted), {
      ...AT_ONCE,
      means: 'Panes were not sent: too large, too old, or a function of the sink threw.',
      reason: 'they are not sent later',
    }),
  ];
}

/** Returns where the runbook says what to do when an alarm goes off. */
export const runbookOf = ({ row }: Pick<Alarm, 'row'>): string =>
  `docs/runbook.md#${row.replaceAll(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase()}`;
