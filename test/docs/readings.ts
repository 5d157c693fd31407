import assert from 'node:assert/strict';
import {
  bucket,
  definePipeline,
  kinesis,
  max,
  mean,
  type Pipeline,
  rolling,
  sliding,
  table,
} from '../../src/index.ts';
import { tryPipeline } from '../../src/testing.ts';

/** What the examples of the docs read. */
export interface Reading {
  readonly machineId: string;
  readonly measuredAt: number;
  readonly celsius: number;
  /** A hundred times as much. */
  readonly rpm: number;
  readonly state: string;
}

export const BY_MACHINE = {
  key: 'machineId',
  eventTime: 'measuredAt',
} as const;

export const temperature = definePipeline('temperature', kinesis<Reading>({ shards: 2 }), {
  key: 'machineId',
  eventTime: 'measuredAt',
  outOfOrderness: '30s',
  allowedLateness: '5m',
  windows: {
    lastTen: rolling({ count: 10 }, { mean: mean('celsius') }),
    fiveMinutes: sliding({ size: '5m', slide: '1m' }, { mean: mean('celsius'), max: max('celsius') }),
  },
}).to(table(), bucket());

/** One machine from 12:00 on, a reading a minute: its temperatures or its states, and whatever else an example reads. */
export const readingsOf = (values: readonly (number | string)[], more: object = {}): readonly Reading[] =>
  values.map((value, minute) => ({
    machineId: 'pump',
    measuredAt: Date.UTC(2026, 0, 5, 12, minute),
    celsius: Number(value),
    rpm: 100 * Number(value),
    state: String(value),
    ...more,
  }));

export const readings = readingsOf([20, 22, 27, 21]);

/** Asserts what the only result of a pipeline's panes is, pane by pane, as an example says it. */
export function expectResults(
  values: readonly (number | string)[],
  pipeline: Pipeline<unknown>,
  results: readonly unknown[],
): void {
  const { panes } = tryPipeline(pipeline as Pipeline, readingsOf(values));
  const shown = panes.map((pane) => Object.values(pane.results ?? { none: null })[0]);
  assert.deepEqual(shown, results);
}
