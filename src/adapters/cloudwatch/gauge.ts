import { type CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import { before, type EpochMillis, millis } from '../../core/time.ts';
import type { Gauge } from '../../ports/gauge.ts';

export interface CloudWatchMetric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** How far back a value is looked for: services publish a value once a minute, some minutes late. */
const OF_LATE = millis('10m');

/** Reads a CloudWatch metric by the minute. */
export const cloudWatchGauge = (
  client: CloudWatchClient,
  { namespace, name, dimensions }: CloudWatchMetric,
): Gauge => ({
  async latest(now) {
    const { Datapoints = [] } = await client.send(
      new GetMetricStatisticsCommand({
        Namespace: namespace,
        MetricName: name,
        Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
        StartTime: new Date(before(now, OF_LATE)),
        EndTime: new Date(now),
        Period: 60,
        Statistics: ['Maximum'],
      }),
    );
    // CloudWatch returns the points in no order.
    return Datapoints.flatMap(({ Timestamp, Maximum }) =>
      Timestamp === undefined || Maximum === undefined
        ? []
        : [{ at: Timestamp.getTime() as EpochMillis, value: Maximum }],
    )
      .sort((a, b) => a.at - b.at)
      .at(-1);
  },
});
