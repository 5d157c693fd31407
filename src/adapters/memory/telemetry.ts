import { METRICS, type Measure, type Metric, type Telemetry } from '../../ports/telemetry.ts';

/** Keeps what was counted and what went wrong since it was made. */
export interface MemoryTelemetry extends Telemetry {
  readonly counted: Readonly<Record<Metric, number>>;
  readonly late: ReadonlyMap<string, number>;
  /** The greatest value of each measure, and of the lag of each sink. */
  readonly measured: ReadonlyMap<Measure, number>;
  readonly lags: ReadonlyMap<string, number>;
  /** How long deliveries took, in milliseconds, by their sink. */
  readonly deliveries: ReadonlyMap<string, readonly number[]>;
  readonly warnings: readonly string[];
  readonly faults: readonly { readonly what: string; readonly cause: unknown }[];
}

export function memoryTelemetry(): MemoryTelemetry {
  const counted = Object.fromEntries(METRICS.map((metric) => [metric, 0])) as Record<Metric, number>;
  const late = new Map<string, number>();
  const measured = new Map<Measure, number>();
  const lags = new Map<string, number>();
  const deliveries = new Map<string, number[]>();
  const warnings: string[] = [];
  const faults: { readonly what: string; readonly cause: unknown }[] = [];
  return {
    counted,
    late,
    measured,
    lags,
    deliveries,
    warnings,
    faults,
    count(metric, by) {
      counted[metric] += by;
    },
    countLate(window, by) {
      late.set(window, (late.get(window) ?? 0) + by);
    },
    measure(measure, value) {
      measured.set(measure, Math.max(value, measured.get(measure) ?? value));
    },
    measureLag(sink, lag) {
      lags.set(sink, Math.max(lag, lags.get(sink) ?? lag));
    },
    countDelivery(sink, arrival, now) {
      const latencies = deliveries.get(sink) ?? [];
      deliveries.set(sink, latencies);
      latencies.push(now - arrival);
    },
    warn(message) {
      warnings.push(message);
    },
    fault(what, cause) {
      faults.push({ what, cause });
    },
  };
}
