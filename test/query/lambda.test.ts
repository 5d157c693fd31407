import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { queryApi } from '../../src/lambda.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { measured } from './asked.ts';

beforeAll(() => {
  const { pipeline, stateTable, rowsTable, bucket, pageSecret } = ENVIRONMENT;
  for (const name of [stateTable, rowsTable, bucket, pageSecret]) vi.stubEnv(name, 'any');
  vi.stubEnv(pipeline, 'measured');
  vi.stubEnv('AWS_REGION', 'us-east-1');
});
afterAll(() => {
  vi.unstubAllEnvs();
});

/** The event of a function URL. */
const eventOf = (path: string, query = '', method = 'GET') => ({
  version: '2.0',
  routeKey: '$default',
  rawPath: path,
  rawQueryString: query,
  headers: { host: 'abc.lambda-url.us-east-1.on.aws', 'x-forwarded-proto': 'https' },
  requestContext: {
    accountId: '123456789012',
    apiId: 'abc',
    domainName: 'abc.lambda-url.us-east-1.on.aws',
    domainPrefix: 'abc',
    http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' },
    requestId: '1',
    routeKey: '$default',
    stage: '$default',
    time: '05/Jan/2026:12:00:00 +0000',
    timeEpoch: 0,
  },
  isBase64Encoded: false,
});

const answered = async (...asked: Parameters<typeof eventOf>) =>
  (await queryApi(measured)(eventOf(...asked) as never)) as {
    statusCode: number;
    headers: object;
    body: string;
  };

it('answers the events of a function URL', async () => {
  const { statusCode, body } = await answered('/api/openapi.json');
  expect(statusCode).toBe(200);
  expect(JSON.parse(body).info.title).toBe('Windows of measured');
});

it('reads the query as the caller encoded it', async () => {
  const { statusCode, headers, body } = await answered('/api/latest', 'key=a%2Fb&window=none%2Bsuch');
  expect(statusCode).toBe(400);
  expect(headers).toMatchObject({ 'content-type': 'application/problem+json' });
  expect(JSON.parse(body).detail).toContain('window must be one of minute');
  expect((await answered('/api/latest', `key=${'x'.repeat(1_025)}&window=minute`)).statusCode).toBe(400);
  expect((await answered('/api/health', '', 'POST')).statusCode).toBe(405);
});

it('refuses what is no event of a function URL, without a word of it', async () => {
  for (const event of ['secret', { Records: ['secret'] }, { rawPath: 'secret', rawQueryString: '' }]) {
    await expect(queryApi(measured)(event as never)).rejects.toThrow(
      /^Cannot answer as the event must be one of a function URL: it lacks "rawPath" or "rawQueryString"$/,
    );
  }
});

it('answers whatever path, query and method a caller makes up', async () => {
  for (const path of ['//other.example/api/health', '/%', '/api/%zz', '/\u{d800}', '/api/latest/../..'])
    expect((await answered(path, '%=%&&=')).statusCode).toBe(404);
  expect((await answered('/api/health', '', 'TRACE')).statusCode).toBe(405);
});

it('does not start without the secret of its pages', () => {
  vi.stubEnv(ENVIRONMENT.pageSecret, '');
  expect(() => queryApi(measured)).toThrow(`${ENVIRONMENT.pageSecret} must be set`);
});
