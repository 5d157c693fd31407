import { Hono } from 'hono';
import type { PolledPipeline } from '../../../web/model/poller.ts';
import { lineOf } from '../failure.ts';
import { fromHere } from './from-here.ts';
import { polledPage } from './report.ts';

/** What the page of a pipeline that runs elsewhere needs. */
interface ProxyParts {
  /** The page as one file of HTML. */
  readonly page: () => Promise<string>;
  readonly pipeline: PolledPipeline;
  /** Asks the query API, by a path and query below its address. */
  readonly ask: (path: string) => Promise<Response>;
}

/**
 * The app that shows the page of a pipeline that runs elsewhere, and passes the page's questions on. It passes
 * nothing else on: no other path or method, and no header.
 */
export function proxyApp({ page, pipeline, ask }: ProxyParts): Hono {
  const app = new Hono();
  app.use(fromHere);
  app.get('/', async (context) => context.html(polledPage(await page(), pipeline)));
  app.get('/api/*', async ({ req }) => {
    const { pathname, search } = new URL(req.url);
    const answer = await ask(`${pathname}${search}`);
    const type = answer.headers.get('content-type') ?? 'application/json';
    return new Response(await answer.arrayBuffer(), {
      status: answer.status,
      headers: { 'content-type': type, 'cache-control': 'no-store' },
    });
  });
  app.onError((error, context) => context.text(lineOf(error), 502));
  return app;
}
