import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Metric, Telemetry } from '../../ports/telemetry.ts';

export interface FlushedTelemetry extends Telemetry {
  /** Writes what was counted. */
  flush(): void;
}

/** Structured logs, and metrics in the embedded metric format: by pipeline, and `lateForWindow` by its window as well. */
export function powertoolsTelemetry(pipeline: string): FlushedTelemetry {
  const logger = new Logger({ serviceName: pipeline });
  const metrics = new Metrics({ namespace: 'Millrace', serviceName: pipeline });
  const totals = new Map<Metric, number>();
  const late = new Map<string, number>();
  return {
    count(metric, by) {
      if (by > 0) totals.set(metric, (totals.get(metric) ?? 0) + by);
    },
    countLate(window, by) {
      late.set(window, (late.get(window) ?? 0) + by);
    },
    fault(what, cause) {
      logger.error(`Cannot ${what}`, { cause: described(cause) });
    },
    flush() {
      for (const [window, total] of late) {
        const ofWindow = metrics.singleMetric();
        ofWindow.addDimension('window', window);
        ofWindow.addMetric('lateForWindow', MetricUnit.Count, total);
      }
      late.clear();
      if (totals.size === 0) return;
      for (const [metric, total] of totals) metrics.addMetric(metric, MetricUnit.Count, total);
      totals.clear();
      metrics.publishStoredMetrics();
    },
  };
}

/** Our own errors say nothing of a payload; what a service answered may quote what it was sent, its name never does. */
export const described = (cause: unknown): string => {
  if (!(cause instanceof Error)) return typeof cause;
  return '$metadata' in cause ? cause.name : `${cause.name}: ${cause.message}`;
};
