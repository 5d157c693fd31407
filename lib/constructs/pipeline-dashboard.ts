import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { Pipeline } from '../../src/index.ts';
import { sinkName } from '../../src/pipeline/sinks.ts';
import type { Measure, Metric } from '../../src/ports/telemetry.ts';

const MINUTE = { period: Duration.minutes(1) };

/** What the construct of a pipeline has to show. */
interface Shown {
  readonly pipeline: Pipeline;
  readonly alarms: ReadonlyMap<string, cloudwatch.Alarm>;
  readonly handler: lambda.Function;
  readonly sweeper: lambda.Function;
  readonly projector: lambda.Function | undefined;
  metric(name: Metric | Measure, props: cloudwatch.MetricOptions): cloudwatch.Metric;
  metricDeliveryLatency(sink: string, props: cloudwatch.MetricOptions): cloudwatch.Metric;
  metricSinkLag(sink: string, props: cloudwatch.MetricOptions): cloudwatch.Metric;
}

/**
 * A dashboard of one pipeline, from what comes in to what goes out: its alarms, records, how far it and each sink are
 * behind, commits, state, and functions.
 */
export class PipelineDashboard extends cloudwatch.Dashboard {
  constructor(scope: Construct, id: string, shown: Shown) {
    const { pipeline, alarms, handler, sweeper, projector } = shown;
    // A push promises nothing, so that nobody measures how far it is behind.
    const sinks = pipeline.sinks.filter(({ kind }) => kind !== 'push').map(sinkName);
    const functions = [handler, sweeper, ...(projector ? [projector] : [])];
    const counted = (...names: (Metric | Measure)[]) =>
      names.map((name) => shown.metric(name, { ...MINUTE, label: name }));
    const ofFunctions = (
      metricOf: (fn: lambda.Function, props: cloudwatch.MetricOptions) => cloudwatch.Metric,
    ) => functions.map((fn) => metricOf(fn, { ...MINUTE, label: fn.node.id }));
    const rows: readonly (readonly Omit<cloudwatch.GraphWidgetProps, 'width'>[])[] = [
      [
        { title: 'Records', left: counted('received', 'applied', 'duplicate', 'filtered') },
        { title: 'Refused or late', left: counted('poison', 'noRoom', 'late') },
        {
          title: 'Behind, in milliseconds',
          left: [
            ...counted('sourceAge'),
            ...sinks.map((sink) => shown.metricSinkLag(sink, { ...MINUTE, label: `sinkLag ${sink}` })),
          ],
        },
      ],
      [
        { title: 'Commits', left: counted('commits', 'conflicts', 'panes') },
        {
          title: 'Arrival to result, in milliseconds',
          left: sinks.flatMap((sink) =>
            [50, 99].map((percent) =>
              shown.metricDeliveryLatency(sink, {
                ...MINUTE,
                statistic: cloudwatch.Stats.p(percent),
                label: `${sink} p${percent}`,
              }),
            ),
          ),
        },
        { title: 'Keys, and room used in percent', left: counted('keys'), right: counted('roomUsed') },
      ],
      [
        {
          title: 'Functions: failed or throttled',
          left: [
            ...ofFunctions((fn, props) => fn.metricErrors(props)),
            ...ofFunctions((fn, props) => fn.metricThrottles({ ...props, label: `${fn.node.id} throttled` })),
          ],
        },
        {
          title: 'Functions: longest, in milliseconds',
          left: ofFunctions((fn, props) =>
            fn.metricDuration({ ...props, statistic: cloudwatch.Stats.MAXIMUM }),
          ),
        },
        {
          title: 'Sweeps, and faults',
          left: counted('sweeps'),
          right: counted('faults', 'authorFaults', 'gaps'),
        },
      ],
    ];
    const status = new cloudwatch.AlarmStatusWidget({
      title: `Alarms of ${pipeline.name}`,
      alarms: [...alarms.values()],
      width: 24,
      height: 4,
    });
    super(scope, id, {
      widgets: [
        ...(alarms.size > 0 ? [[status]] : []),
        ...rows.map((row) => row.map((graph) => new cloudwatch.GraphWidget({ ...graph, width: 8 }))),
      ],
    });
  }
}
