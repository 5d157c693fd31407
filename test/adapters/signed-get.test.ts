import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOf } from '../../src/adapters/aws/client.ts';
import { signedGet } from '../../src/adapters/aws/signed-get.ts';
import { memoryPorts } from '../../src/adapters/memory/index.ts';
import { NOON } from '../engine/scene.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The signature of a request as it came, as the IAM User Guide says under "Create a signed AWS API request". */
function signatureOf({ method, url = '', headers }: IncomingMessage): string {
  const [path = '', query = ''] = url.split('?');
  const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1] ?? '';
  const lines = signed.split(';').map((name) => `${name}:${headers[name]}\n`);
  const canonical = [
    method,
    path,
    query.split('&').sort().join('&'),
    lines.join(''),
    signed,
    sha256(''),
  ].join('\n');
  const scope = '20260105/eu-central-1/lambda/aws4_request';
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${SECRET}`);
  return hmac(key, ['AWS4-HMAC-SHA256', '20260105T120000Z', scope, sha256(canonical)].join('\n')).toString(
    'hex',
  );
}

describe('a request with a signature', () => {
  let server: Server;
  let address: string;
  const requests: IncomingMessage[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      requests.push(request);
      if (request.url === '/moved') response.writeHead(302, { location: '/elsewhere' });
      response.end('{}');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server?.close());

  const { config } = clientOf(DynamoDBClient, {
    region: 'eu-central-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: SECRET, sessionToken: 'a session' } as never,
  });
  const get = signedGet(config, 'lambda', memoryPorts({ start: NOON }).clock);
  const got = (path: string) => get(new URL(path, address), AbortSignal.timeout(5_000));

  it.each([
    ['no parameter', '/api/health'],
    ['a key of signs', `/api/latest?${new URLSearchParams({ window: 'a', key: "a b+c/d%2F!'()*~🚰" })}`],
  ])('is signed as it is sent: %s', async (_, path) => {
    requests.length = 0;
    await got(path);
    const [request] = requests as [IncomingMessage];
    expect(request.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20260105\/eu-central-1\/lambda\/aws4_request, /,
    );
    expect(request.headers['x-amz-security-token']).toBe('a session');
    expect(request.headers.authorization).toContain(`Signature=${signatureOf(request)}`);
    expect(Object.fromEntries(new URL(request.url ?? '', address).searchParams)).toEqual(
      Object.fromEntries(new URL(path, address).searchParams),
    );
  });

  it('is not sent to where an answer points', async () => {
    requests.length = 0;
    await expect(got('/moved')).rejects.toThrow('fetch failed');
    expect(requests.map(({ url }) => url)).toEqual(['/moved']);
  });
});
