import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GroupPane } from '../../src/engine/group/group.ts';
import { pageApp } from '../../src/local/http/app.ts';
import { createLiveFeed } from '../../src/local/http/live-feed.ts';
import { LiveModel } from '../../web/model/model.ts';
import type { LiveEvent } from '../../web/model/wire.ts';
import { figuresOf, SHAPE } from '../web/events.ts';

const paneOf = (at: number, key = 'a'): GroupPane =>
  ({
    window: 'minute',
    key,
    kind: 'final',
    identity: at,
    start: at,
    end: at + 1,
    revision: 0,
    revisable: false,
    count: 1,
    results: { watts: at },
    watermark: at,
    layout: { name: 'minute', identity: 'start', ordered: false, epoch: 0, results: [] },
  }) as unknown as GroupPane;

const BOUNDS = { panes: 40, batches: 6, batch: 1_000 };

/** A feed whose figures change with each pane, and what a page of it has seen. */
function feedOf(begun = 'one') {
  let at = 0;
  let emits = 0;
  const feed = createLiveFeed(SHAPE, () => figuresOf(emits, { panes: at, sent: emits }), {
    bounds: BOUNDS,
    begun,
  });
  const emit = (panes: number): void => {
    emits++;
    feed.add(Array.from({ length: panes }, () => paneOf(at++, `key ${at % 7}`)));
    feed.tick();
  };
  return { begun, feed, emit };
}

/** A page that reads so many events, and then goes away; it remembers where it was. */
class Page {
  model: LiveModel | undefined;
  lastId: string | undefined;
  readonly kinds: string[] = [];

  async read({ begun, feed }: ReturnType<typeof feedOf>, most: number): Promise<void> {
    const gone = new AbortController();
    const events = feed.events(this.lastId, gone.signal);
    const isLevel = () =>
      this.lastId?.startsWith(`${begun}/`) && this.model?.figures.at === feed.snapshot().figures.at;
    for (let read = 0; read < most && !isLevel(); read++) {
      const { value } = await events.next();
      this.#take(value.id, value.event);
    }
    gone.abort();
    await events.return(undefined);
  }

  #take(id: string, event: LiveEvent): void {
    this.lastId = id;
    this.kinds.push(event.kind);
    this.model = event.kind === 'snapshot' ? new LiveModel(event.snapshot) : this.model?.apply(event);
  }
}

describe('a page', () => {
  it('sees what the run has done, whenever it goes away and comes back, however slow it is, and over restarts', async () => {
    const moves = fc.array(
      fc.oneof(
        fc.record({ emit: fc.nat(30) }),
        fc.record({ read: fc.nat(8) }),
        fc.record({ restart: fc.constant(true) }),
      ),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(moves, async (drawn) => {
        let server = feedOf();
        let restarts = 0;
        const page = new Page();
        for (const move of drawn) {
          if ('emit' in move) server.emit(move.emit);
          else if ('read' in move) await page.read(server, move.read);
          else server = feedOf(`again ${++restarts}`);
        }
        await page.read(server, 1_000);
        expect(page.model?.snapshot()).toEqual(JSON.parse(JSON.stringify(server.feed.snapshot())));
      }),
    );
  });

  it('goes on where it was, and is told all anew where that is too long ago or was another run', async () => {
    const server = feedOf();
    const { emit } = server;
    const page = new Page();
    await page.read(server, 1);
    emit(1);
    emit(1);
    await page.read(server, 10);
    for (let batch = 0; batch < BOUNDS.batches; batch++) emit(1);
    await page.read(server, 10);
    expect(page.kinds).toEqual(['snapshot', ...Array(8).fill('batch')]);
    page.kinds.length = 0;
    for (let batch = 0; batch <= BOUNDS.batches; batch++) emit(1);
    await page.read(server, 10);
    expect(page.kinds).toEqual(['snapshot']);
    page.kinds.length = 0;
    const other = feedOf('other');
    other.emit(3);
    await page.read(other, 10);
    expect(page.kinds).toEqual(['snapshot']);
  });

  it('is told nothing while nothing happens', async () => {
    const server = feedOf();
    const { feed, emit } = server;
    emit(1);
    const page = new Page();
    await page.read(server, 10);
    const gone = new AbortController();
    const next = feed.events(page.lastId, gone.signal).next();
    for (let tick = 0; tick < 5; tick++) feed.tick();
    gone.abort();
    expect(await next).toEqual({ value: undefined, done: true });
  });
});

describe('the server of the page', () => {
  const { feed, emit } = feedOf();
  const app = pageApp({
    page: async () => '<h1>The page</h1>',
    feed,
    example: () => undefined,
    send: async (text) => ({ outcome: text === 'good' ? 'sent' : 'refused', said: `this is ${text}` }),
  });

  it('answers with the page, and to names of this machine alone', async () => {
    const answer = await app.request('/', { headers: { host: '127.0.0.1:4570' } });
    expect(await answer.text()).toBe('<h1>The page</h1>');
    const foreign = await app.request('/live/events', { headers: { host: 'rebound.example:4570' } });
    expect(foreign.status).toBe(403);
  });

  it('takes a record as JSON alone, and says why one is refused', async () => {
    const post = async (body: string, type = 'application/json') => {
      const headers = { host: 'localhost', 'content-type': type };
      const answer = await app.request('/live/records', { method: 'POST', headers, body });
      return [answer.status, await answer.text()];
    };
    expect(await post('{"record":"good"}')).toEqual([200, 'this is good']);
    expect(await post('{"record":"bad"}')).toEqual([422, 'this is bad']);
    expect(await post('{"record":1}')).toEqual([400, 'Cannot send as "record" must be a text']);
    expect(await post('{"reco')).toEqual([400, 'Cannot send as "record" must be a text']);
    expect(await post('{"record":"good"}', 'text/plain')).toEqual([
      415,
      'Cannot send as a record must come as JSON',
    ]);
  });

  it('streams events, from the one on that a page names in a header or in the address', async () => {
    emit(2);
    const idsOf = async (path: string, headers: Record<string, string> = {}): Promise<string[]> => {
      const gone = new AbortController();
      const answer = await app.request(path, {
        headers: { host: 'localhost', ...headers },
        signal: gone.signal,
      });
      const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
      const { value } = await reader.read();
      gone.abort();
      await reader.cancel();
      return [...new TextDecoder().decode(value).matchAll(/^id: (.*)$|"kind":"(\w+)"/gm)].map(
        ([, id, kind]) => id ?? kind ?? '',
      );
    };
    expect(await idsOf('/live/events')).toEqual(['snapshot', 'one/1']);
    emit(2);
    expect(await idsOf('/live/events', { 'last-event-id': 'one/1' })).toEqual(['batch', 'one/2']);
    expect(await idsOf('/live/events?after=one/1')).toEqual(['batch', 'one/2']);
  });
});
