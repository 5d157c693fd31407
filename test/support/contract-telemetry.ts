import { describe, expect, it } from 'vitest';
import type { Metric, Telemetry } from '../../src/ports/telemetry.ts';

export interface TelemetryHarness {
  readonly telemetry: Telemetry;
  /** What was counted, and what could not be done, since it was opened. */
  readonly told: () => {
    readonly counted: Partial<Record<Metric, number>>;
    readonly faults: readonly string[];
  };
}

export function telemetryContract(open: () => TelemetryHarness): void {
  describe('telemetry', () => {
    it('adds up what is counted, by metric', () => {
      const { telemetry, told } = open();
      for (const by of [3, 0, 4]) telemetry.count('applied', by);
      telemetry.count('late', 1);
      telemetry.count('poison', 0);
      expect(told()).toMatchObject({ counted: { applied: 7, late: 1 }, faults: [] });
      expect(told().counted.poison ?? 0).toBe(0);
    });

    it('tells each fault once, whatever was thrown', () => {
      const { telemetry, told } = open();
      telemetry.fault('commit group 3', new Error('no answer'));
      telemetry.fault('project', 'thrown as text');
      telemetry.fault('project', undefined);
      expect(told().faults).toEqual(['commit group 3', 'project', 'project']);
    });
  });
}
