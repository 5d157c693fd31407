import { gzipSync } from 'node:zlib';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { ObjectFormat } from '../../pipeline/sinks.ts';
import type { StoredObject } from '../../ports/stores.ts';
import type { GroupPane } from '../group/group.ts';
import { identityOf, writtenPane } from './written-pane.ts';

/**
 * How an object holds panes. Its bytes follow from the panes and the version of zlib alone, as any of several
 * projectors may be the one that writes it.
 */
interface Format {
  /** How the names of its objects end, which tells the format of an object. */
  readonly suffix: string;
  readonly contentType: string;
  bytesOf(pipeline: Pipeline, panes: readonly GroupPane[]): Promise<Uint8Array>;
}

const FORMATS: { readonly [Name in ObjectFormat]: Format } = {
  ndjson: {
    suffix: '.ndjson.gz',
    contentType: 'application/gzip',
    async bytesOf(pipeline, panes) {
      return gzipSync(panes.map((pane) => `${JSON.stringify(writtenPane(pipeline, pane))}\n`).join(''));
    },
  },
  parquet: {
    suffix: '.parquet',
    contentType: 'application/vnd.apache.parquet',
    async bytesOf(pipeline, panes) {
      // The library that writes Parquet is loaded only where it is used, to keep cold starts short.
      const { parquetOf } = await import('./parquet.ts');
      return parquetOf(
        panes.map((pane) => ({
          pane: writtenPane(pipeline, pane),
          identity: identityOf(pane),
          start: pane.start,
          end: pane.end,
          watermark: pane.watermark,
        })),
      );
    },
  },
};

/** Returns how the names of objects of a format end. */
export const suffixOf = (format: ObjectFormat): string => FORMATS[format].suffix;

/**
 * Makes the object that holds some panes, in the format that its name ends in.
 *
 * @throws RangeError when the name ends in no format's suffix
 */
export async function objectOf(
  pipeline: Pipeline,
  name: string,
  panes: readonly GroupPane[],
): Promise<StoredObject> {
  const format = Object.values(FORMATS).find(({ suffix }) => name.endsWith(suffix));
  if (format === undefined) throw new RangeError(`Cannot write ${name} as its suffix must tell its format`);
  return { body: await format.bytesOf(pipeline, panes), contentType: format.contentType };
}
