import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Source } from '../pipeline/source.ts';
import { arrivalRulesOf } from '../pipeline/sources/any-source.ts';
import { dynamodbStream } from '../pipeline/sources/dynamodb.ts';
import { kafka } from '../pipeline/sources/kafka.ts';
import { kinesis } from '../pipeline/sources/kinesis.ts';
import { rabbitmq } from '../pipeline/sources/rabbitmq.ts';
import { sqs } from '../pipeline/sources/sqs.ts';
import { upstreamOf } from '../pipeline/upstream.ts';

/** The kinds of source, by the names that definitions and commands give them. */
type SourceKind = Source<unknown>['kind'];

/** Makes a source of each kind for a pipeline of this name, of as many shards or partitions. */
const MAKERS: { readonly [Kind in SourceKind]: (name: string, lanes: number) => Source<unknown> } = {
  kinesis: (_, shards) => kinesis({ shards }),
  sqs: () => sqs(),
  fifo: () => sqs({ fifo: true }),
  kafka: (topic, partitions) => kafka({ topic, partitions }),
  rabbitmq: (queue) => rabbitmq({ queue }),
  // A table's name has three characters at least, where a pipeline's may have one.
  dynamodb: (name) => dynamodbStream({ table: `${name}-changes` }),
  panes: (name) => {
    throw new RangeError(
      `Cannot run "${name}" over panes as records must be of a source that can be sent to: panes are made by a pipeline`,
    );
  },
};

/** A pipeline over a source of another kind than its definition has. */
interface Over {
  readonly pipeline: Pipeline;
  /** The windows that are left out, as they follow an order that the source does not have. */
  readonly left: readonly string[];
}

/**
 * Returns a pipeline as it is over a source of another kind: its records are read, keyed and timed as before.
 * Over a source without order, the windows that follow the order of the source are left out. Of a pipeline that reads
 * another's panes, it is the first of those that it reads which gets the other source.
 *
 * @throws RangeError when no window is left, or keys are forgotten while the source may give a record again
 */
export function pipelineOver(pipeline: Pipeline, kind: SourceKind): Over {
  const { name, source, rules } = pipeline;
  if (source.kind === kind) return { pipeline, left: [] };
  const upstream = upstreamOf(pipeline);
  if (upstream !== undefined) {
    const { pipeline: of, left } = pipelineOver(upstream, kind);
    return { pipeline: { ...pipeline, source: { ...source, of } as typeof source }, left };
  }
  // What a record is decoded and known by belongs to the definition, and all else to the kind.
  const {
    steps: _,
    map: __,
    expand: ___,
    decoder: ____,
    identity: _____,
    ...facts
  } = MAKERS[kind](name, lanesOf(source));
  const over = { ...source, ...facts } as Source<unknown>;
  const { ordered, retention = Number.POSITIVE_INFINITY } = facts.lineage;
  const timed = (of: Pipeline['rules']) => ({ ...of, time: { ...of.time, ...arrivalRulesOf(over) } });
  const { maxLateness } = rules.time;
  if (!ordered && maxLateness !== undefined && maxLateness < retention) {
    throw new RangeError(
      `Cannot run "${name}" over ${kind} as a queue may give a record again for 14 days: maxLateness must be >= "14d"`,
    );
  }
  if (ordered || !rules.windows.some(({ operator }) => operator.ordered)) {
    return { pipeline: { ...pipeline, source: over, rules: timed(rules) }, left: [] };
  }
  const unordered = pipeline.withoutOrder();
  const left = rules.windows.flatMap((window) => (window.operator.ordered ? [window.name] : []));
  if (unordered.windows.length === 0) {
    throw new RangeError(
      `Cannot run "${name}" over ${kind} as some window must not follow the order of the source, which has none: all do (${left.join(', ')})`,
    );
  }
  return { pipeline: { ...pipeline, source: over, rules: timed(unordered) }, left };
}

/** How many shards or partitions a source has; 1 for a queue. */
export const lanesOf = (source: Source<unknown>): number =>
  'shards' in source ? source.shards : 'partitions' in source ? source.partitions : 1;
