import { Annotations, type Duration, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { Pipeline } from '../src/index.ts';
import { summaryOf } from '../src/plan/summary.ts';

/**
 * Says with the synthesis of a pipeline what it will cost, in one line. It rehearses the definition with records that it
 * makes up, and whose functions may throw at those: then the line says so, and nothing else depends on it. As that takes
 * a second, nothing is said of a stack whose functions are not bundled either, such as where others are to be deployed.
 */
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
  if (!Stack.of(scope).bundlingRequired) return;
  const summary = (): string => {
    try {
      return summaryOf(pipeline, {
        batchingWindow: `${batchingWindow.toMilliseconds()}ms`,
        deliveryWindow: `${deliveryWindow.toMilliseconds()}ms`,
        memory,
      });
    } catch (error) {
      return `Cannot say what "${pipeline.name}" costs, as its definition does not take records that are made up: ${(error as Error).message}`;
    }
  };
  Annotations.of(scope).addInfoV2('millrace:plan', summary());
}
