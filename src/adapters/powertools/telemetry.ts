import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { Latencies } from '../../core/latencies.ts';
import { type Millis, millis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Metric, Telemetry, Zeros } from '../../ports/telemetry.ts';
import { tellable, told } from './told.ts';

export interface FlushedTelemetry extends Telemetry {
  /**
   * Writes what was counted since the last time. The first time in a minute of the clock, it writes zeros for
   * the rest: metrics are by the minute.
   */
  flush(): void;
}

/**
 * Writes structured logs, and metrics in the embedded metric format: by pipeline, `lateForWindow` by its window
 * as well, and `deliveryLatency` by its sink, with at most 100 values each time.
 *
 * @param zeros what is written though nothing was counted
 */
export function powertoolsTelemetry(
  pipeline: string,
  clock: Pick<Clock, 'now'>,
  zeros: Zeros = NO_ZEROS,
): FlushedTelemetry {
  const logger = new Logger({ serviceName: pipeline });
  const metrics = new Metrics({ namespace: 'Millrace', serviceName: pipeline });
  const totals = new Map<Metric, number>();
  const late = new Map<string, number>();
  const deliveries = new Map<string, Latencies>();
  let saidIn: number | undefined;
  const due = (): Zeros => {
    const minute = Math.floor(clock.now() / MINUTE);
    if (minute === saidIn) return NO_ZEROS;
    saidIn = minute;
    return zeros;
  };
  return {
    count(metric, by) {
      if (by > 0) totals.set(metric, (totals.get(metric) ?? 0) + by);
    },
    countLate(window, by) {
      late.set(window, (late.get(window) ?? 0) + by);
    },
    countDelivery(sink, arrival, now) {
      const latencies = deliveries.get(sink) ?? new Latencies();
      deliveries.set(sink, latencies);
      latencies.add((now - arrival) as Millis);
    },
    warn(message) {
      logger.warn(message);
    },
    fault(what, cause, place) {
      logger.error(`Cannot ${what}`, { ...place, error: told(cause) });
    },
    flush() {
      const zeros = due();
      for (const window of new Set([...zeros.windows, ...late.keys()])) {
        const ofWindow = metrics.singleMetric();
        ofWindow.addDimension('window', window);
        ofWindow.addMetric('lateForWindow', MetricUnit.Count, late.get(window) ?? 0);
      }
      late.clear();
      for (const [sink, latencies] of deliveries) {
        metrics.addDimension('sink', sink);
        for (const latency of latencies.sample(MAX_VALUES))
          metrics.addMetric('deliveryLatency', MetricUnit.Milliseconds, Math.round(latency));
        // A full line is written by itself.
        if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
      }
      deliveries.clear();
      const published = new Set([...zeros.metrics, ...totals.keys()]);
      if (published.size === 0) return;
      for (const metric of published) metrics.addMetric(metric, MetricUnit.Count, totals.get(metric) ?? 0);
      totals.clear();
      metrics.publishStoredMetrics();
    },
  };
}

/** How many values of one metric a line holds: what the format allows. */
const MAX_VALUES = 100;

const MINUTE = millis('1m');
const NO_ZEROS: Zeros = { metrics: [], windows: [] };

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
