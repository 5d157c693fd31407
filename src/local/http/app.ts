import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { LiveFeed } from './live-feed.ts';

/** What the page of a run needs of it. */
export interface PageParts {
  /** The page as one file of HTML. */
  readonly page: () => Promise<string>;
  readonly feed: LiveFeed;
  /** Is told when a page begins to watch, and when it no longer does. */
  readonly onWatchers?: (by: 1 | -1) => void;
}

/** After how long a page that has lost the server asks for it again, in milliseconds. */
const RETRY_MILLIS = 500;

/** Programs on this machine may ask for it by these names, and no page of another site under a name of its own. */
const LOOPBACK = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?$/;

/** The app of the run's server for people: the page, and what it is told. */
export function pageApp({ page, feed, onWatchers = () => {} }: PageParts): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    const host = context.req.header('host') ?? '';
    if (LOOPBACK.test(host)) return next();
    return context.text('Cannot answer as the host of a request must be 127.0.0.1 or localhost', 403);
  });
  app.get('/', async (context) => context.html(await page()));
  app.get('/live/events', (context) =>
    streamSSE(context, async (stream) => {
      const aborted = new AbortController();
      stream.onAbort(() => aborted.abort());
      context.req.raw.signal.addEventListener('abort', () => aborted.abort());
      const lastId = context.req.header('last-event-id') ?? context.req.query('after');
      onWatchers(1);
      try {
        for await (const { id, event } of feed.events(lastId, aborted.signal))
          await stream.writeSSE({ id, data: JSON.stringify(event), retry: RETRY_MILLIS });
      } finally {
        onWatchers(-1);
      }
    }),
  );
  return app;
}
