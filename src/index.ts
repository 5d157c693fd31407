/**
 * The language in which a pipeline is defined: sources, windows, aggregates and sinks. It opens no connection
 * and reads no clock.
 *
 * @module
 */

export type { Aggregate } from './core/aggregate.ts';
export { anomaly, ewmaBand } from './core/aggregates/anomaly.ts';
export { maxBy, minBy } from './core/aggregates/by.ts';
export { correlation, covariance } from './core/aggregates/comoments.ts';
export { countBy } from './core/aggregates/count-by.ts';
export { defineAggregate } from './core/aggregates/define.ts';
export { derivative } from './core/aggregates/derivative.ts';
export { derive } from './core/aggregates/derive.ts';
export { distinct } from './core/aggregates/distinct.ts';
export { ewma } from './core/aggregates/ewma.ts';
export { max, min, range } from './core/aggregates/extrema.ts';
export { stddev, variance } from './core/aggregates/moments.ts';
export { collect, first, last } from './core/aggregates/ordered.ts';
export { integral, rate, timeWeightedMean } from './core/aggregates/over-time.ts';
export { quantile } from './core/aggregates/quantile.ts';
export { forecast, slope } from './core/aggregates/regression.ts';
export { count, mean, sum } from './core/aggregates/sums.ts';
export { topK } from './core/aggregates/top-k.ts';
export { weightedMean } from './core/aggregates/weighted.ts';
export type { NumberSelector, ValueSelector } from './core/select.ts';
export { SelectError } from './core/select.ts';
export type { Duration } from './core/time.ts';
export {
  base64,
  cloudWatchLogs,
  type Decode,
  type Decoder,
  gzip,
  json,
  jsonLines,
  jsonTexts,
  type LogEvent,
} from './pipeline/decoders.ts';
export { notify, push, sink, stream } from './pipeline/message-sinks.ts';
export { definePipeline, type EventTime, type Pane, type Pipeline } from './pipeline/pipeline.ts';
export { bucket, table } from './pipeline/sinks.ts';
export { dynamodbStream } from './pipeline/sources/dynamodb.ts';
export { kafka } from './pipeline/sources/kafka.ts';
export { kinesis } from './pipeline/sources/kinesis.ts';
export { panesOf } from './pipeline/sources/panes.ts';
export { rabbitmq } from './pipeline/sources/rabbitmq.ts';
export { sqs } from './pipeline/sources/sqs.ts';
export {
  batches,
  cumulate,
  rolling,
  running,
  session,
  sliding,
  trailing,
  tumbling,
} from './pipeline/windows.ts';
