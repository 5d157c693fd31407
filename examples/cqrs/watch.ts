import { once } from 'node:events';
import WebSocket from 'ws';

/** A balance as it is pushed to whoever looks. */
export interface Pushed {
  readonly account: string;
  readonly cents: number;
  readonly movements: number;
}

/**
 * Listens to what is pushed to a channel of an Event API of AppSync, as a page does. In AWS, `headers` of the subscription
 * say who listens.
 *
 * @param endpoint the address of the API, which begins with `ws:` or `wss:`
 */
export async function watch(endpoint: string, channel: string) {
  const socket = new WebSocket(`${endpoint}/event/realtime`, 'aws-appsync-event-ws');
  const pushed: Pushed[] = [];
  const subscribed = new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      const { type, event = [] }: { type: string; event?: readonly string[] } = JSON.parse(String(message));
      if (type === 'connection_ack') socket.send(JSON.stringify({ type: 'subscribe', id: '1', channel }));
      if (type === 'subscribe_success') resolve();
      for (const one of event) pushed.push(JSON.parse(one));
    });
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init' }));
  await subscribed;
  return { pushed: pushed as readonly Pushed[], close: () => socket.close() };
}
