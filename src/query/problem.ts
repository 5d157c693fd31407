/** The sentences that go with each status of an answer that is no result. */
export const TITLES = {
  400: 'The request cannot be understood',
  404: 'There is nothing of that name',
  405: 'The method is not allowed',
  409: 'The place that was asked for is gone',
  500: 'The question cannot be answered',
  503: 'The question cannot be answered now',
} as const;

export type ProblemStatus = keyof typeof TITLES;

/** Thrown where a question has no result; the app answers with it as RFC 9457 describes. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: ProblemStatus;
  readonly headers: Readonly<Record<string, string>>;

  /** @param detail one sentence that says what cannot be done, the rule and the state */
  constructor(status: ProblemStatus, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

/** After how many seconds a question is worth asking again that cannot be answered now. */
const RETRY_SECONDS = 2;

export const notNow = (detail: string): Problem =>
  new Problem(503, detail, { 'retry-after': String(RETRY_SECONDS) });

export const badRequest = (detail: string): Problem => new Problem(400, detail);

export function problemResponse({ status, message, headers }: Problem): Response {
  const body = { type: 'about:blank', title: TITLES[status], status, detail: message };
  return Response.json(body, {
    status,
    headers: { ...headers, 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
  });
}
