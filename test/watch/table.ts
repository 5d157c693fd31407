import {
  count,
  definePipeline,
  dynamodbStream,
  kafka,
  kinesis,
  notify,
  type Pipeline,
  panesOf,
  push,
  rabbitmq,
  sink,
  sqs,
  table,
  tumbling,
} from '../../src/index.ts';
import { type Alarm, alarmsOf, type Figure, runbookOf } from '../../src/watch/alarms.ts';

const readings = definePipeline('readings', kinesis<{ id: string; at: number }>(), {
  key: ({ id }) => id,
  eventTime: ({ at }) => at,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
});
export const stream = readings.to(
  table(),
  notify({ to: 'sns' }),
  push(),
  sink({ name: 'own', deliver: async () => {} }),
) as Pipeline;
export const reading = (source: unknown): Pipeline => ({ ...stream, source: source as Pipeline['source'] });

/** A pipeline of each kind of source. */
export const KINDS: readonly Pipeline[] = [
  stream,
  reading(dynamodbStream({ table: 'orders' })),
  reading(panesOf(readings, 'minute')),
  reading(sqs()),
  reading(sqs({ fifo: true })),
  reading(kafka({ topic: 'readings' })),
  reading(rabbitmq({ queue: 'readings' })),
];
const OF: { readonly [Of in Figure['of']]: string } = {
  pipeline: '',
  sink: '',
  function: 'Lambda: ',
  mapping: 'Lambda: ',
  queue: 'SQS: ',
  deadLetters: 'SQS: ',
  broker: 'Amazon MQ: ',
  stream: 'Kinesis: ',
  state: 'DynamoDB: ',
};

/** Returns what an alarm looks at, as docs/operations.md has it. */
const figuresOf = ({ figures, row }: Alarm): string =>
  row.endsWith('Share')
    ? `\`${row === 'PoisonShare' ? 'poison' : 'late'}\` of all that was taken in, in percent`
    : [...new Set(Object.values(figures).map(({ of, metric }) => `${OF[of]}\`${metric}\``))].join(', ');

const limitOf = ({ row, comparison, threshold, figures, expression }: Alarm): string => {
  if (expression?.includes('1440')) return `above ${threshold} minutes of what is taken in`;
  const [{ metric, of }] = Object.values(figures) as [Figure];
  const inMillis = ['IteratorAge', 'Duration', 'sinkLag', 'sourceAge', 'oldestSnapshot'].includes(metric);
  const seconds =
    of === 'queue' ? threshold : inMillis && comparison === 'above' ? threshold / 1_000 : undefined;
  const percent = row.endsWith('Share') || row === 'Conflicts' || row === 'GroupsFull' ? ' %' : '';
  if (seconds === undefined) return `${comparison} ${threshold}${percent}`;
  const units = [
    [86_400, 'days'],
    [3_600, 'hours'],
    [60, 'minutes'],
    [1, 'seconds'],
  ] as const;
  const [size, unit] = units.find(([size]) => seconds >= 2 * size) ?? [1, 'seconds'];
  return `${comparison} ${seconds / size} ${unit}`;
};

const howOften = ({ periods, breaching, periodMinutes }: Alarm): string =>
  periods === 1 ? 'at once' : `${breaching} of ${periods} × ${periodMinutes} minutes`;

/** Returns the table of docs/operations.md: a line for each row and each way in which it is told. */
export function tableOf(): string {
  const lines = new Map<string, Set<string>>();
  for (const pipeline of KINDS) {
    for (const alarm of alarmsOf(pipeline)) {
      const { row, reason, missing } = alarm;
      const line = [
        `[\`${row}\`](${runbookOf(alarm).replace('docs/', '')})`,
        figuresOf(alarm),
        limitOf(alarm),
        `${howOften(alarm)}${missing === 'bad' ? ', or no data' : ''}`,
        reason,
      ].join(' | ');
      lines.set(line, (lines.get(line) ?? new Set()).add(pipeline.source.kind));
    }
  }
  const rows = KINDS.flatMap((pipeline) => alarmsOf(pipeline)).map(({ row }) => row);
  const place = (line: string) => rows.findIndex((row) => line.startsWith(`[\`${row}\`]`));
  return [...lines]
    .toSorted(([a], [b]) => place(a) - place(b))
    .map(([line, kinds]) => `| ${line} | ${kinds.size === KINDS.length ? 'all' : [...kinds].join(', ')} |`)
    .join('\n');
}
