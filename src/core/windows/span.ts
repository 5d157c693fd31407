import type { Lanes } from '../lanes.ts';
import { COUNT, END, IDENTITY, type Panes, REVISABLE, REVISION, START } from '../panes.ts';
import type { CurrentRecord } from '../record.ts';
import { countUp, type Table } from '../table.ts';
import type { EpochMillis } from '../time.ts';
import type { OpenWindow } from '../window.ts';

/**
 * The header of a row of partials without a fixed stretch of time: the least and the greatest event time, and
 * the number of records.
 */
const EARLIEST = 0;
const LATEST = 1;
export const SPAN_RECORDS = 2;
export const SPAN = 3;

/** Begins the first row of an empty table. */
export function beginSpan(lanes: Lanes, table: Table): void {
  table.push();
  table.numbers[EARLIEST] = Number.POSITIVE_INFINITY;
  table.numbers[LATEST] = Number.NEGATIVE_INFINITY;
  table.numbers[SPAN_RECORDS] = 0;
  lanes.clear(table, 0);
}

/** Takes a record into the only row of a table. */
export function takeInto(lanes: Lanes, table: Table, record: CurrentRecord): void {
  const { numbers } = table;
  const at = record.numbers[0] as number;
  numbers[EARLIEST] = Math.min(numbers[EARLIEST] as number, at);
  numbers[LATEST] = Math.max(numbers[LATEST] as number, at);
  countUp(numbers, SPAN_RECORDS);
  lanes.add(table, 0, record);
}

/** Returns the only row of a table as a window that waits for records. */
export const openSpan = ({ numbers }: Table): OpenWindow => ({
  start: numbers[EARLIEST] as EpochMillis,
  end: ((numbers[LATEST] as number) + 1) as EpochMillis,
  due: undefined,
  count: numbers[SPAN_RECORDS] as number,
});

/** Emits the only row of a table as a pane of a window. */
export function emitSpan(panes: Panes, window: number, kind: number, span: Table, head: SpanHead): void {
  const { numbers, width, rows } = panes.begin(window, kind);
  const at = (rows - 1) * width;
  numbers[at + IDENTITY] = head.identity;
  numbers[at + START] = span.numbers[EARLIEST] as number;
  numbers[at + END] = (span.numbers[LATEST] as number) + 1;
  numbers[at + REVISION] = head.revision;
  numbers[at + REVISABLE] = head.revisable;
  numbers[at + COUNT] = span.numbers[SPAN_RECORDS] as number;
  panes.end(window, span, 0);
}

interface SpanHead {
  readonly identity: number;
  readonly revision: number;
  readonly revisable: 0 | 1;
}
