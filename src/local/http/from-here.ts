import type { MiddlewareHandler } from 'hono';

/** Programs on this machine may ask for it by these names, and no page of another site under a name of its own. */
const LOOPBACK = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?$/;

/** Refuses what a page of another site asks of a server on this machine. */
export const fromHere: MiddlewareHandler = async (context, next) => {
  if (!LOOPBACK.test(context.req.header('host') ?? ''))
    return context.text('Cannot answer as the host of a request must be 127.0.0.1 or localhost', 403);
  // Browsers say so by themselves, and no page can say otherwise.
  if (context.req.header('sec-fetch-site') === 'cross-site' && context.req.path !== '/')
    return context.text(
      'Cannot answer as a request must be of a page of this server: another site made it',
      403,
    );
  return next();
};
