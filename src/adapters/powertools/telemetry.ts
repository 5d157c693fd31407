import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Metric, Telemetry } from '../../ports/telemetry.ts';
import { tellable, told } from './told.ts';

export interface FlushedTelemetry extends Telemetry {
  /** Writes what was counted. */
  flush(): void;
}

/**
 * Writes structured logs, and metrics in the embedded metric format: by pipeline, and `lateForWindow` by its
 * window as well.
 */
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
    warn(message) {
      logger.warn(message);
    },
    fault(what, cause, place) {
      logger.error(`Cannot ${what}`, { ...place, error: told(cause) });
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

/**
 * Wraps a handler, so that it writes what was counted however it ends, and throws only what may be logged, as
 * the runtime logs all of what a handler throws.
 */
export const flushing =
  <Arguments extends unknown[], Result>(
    telemetry: FlushedTelemetry,
    handler: (...inputs: Arguments) => Promise<Result>,
  ): ((...inputs: Arguments) => Promise<Result>) =>
  async (...inputs) => {
    try {
      return await handler(...inputs);
    } catch (cause) {
      throw tellable(cause);
    } finally {
      telemetry.flush();
    }
  };
