import { gunzipSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { type EpochMillis, parseIsoTime } from '../../core/time.ts';
import type { Pane, Pipeline } from '../../pipeline/pipeline.ts';
import type { GroupPane } from '../group/group.ts';
import { suffixOf } from './object-format.ts';
import { identityOf, writtenPane } from './written-pane.ts';

/** A pane as an object holds it. */
export interface Line {
  readonly id: string;
  readonly end: EpochMillis;
  /** Everything that the object says of the pane, which is the same in every object of its format. */
  readonly text: string;
}

/**
 * How large the text of an object may be: no projector writes more, as it holds an object's text in memory.
 */
const MAX_OBJECT_BYTES = 256 * 1_048_576;

/** Returns the lines that an object of this name has if it holds exactly these panes. */
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
 * Reads the lines of an object, in the format that its name ends in.
 *
 * @throws TypeError when the object holds anything but panes; Error, of any kind, when it cannot be read
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

/** A row of a Parquet file, read from the columns that `parquetOf` writes. */
interface ReadRow {
  readonly pane: Pane;
  readonly identity: string;
  readonly end: EpochMillis;
  readonly numbers: Pane['results'];
}

/** Reads the rows of a Parquet file that `parquetOf` wrote. */
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
