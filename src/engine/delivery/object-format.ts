import { gzipSync } from 'node:zlib';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { ObjectFormat } from '../../pipeline/sinks.ts';
import type { StoredObject } from '../../ports/stores.ts';
import type { GroupPane } from '../group/group.ts';
import { identityOf, writtenPane } from './written-pane.ts';

/** How an object holds panes. Its bytes are a function of them alone, and of zlib's version, as anybody may be the one to write it. */
interface Format {
  /** What its objects' names end in, and are told by. */
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
      // Its writer is loaded by those alone that use it.
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

export const suffixOf = (format: ObjectFormat): string => FORMATS[format].suffix;

/**
 * The object of a name that holds some panes, in the format that the name tells.
 *
 * @throws RangeError when it tells none
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
