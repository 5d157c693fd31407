import type { Hono } from 'hono';
import { LoggableError } from '../core/loggable.ts';

/**
 * The part of a function URL's event that questions stand in; API Gateway gives an HTTP API's requests the same
 * form, version 2.0.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 */
export interface FunctionUrlEvent {
  /** The path, beginning with `/`, as the caller encoded it. */
  readonly rawPath: string;
  /** What follows the `?`, as the caller encoded it. */
  readonly rawQueryString: string;
  readonly requestContext: { readonly http: { readonly method: string } };
}

export interface FunctionUrlAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An app is asked at no address, so that this one stands for any. */
const ORIGIN = 'https://millrace.invalid';

/**
 * Returns the handler of a function URL that answers by an app of questions, which have neither headers nor bodies.
 *
 * @throws LoggableError when the event is not that of a function URL
 */
export const answeringUrls =
  (app: Pick<Hono, 'fetch'>) =>
  async (event: FunctionUrlEvent): Promise<FunctionUrlAnswer> => {
    const { rawPath, rawQueryString, requestContext } = event ?? {};
    const method = requestContext?.http?.method;
    if (typeof rawPath !== 'string' || !rawPath.startsWith('/') || typeof rawQueryString !== 'string') {
      throw new LoggableError(
        'Cannot answer as the event must be one of a function URL: it lacks "rawPath" or "rawQueryString"',
      );
    }
    const request = new Request(`${ORIGIN}${rawPath}?${rawQueryString}`, {
      // The app refuses all other methods alike, and `Request` takes only some of them.
      method: method === 'GET' || method === 'HEAD' ? method : 'POST',
    });
    const response = await app.fetch(request);
    return {
      statusCode: response.status,
      headers: Object.fromEntries(response.headers),
      body: await response.text(),
    };
  };
