import { Annotations, type Duration } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { Pipeline } from '../src/index.ts';
import { summaryOf } from '../src/plan/summary.ts';

/** Says with the synthesis of a pipeline what it will cost, in one line. */
export function tellCost(
  scope: Construct,
  pipeline: Pipeline,
  {
    batchingWindow,
    deliveryWindow,
    memory,
  }: {
    readonly batchingWindow: Duration;
    readonly deliveryWindow: Duration;
    readonly memory: number;
  },
): void {
  const summary = summaryOf(pipeline, {
    batchingWindow: `${batchingWindow.toMilliseconds()}ms`,
    deliveryWindow: `${deliveryWindow.toMilliseconds()}ms`,
    memory,
  });
  Annotations.of(scope).addInfoV2('millrace:plan', summary);
}
