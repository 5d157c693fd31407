import { LiveModel } from '../model/model.ts';
import type { PolledPipeline } from '../model/poller.ts';
import type { Snapshot } from '../model/wire.ts';
import { find } from './dom.ts';
import { type Connection, type Feed, POLL_MILLIS, pollFeed, reportFeed, sseFeed } from './feed.ts';
import { type PageParts, pageView } from './page.ts';

/** How often a page asks a run on the same machine for open windows. */
const ASK_MILLIS = 300;

/** What the page has within itself, as an element of that id. */
function held(id: string): unknown {
  const text = document.querySelector(`#${id}`)?.textContent;
  return text ? JSON.parse(text) : undefined;
}

/** Where what the page shows comes from: a report has it in itself, a run tells it, and a pipeline in AWS is asked. */
function sourceOf(): readonly [feed: Feed, parts: PageParts] {
  const report = held('report') as Snapshot | undefined;
  if (report !== undefined) return [reportFeed(report), { asksEvery: undefined, sends: false }];
  const polled = held('polled') as PolledPipeline | undefined;
  if (polled === undefined) return [sseFeed('live/events'), { asksEvery: ASK_MILLIS, sends: true }];
  const feed = pollFeed(polled);
  return [feed, { asksEvery: POLL_MILLIS, sends: false, watch: feed.watch }];
}

const [feed, parts] = sourceOf();
let model: LiveModel | undefined;
let connection: Connection = 'connecting';
const page = pageView(find('#page'), parts);
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
