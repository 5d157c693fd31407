import { Annotations, Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Pipeline } from '../../src/index.ts';
import {
  type Alarm,
  alarmsOf,
  type Figure,
  runbookOf,
  type Watched,
  type WatchedSettings,
} from '../../src/watch/alarms.ts';
import { METRICS_NAMESPACE } from '../../src/wiring/names.ts';
import type { SourceDimensions } from './source.ts';

/**
 * Whom the alarms of a pipeline tell: a topic, as a construct or an ARN; or `'none'`, so that there are no alarms.
 */
export type Alarms = { readonly topic: sns.ITopic | string } | 'none';

export interface WatchProps {
  readonly pipeline: Pipeline;
  readonly alarms: Alarms | undefined;
  readonly functions: { readonly [Of in Watched]?: lambda.IFunction | undefined };
  readonly state: Pick<dynamodb.ITable, 'tableName'>;
  readonly source: SourceDimensions;
  readonly settings: WatchedSettings;
}

const COMPARISONS = {
  above: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
  below: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
};

const MISSING = {
  bad: cloudwatch.TreatMissingData.BREACHING,
  good: cloudwatch.TreatMissingData.NOT_BREACHING,
};

/**
 * The alarms of a pipeline, as docs/operations.md lists them, each of which tells one topic when it goes off, and when
 * that is over.
 *
 * Where it is not said whom alarms tell, an error on the construct keeps its app from being synthesized by the CDK's
 * command line.
 *
 * @throws RangeError when alarms are given without a topic
 */
export class Watch extends Construct {
  /** The alarms by their names, such as `Behind`. */
  readonly alarms: ReadonlyMap<string, cloudwatch.Alarm>;

  constructor(scope: Construct, id: string, props: WatchProps) {
    super(scope, id);
    const topic = topicOf(this, props);
    if (topic === undefined) {
      this.alarms = new Map();
      return;
    }
    const mapping = mappingOf(props);
    if (mapping) mapping.metricsConfig = { metrics: ['EventCount'] };
    const tells = new actions.SnsAction(topic);
    this.alarms = new Map(
      alarmsOf(props.pipeline, props.settings).map((row) => {
        const alarm = new cloudwatch.Alarm(this, row.name, {
          alarmDescription: `Millrace ${props.pipeline.name}: ${row.means} What to do: ${runbookOf(row)}`,
          metric: metricOf(row, props, mapping),
          threshold: row.threshold,
          comparisonOperator: COMPARISONS[row.comparison],
          evaluationPeriods: row.periods,
          datapointsToAlarm: row.breaching,
          treatMissingData: MISSING[row.missing],
        });
        alarm.addAlarmAction(tells);
        alarm.addOkAction(tells);
        return [row.name, alarm];
      }),
    );
  }
}

/**
 * Returns the topic that alarms tell, or undefined where there are to be none.
 *
 * @throws RangeError when they are given without one
 */
function topicOf(scope: Construct, { pipeline, alarms }: WatchProps): sns.ITopic | undefined {
  if (alarms === 'none') return undefined;
  if (alarms === undefined) {
    Annotations.of(scope).addError(refusal(pipeline, 'not set'));
    return undefined;
  }
  const topic: unknown = alarms.topic;
  if (typeof topic === 'string' && topic !== '') return sns.Topic.fromTopicArn(scope, 'Topic', topic);
  if (typeof topic === 'object' && topic !== null) return topic as sns.ITopic;
  throw new RangeError(refusal(pipeline, 'without a topic'));
}

const refusal = ({ name }: Pipeline, state: string): string =>
  `Cannot deploy "${name}" as its alarms must reach somebody: alarms is ${state}; set it to { topic }, an SNS topic or its ARN, or to 'none' where nobody is to be told`;

/** The mapping that passes records to the handler, where it is one whose events Lambda counts. */
const mappingOf = ({ functions }: Pick<WatchProps, 'functions'>): lambda.CfnEventSourceMapping | undefined =>
  functions.handler?.node.findAll().find((construct) => construct instanceof lambda.CfnEventSourceMapping);

function metricOf(
  { figures, expression, periodMinutes }: Alarm,
  props: WatchProps,
  mapping: lambda.CfnEventSourceMapping | undefined,
): cloudwatch.IMetric {
  const period = Duration.minutes(periodMinutes);
  const metrics = Object.fromEntries(
    Object.entries(figures).map(([id, figure]) => [
      id,
      new cloudwatch.Metric({
        ...placeOf(figure, props, mapping),
        metricName: figure.metric,
        statistic: figure.stat,
        period,
      }),
    ]),
  );
  const [only] = Object.values(metrics);
  if (expression === undefined) return only as cloudwatch.Metric;
  return new cloudwatch.MathExpression({ expression, usingMetrics: metrics, period });
}

/** Returns where CloudWatch has a figure. */
function placeOf(
  figure: Figure,
  { pipeline, functions, state, source }: WatchProps,
  mapping: lambda.CfnEventSourceMapping | undefined,
): Pick<cloudwatch.MetricProps, 'namespace'> & { readonly dimensionsMap: cloudwatch.DimensionsMap } {
  const at = (namespace: string, dimensionsMap: cloudwatch.DimensionsMap | undefined) => {
    if (dimensionsMap) return { namespace, dimensionsMap };
    throw new Error(`Cannot watch ${figure.metric} as what it is of must be known: ${figure.of} is not`);
  };
  switch (figure.of) {
    case 'pipeline':
      return at(METRICS_NAMESPACE, { pipeline: pipeline.name });
    case 'sink':
      return at(METRICS_NAMESPACE, { pipeline: pipeline.name, sink: figure.sink });
    case 'function': {
      const fn = functions[figure.fn];
      return at('AWS/Lambda', fn && { FunctionName: fn.functionName });
    }
    case 'mapping':
      return at('AWS/Lambda', mapping && { EventSourceMappingUUID: mapping.ref });
    case 'state':
      return at('AWS/DynamoDB', { TableName: state.tableName });
    case 'stream':
      return at('AWS/Kinesis', source.stream);
    case 'broker':
      return at('AWS/AmazonMQ', source.broker);
    case 'queue':
    case 'deadLetters':
      return at('AWS/SQS', source[figure.of]);
  }
}
