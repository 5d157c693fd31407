import type { PolledPipeline } from '../../../web/model/poller.ts';
import type { Snapshot } from '../../../web/model/wire.ts';

/** Where the page has what it shows, or what it asks about, if no run tells it. */
const PLACE = '<!-- report -->';

/** Returns the page of a run that has ended, as one file that needs no server. */
export const reportOf = (page: string, snapshot: Snapshot): string => withData(page, 'report', snapshot);

/** Returns the page of a pipeline that is asked by the query API, of the server that the page comes from. */
export const polledPage = (page: string, pipeline: PolledPipeline): string =>
  withData(page, 'polled', pipeline);

function withData(page: string, id: string, data: object): string {
  // What is between the tags may have no tag in it.
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  return page.replace(PLACE, () => `<script type="application/json" id="${id}">${json}</script>`);
}
