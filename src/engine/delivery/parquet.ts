import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer, type SchemaElement } from 'hyparquet-writer';
import type { EpochMillis } from '../../core/time.ts';
import type { Pane } from '../../pipeline/pipeline.ts';

/**
 * A pane as a row of a Parquet file: as every sink writes it, and the values that are not text in the file.
 */
export interface ParquetRow {
  readonly pane: Pane;
  /** Tells the windows of one key and one name apart. */
  readonly identity: string;
  readonly start: EpochMillis;
  readonly end: EpochMillis;
  readonly watermark: EpochMillis;
}

interface Column {
  readonly name: string;
  /** The schema element of the column, without its name, and the elements nested in it. */
  readonly elements: readonly [Omit<SchemaElement, 'name'>, ...SchemaElement[]];
  readonly of: (row: ParquetRow) => unknown;
}

const REQUIRED = { repetition_type: 'REQUIRED' } as const;
const OPTIONAL = { repetition_type: 'OPTIONAL' } as const;
const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;
const INSTANT = {
  type: 'INT64',
  converted_type: 'TIMESTAMP_MILLIS',
  logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
} as const;

/**
 * The columns are the same for all windows, so that one table reads every object. The pipeline has no column,
 * as the names of the objects hold it.
 */
const COLUMNS: readonly Column[] = [
  { name: 'id', elements: [{ ...TEXT, ...REQUIRED }], of: ({ pane }) => pane.id },
  { name: 'key', elements: [{ ...TEXT, ...REQUIRED }], of: ({ pane }) => pane.key },
  { name: 'window', elements: [{ ...TEXT, ...REQUIRED }], of: ({ pane }) => pane.window },
  { name: 'identity', elements: [{ ...TEXT, ...REQUIRED }], of: ({ identity }) => identity },
  { name: 'kind', elements: [{ ...TEXT, ...REQUIRED }], of: ({ pane }) => pane.kind },
  { name: 'start', elements: [{ ...INSTANT, ...REQUIRED }], of: ({ start }) => BigInt(start) },
  { name: 'end', elements: [{ ...INSTANT, ...REQUIRED }], of: ({ end }) => BigInt(end) },
  { name: 'watermark', elements: [{ ...INSTANT, ...REQUIRED }], of: ({ watermark }) => BigInt(watermark) },
  { name: 'revision', elements: [{ type: 'INT64', ...REQUIRED }], of: ({ pane }) => BigInt(pane.revision) },
  { name: 'count', elements: [{ type: 'INT64', ...REQUIRED }], of: ({ pane }) => BigInt(pane.count) },
  {
    name: 'index',
    elements: [{ type: 'INT64', ...OPTIONAL }],
    of: ({ pane: { index } }) => (index === undefined ? null : BigInt(index)),
  },
  {
    name: 'results',
    elements: [{ ...TEXT, ...OPTIONAL }],
    of: ({ pane: { results } }) => results && JSON.stringify(results),
  },
  {
    name: 'numbers',
    elements: [
      { ...OPTIONAL, converted_type: 'MAP', logical_type: { type: 'MAP' }, num_children: 1 },
      { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
      { name: 'key', ...TEXT, ...REQUIRED },
      { name: 'value', type: 'DOUBLE', ...OPTIONAL },
    ],
    of: ({ pane: { results } }) =>
      results && Object.entries(results).filter(([, value]) => typeof value === 'number'),
  },
];

const SCHEMA: SchemaElement[] = [
  { name: 'panes', num_children: COLUMNS.length },
  ...COLUMNS.flatMap(({ name, elements: [first, ...below] }) => [{ name, ...first }, ...below]),
];

/** This is more panes than an object holds, so that a file is one row group. */
const ROW_GROUP = 1_000_000;

/** Returns the rows as a Parquet file, whose bytes depend on nothing else. */
export const parquetOf = (rows: readonly ParquetRow[]): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({
      schema: SCHEMA,
      columnData: COLUMNS.map(({ name, of }) => ({ name, data: rows.map(of) })),
      rowGroupSize: ROW_GROUP,
      createdBy: 'millrace',
      // GZIP takes half the bytes of Snappy, which is JavaScript here, in no more time. Every reader of
      // Parquet has it.
      codec: 'GZIP',
      compressors: { GZIP: (bytes) => gzipSync(bytes) },
    }),
  );
