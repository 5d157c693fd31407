import { once } from 'node:events';
import type { Pane } from 'millrace';
import WebSocket from 'ws';

export type Told = Pane<'lastFive', 'rolling', { readonly mean: number; readonly max: number }>;

/** Connects as a watcher of a user. It knows what it has been sent before by its id, and drops it. */
export async function watch(address: string, user: string) {
  const socket = new WebSocket(`${address}/out?user=${encodeURIComponent(user)}`);
  const told = new Map<string, Told>();
  socket.on('message', (message) => {
    const pane: Told = JSON.parse(String(message));
    if (!told.has(pane.id)) told.set(pane.id, pane);
  });
  await once(socket, 'open');
  return {
    /** Returns what it was told, once that is so many. */
    async first(count: number): Promise<readonly Told[]> {
      while (told.size < count) await once(socket, 'message');
      return [...told.values()];
    },
    close: () => socket.close(),
  };
}

/** Sends messages as the device of a user, and returns what the server answers to each. */
export async function send(address: string, user: string, messages: readonly string[]): Promise<string[]> {
  const socket = new WebSocket(`${address}/in?user=${encodeURIComponent(user)}`);
  const answers: string[] = [];
  socket.on('message', (answer) => answers.push(String(answer)));
  await once(socket, 'open');
  for (const message of messages) socket.send(message);
  while (answers.length < messages.length) await once(socket, 'message');
  socket.close();
  return answers;
}
