import { describe, expect, it } from 'vitest';
import type { EpochMillis } from '../../src/core/time.ts';
import type { Measure, Metric, Telemetry } from '../../src/ports/telemetry.ts';

export interface TelemetryHarness {
  readonly telemetry: Telemetry;
  /** What was counted, and what could not be done, since it was opened. */
  readonly told: () => {
    readonly measured: Partial<Record<Measure, number>>;
    /** In milliseconds, by sink. */
    readonly lags: Readonly<Record<string, number>>;
    /** In milliseconds, by sink. */
    readonly deliveries: Readonly<Record<string, readonly number[]>>;
    readonly counted: Partial<Record<Metric, number>>;
    /** By window. */
    readonly late: Readonly<Record<string, number>>;
    readonly warnings: readonly string[];
    readonly faults: readonly string[];
  };
}

const at = (time: number) => time as EpochMillis;

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

    it('adds up the late records of each window apart from the rest', () => {
      const { telemetry, told } = open();
      telemetry.countLate('minute', 2);
      telemetry.countLate('constructor', 1);
      telemetry.countLate('minute', 3);
      expect(told()).toMatchObject({ counted: {}, late: { minute: 5, constructor: 1 } });
      expect(told().counted.late ?? 0).toBe(0);
    });

    it('keeps how long each delivery took, by sink', () => {
      const { telemetry, told } = open();
      for (const took of [40, 20, 30]) telemetry.countDelivery('table', at(1_000), at(1_000 + took));
      telemetry.countDelivery('bucket', at(0), at(60_000));
      const { table = [], bucket = [] } = told().deliveries;
      expect([...table].sort()).toEqual([20, 30, 40]);
      expect(bucket).toHaveLength(1);
      expect(Math.abs((bucket[0] as number) - 60_000)).toBeLessThanOrEqual(600);
    });

    it('keeps the greatest of what is measured', () => {
      const { telemetry, told } = open();
      for (const keys of [3, 7, 5]) telemetry.measure('keys', keys);
      telemetry.measure('roomUsed', 0);
      for (const lag of [20, 10]) telemetry.measureLag('table', lag);
      telemetry.measureLag('bucket', 0);
      expect(told()).toMatchObject({ measured: { keys: 7, roomUsed: 0 }, lags: { table: 20, bucket: 0 } });
      expect(told().measured).not.toHaveProperty('sourceAge');
    });

    it('tells each warning once, as no fault', () => {
      const { telemetry, told } = open();
      for (const message of ['this costs more', 'that does']) telemetry.warn(message);
      expect(told()).toMatchObject({ warnings: ['this costs more', 'that does'], faults: [] });
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
