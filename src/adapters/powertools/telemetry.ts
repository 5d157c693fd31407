import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { Latencies } from '../../core/latencies.ts';
import { type Millis, millis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import { MEASURES, type Measure, type Metric, type Telemetry, type Zeros } from '../../ports/telemetry.ts';
import { METRICS_NAMESPACE } from '../../wiring/names.ts';
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
 * as well, and `sinkLag` and `deliveryLatency` by its sink, the latter with at most 100 values each time.
 *
 * @param zeros what is written though nothing was counted
 */
export function powertoolsTelemetry(
  pipeline: string,
  clock: Pick<Clock, 'now'>,
  zeros: Zeros = NO_ZEROS,
): FlushedTelemetry {
  const logger = new Logger({ serviceName: pipeline });
  const metrics = new Metrics({ namespace: METRICS_NAMESPACE });
  // Powertools has a dimension of its own, the service.
  metrics.clearDefaultDimensions();
  metrics.setDefaultDimensions({ pipeline });
  const totals = new Map<Metric, number>();
  const measured = new Map<Measure, number>();
  const lags = new Map<string, number>();
  const late = new Map<string, number>();
  const deliveries = new Map<string, Latencies>();
  let saidIn: number | undefined;
  const due = (): Zeros => {
    const minute = Math.floor(clock.now() / MINUTE);
    if (minute === saidIn) return NO_ZEROS;
    saidIn = minute;
    return zeros;
  };
  const publish = (): void => {
    if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
  };
  const count = (metric: Metric, by: number): void => {
    if (by > 0) totals.set(metric, (totals.get(metric) ?? 0) + by);
  };
  return {
    count,
    measure(measure, value) {
      raise(measured, measure, value);
    },
    measureLag(sink, lag) {
      raise(lags, sink, lag);
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
      count('faults', 1);
      logger.error(`Cannot ${what}`, { ...place, error: told(cause) });
    },
    flush() {
      const zeros = due();
      for (const window of new Set([...zeros.windows, ...late.keys()])) {
        metrics.addDimension('window', window);
        metrics.addMetric('lateForWindow', MetricUnit.Count, late.get(window) ?? 0);
        publish();
      }
      late.clear();
      for (const sink of new Set([...lags.keys(), ...deliveries.keys()])) {
        metrics.addDimension('sink', sink);
        const lag = lags.get(sink);
        if (lag !== undefined) metrics.addMetric('sinkLag', MetricUnit.Milliseconds, lag);
        for (const latency of deliveries.get(sink)?.sample(MAX_VALUES) ?? [])
          metrics.addMetric('deliveryLatency', MetricUnit.Milliseconds, Math.round(latency));
        // A full line is written by itself.
        publish();
      }
      lags.clear();
      deliveries.clear();
      for (const metric of new Set([...zeros.metrics, ...totals.keys()]))
        metrics.addMetric(metric, MetricUnit.Count, totals.get(metric) ?? 0);
      totals.clear();
      for (const [measure, value] of measured) metrics.addMetric(measure, MEASURES[measure], value);
      measured.clear();
      publish();
    },
  };
}

/** How many values of one metric a line holds: what the format allows. */
const MAX_VALUES = 100;

/** Keeps the greatest value of each name. */
function raise<Name>(values: Map<Name, number>, name: Name, value: number): void {
  values.set(name, Math.max(value, values.get(name) ?? value));
}

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
