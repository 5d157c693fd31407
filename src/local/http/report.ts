import type { Snapshot } from '../../../web/model/wire.ts';

/** Where the page has what it shows, if it is a report. */
const PLACE = '<!-- report -->';

/** Returns the page of a run that has ended, as one file that needs no server. */
export function reportOf(page: string, snapshot: Snapshot): string {
  // What is between the tags may have no tag in it.
  const data = JSON.stringify(snapshot).replaceAll('<', '\\u003c');
  return page.replace(PLACE, () => `<script type="application/json" id="report">${data}</script>`);
}
