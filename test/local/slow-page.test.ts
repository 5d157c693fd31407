import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { GroupPane } from '../../src/engine/group/group.ts';
import { pageApp } from '../../src/local/http/app.ts';
import { createLiveFeed, type LiveFeed } from '../../src/local/http/live-feed.ts';
import { serveApp } from '../../src/local/http/server.ts';
import { figuresOf, SHAPE } from '../web/events.ts';

const paneOf = (at: number): GroupPane =>
  ({
    window: 'minute',
    key: `a key that is as long as keys may be, so that there is much to tell ${at % 100}`,
    kind: 'final',
    identity: at,
    start: at,
    end: at + 1,
    revision: 0,
    count: 1,
    results: { watts: at },
    watermark: at,
    layout: { name: 'minute', identity: 'start', ordered: false, epoch: 0, results: [] },
  }) as unknown as GroupPane;

const BATCHES = 3_000;
const PANES = 200;

it('is told less often where it is slow, holds up neither the run nor its memory, and has all in the end', async () => {
  let [at, events, snapshots] = [0, 0, 0];
  const whole = createLiveFeed(SHAPE, () => figuresOf(at, { panes: at }));
  const feed: LiveFeed = {
    ...whole,
    async *events(...asked) {
      for await (const told of whole.events(...asked)) {
        events++;
        if (told.event.kind === 'snapshot') snapshots++;
        yield told;
      }
    },
  };
  const none = async () => ({ outcome: 'refused', said: '' }) as const;
  const server = await serveApp(
    pageApp({ page: async () => '', feed, send: none, example: () => undefined }),
  );
  const socket = connect(Number(new URL(server.address).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.pause();
  socket.write('GET /live/events HTTP/1.1\r\nhost: localhost\r\n\r\n');
  while (snapshots === 0) await turn();
  for (let batch = 0; batch < BATCHES; batch++) {
    whole.add(Array.from({ length: PANES }, () => paneOf(at++)));
    whole.tick();
    await turn();
  }
  // Nobody has read anything: what was told is what fits the buffers between.
  expect(events).toBeLessThan(BATCHES / 2);

  let end = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    end = (end + text).slice(-200);
    socket.emit('more');
  });
  socket.resume();
  while (!new RegExp(`^id: .*/${BATCHES}$`, 'm').test(end)) await once(socket, 'more');
  expect(snapshots).toBe(2);
  socket.destroy();
  await server.close();
});
