import { LiveModel } from '../model/model.ts';
import type { Snapshot } from '../model/wire.ts';
import { find } from './dom.ts';
import { type Connection, reportFeed, sseFeed } from './feed.ts';
import { pageView } from './page.ts';

/** A report has what it shows within itself. */
const report = document.querySelector('#report')?.textContent;
const feed = report ? reportFeed(JSON.parse(report) as Snapshot) : sseFeed('live/events');

let model: LiveModel | undefined;
let connection: Connection = 'connecting';
const page = pageView(find('#page'), report === undefined || report === null);
// For whoever holds what is drawn against what the run wrote, in the console or in a test.
Object.assign(globalThis, { millrace: page });
let isDue = false;

/** Draws at the next frame, once for all that has come by then. A page that nobody sees draws nothing. */
const draw = (): void => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    page.show(model, connection);
  });
};

feed.open({
  event(event) {
    if (event.kind === 'snapshot') model = new LiveModel(event.snapshot);
    else model?.apply(event);
    draw();
  },
  connection(now) {
    connection = now;
    draw();
  },
});
