import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { openPage, polledOf } from '../../src/commands/page.ts';
import { proxyApp } from '../../src/local/http/proxy.ts';
import { type HttpServer, serveApp } from '../../src/local/http/server.ts';
import { Scene } from '../engine/scene.ts';
import { asking, measured } from '../query/asked.ts';

const HERE = { host: '127.0.0.1:4000' };

describe('the page of a pipeline that runs elsewhere', () => {
  const passed: string[] = [];
  const app = proxyApp({
    page: async () => '<!doctype html><!-- report -->',
    pipeline: polledOf(measured),
    ask: async (path) => {
      passed.push(path);
      if (path === '/api/keys') throw new Error('connect ECONNREFUSED');
      return new Response('{"detail":"no"}', {
        status: 404,
        headers: { 'content-type': 'application/problem+json', 'set-cookie': 'a=b' },
      });
    },
  });
  const request = (path: string, { headers, ...init }: RequestInit = {}) =>
    app.request(path, { ...init, headers: { ...HERE, ...headers } });

  it('says in the page what can be asked', async () => {
    const [, data = ''] = /id="polled">(.*)<\/script>/.exec(await (await request('/')).text()) ?? [];
    expect(JSON.parse(data)).toMatchObject({
      shape: { name: 'measured', source: 'kinesis' },
      asks: ['panes', 'panes', 'panes', 'latest', 'latest', 'latest', 'latest'],
    });
  });

  it('passes questions on as they are, and answers without what else came', async () => {
    passed.length = 0;
    const answer = await request('/api/latest?key=a%2Fb+c&window=minute');
    expect(passed).toEqual(['/api/latest?key=a%2Fb+c&window=minute']);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(await answer.json()).toEqual({ detail: 'no' });
  });

  it('says why nobody answers', async () => {
    const answer = await request('/api/keys');
    expect([answer.status, await answer.text()]).toEqual([502, 'connect ECONNREFUSED']);
  });

  it.each<[string, string, RequestInit, number]>([
    ['of another name', '/api/health', { headers: { host: 'example.com' } }, 403],
    ['of a page of another site', '/api/health', { headers: { 'sec-fetch-site': 'cross-site' } }, 403],
    ['that is no question', '/api/health', { method: 'POST' }, 404],
    ['below no /api', '/elsewhere', {}, 404],
    ['that leads out of /api', '/api/../elsewhere', {}, 404],
  ])('passes no request on %s', async (_, path, init, status) => {
    passed.length = 0;
    expect((await request(path, init)).status).toBe(status);
    expect(passed).toEqual([]);
  });

  it('may be opened by a link of another site', async () => {
    expect((await request('/', { headers: { 'sec-fetch-site': 'cross-site' } })).status).toBe(200);
  });
});

describe('opening the page of a pipeline that runs elsewhere', () => {
  const opened: HttpServer[] = [];
  const served = async (app: Hono): Promise<string> => {
    const server = await serveApp(app);
    opened.push(server);
    return server.address;
  };
  const closeAll = async () => {
    for (const server of opened.splice(0)) await server.close();
  };

  it('passes on what the page asks', async () => {
    const url = await served(asking(new Scene(measured)).app);
    const page = await openPage(measured, { url });
    opened.push(page);
    const health = await fetch(`${page.address}/api/health`);
    expect(await health.json()).toMatchObject({ pipeline: 'measured', status: 'ok' });
    expect(await (await fetch(page.address)).text()).toContain('id="polled">{"shape":{"name":"measured"');
    await closeAll();
  });

  it.each<[string, () => string | Promise<string>, RegExp]>([
    [
      'no address',
      () => 'readings',
      /^Cannot ask "readings" as the address of a query API must begin with https/,
    ],
    ['an address that is read on its way', () => 'http://example.com', /must begin with https/],
    ['an address where nobody listens', () => 'http://127.0.0.1:1', /^Cannot ask \S+ as it must answer: /],
    [
      'the query API of another pipeline',
      () => served(new Hono().get('/api/health', ({ json }) => json({ pipeline: 'other' }))),
      /as it must be the query API of "measured": it is of "other"$/,
    ],
    ['another server', () => served(new Hono()), /as it must be a query API of Millrace: it answers 404$/],
    [
      'a function that the caller may not invoke',
      () => served(new Hono().get('/api/health', ({ json }) => json({ Message: 'Forbidden' }, 403))),
      /as whoever asks must be allowed to invoke the function and its URL .*: it answers 403$/,
    ],
  ])('refuses %s', async (_, address, message) => {
    await expect(openPage(measured, { url: await address() })).rejects.toThrow(message);
    await closeAll();
  });
});
