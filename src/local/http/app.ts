import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { lineOf } from '../failure.ts';
import { fromHere } from './from-here.ts';
import type { LiveFeed } from './live-feed.ts';
import type { Typed } from './typed.ts';

/** What the page of a run needs of it. */
export interface PageParts {
  /** The page as one file of HTML. */
  readonly page: () => Promise<string>;
  readonly feed: LiveFeed;
  /** The app that answers questions below `/api`, once the run can. */
  readonly query?: () => Hono | undefined;
  /** A record as the pipeline reads them; undefined while none is known. */
  readonly example: () => string | undefined;
  /** Sends a record that somebody typed in. */
  readonly send: (text: string) => Promise<Typed>;
  /** Is told when a page begins to watch, and when it no longer does. */
  readonly onWatchers?: (by: 1 | -1) => void;
}

/** After how long a page that has lost the server asks for it again, in milliseconds. */
const RETRY_MILLIS = 500;

/** The app of the run's server for people: the page, and what it is told. */
export function pageApp(parts: PageParts): Hono {
  const { page, feed, query = () => undefined, onWatchers = () => {} } = parts;
  const app = new Hono();
  app.use(fromHere);
  app.get('/', async (context) => context.html(await page()));
  app.all('/api/*', ({ req }) => {
    const answering = query();
    return answering === undefined
      ? new Response('Cannot answer as the run must have begun: it has not yet', { status: 503 })
      : answering.fetch(req.raw);
  });
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
  app.get('/live/example', (context) => context.text(parts.example() ?? ''));
  app.post('/live/records', async (context) => {
    // A page of another site may send plain text without being asked first, and JSON only where it is let.
    if (context.req.header('content-type') !== 'application/json')
      return context.text('Cannot send as a record must come as JSON', 415);
    const { record } = await context.req.json().catch(() => ({}));
    if (typeof record !== 'string') return context.text('Cannot send as "record" must be a text', 400);
    const { outcome, said } = await parts.send(record);
    return context.text(said, outcome === 'sent' ? 200 : 422);
  });
  app.onError((error, context) => context.text(lineOf(error), 500));
  return app;
}
