import { METRICS, type Metric, type Telemetry } from '../../ports/telemetry.ts';

/** What was counted, and what went wrong, since it was made. */
export interface MemoryTelemetry extends Telemetry {
  readonly counted: Readonly<Record<Metric, number>>;
  readonly faults: readonly { readonly what: string; readonly cause: unknown }[];
}

export function memoryTelemetry(): MemoryTelemetry {
  const counted = Object.fromEntries(METRICS.map((metric) => [metric, 0])) as Record<Metric, number>;
  const faults: { readonly what: string; readonly cause: unknown }[] = [];
  return {
    counted,
    faults,
    count(metric, by) {
      counted[metric] += by;
    },
    fault(what, cause) {
      faults.push({ what, cause });
    },
  };
}
