import { gunzipSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { type EpochMillis, parseIsoTime } from '../../core/time.ts';
import type { Pane, Pipeline } from '../../pipeline/pipeline.ts';
import type { GroupPane } from '../group/group.ts';
import { suffixOf } from './object-format.ts';
import { identityOf, writtenPane } from './written-pane.ts';

/** A pane as an object has it. */
export interface Line {
  readonly id: string;
  readonly end: EpochMillis;
  /** All that the object says of it, the same of every object of its format that holds it. */
  readonly text: string;
}

/** No projector can have written more: its memory holds an object's text whole. */
const MAX_OBJECT_BYTES = 256 * 1_048_576;

/** The lines of the object of that name that holds some panes. */
export const writtenLines = (
  pipeline: Pipeline,
  name: string,
  panes: readonly GroupPane[],
): readonly Line[] =>
  panes.map((pane) => {
    const written = writtenPane(pipeline, pane);
    const text = isParquet(name)
      ? textOf({ pane: written, identity: identityOf(pane), numbers: numbersOf(written) })
      : JSON.stringify(written);
    return { id: written.id, end: pane.end, text };
  });

/**
 * The lines of an object, in whatever format its name tells.
 *
 * @throws Error when it holds no panes, or cannot be read
 */
export async function readLines(name: string, body: Uint8Array): Promise<readonly Line[]> {
  const lines = isParquet(name) ? await parquetLines(body) : ndjsonLines(body);
  if (!lines.every(({ id, end }) => typeof id === 'string' && Number.isFinite(end))) {
    throw new TypeError('Cannot read what is not a pane');
  }
  return lines;
}

const NEVER = Number.NaN as EpochMillis;

const isParquet = (name: string): boolean => name.endsWith(suffixOf('parquet'));

const ndjsonLines = (body: Uint8Array): readonly Line[] =>
  gunzipSync(body, { maxOutputLength: MAX_OBJECT_BYTES })
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((text) => {
      const { id, end } = JSON.parse(text) as Pane;
      return { id, end: parseIsoTime(end) ?? NEVER, text };
    });

const parquetLines = async (body: Uint8Array): Promise<readonly Line[]> =>
  (await readParquet(body)).map((row) => ({ id: row.pane.id, end: row.end, text: textOf(row) }));

/** A row of a Parquet file, of the columns that `parquetOf` writes. */
interface ReadRow {
  readonly pane: Pane;
  readonly identity: string;
  readonly end: EpochMillis;
  readonly numbers: Pane['results'];
}

export async function readParquet(body: Uint8Array): Promise<readonly ReadRow[]> {
  const rows = await parquetReadObjects({
    file: Uint8Array.from(body).buffer,
    compressors: { GZIP: (bytes) => gunzipSync(bytes, { maxOutputLength: MAX_OBJECT_BYTES }) },
  });
  return rows.map((row) => ({
    pane: {
      id: row['id'],
      pipeline: row['id'].slice(0, row['id'].indexOf('/')),
      key: row['key'],
      window: row['window'],
      start: row['start'].toISOString(),
      end: row['end'].toISOString(),
      revision: Number(row['revision']),
      kind: row['kind'],
      ...(row['index'] === null ? {} : { index: Number(row['index']) }),
      results: JSON.parse(row['results'] ?? 'null'),
      count: Number(row['count']),
      watermark: row['watermark'].toISOString(),
    },
    identity: row['identity'],
    end: row['end'].getTime(),
    numbers: row['numbers'] ?? null,
  }));
}

const textOf = ({ pane, identity, numbers }: Omit<ReadRow, 'end'>): string =>
  JSON.stringify([pane, identity, numbers]);

const numbersOf = ({ results }: Pane): Pane['results'] =>
  results && Object.fromEntries(Object.entries(results).filter(([, value]) => typeof value === 'number'));
