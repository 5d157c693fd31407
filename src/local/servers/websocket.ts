import { createWebSocketStream, WebSocket } from 'ws';

/**
 * Yields the messages of a WebSocket in order, until the other side closes it. Messages that the reader has not
 * asked for wait on the other side.
 *
 * Node has a client of its own from version 22 on.
 *
 * @throws Error when it cannot be opened, or was closed as no WebSocket is closed in order
 */
export async function* readWebSocket(url: string): AsyncGenerator<Uint8Array> {
  const socket = new WebSocket(url);
  let closedBy = 0;
  socket.once('close', (code) => {
    closedBy = code;
  });
  const messages = createWebSocketStream(socket, { readableObjectMode: true });
  try {
    for await (const message of messages) yield Buffer.from(message);
  } finally {
    socket.terminate();
  }
  if (!IN_ORDER.includes(closedBy)) throw new Error(`the connection was lost (close code ${closedBy})`);
}

/** What a side says that has no more to say: it is done, goes away, or gives no reason. */
const IN_ORDER = [1_000, 1_001, 1_005];
