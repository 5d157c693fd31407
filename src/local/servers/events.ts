import { randomUUID } from 'node:crypto';
import type { buildApp } from 'fauxqs';
import { type WebSocket, WebSocketServer } from 'ws';

type App = ReturnType<typeof buildApp>;

/** The bounds of EventBridge on a request, and of AppSync Events on a publish. */
const MAX_ENTRIES = 10;
const MAX_ENTRIES_BYTES = 262_144;
const MAX_EVENTS = 5;
const MAX_EVENT_BYTES = 240_000;

interface PutEventsEntry {
  readonly EventBusName?: string;
  readonly Source?: string;
  readonly DetailType?: string;
  readonly Detail?: string;
  readonly Resources?: readonly string[];
}

/**
 * Has a server answer PutEvents of EventBridge. It passes every event to the queue that has the name of its bus, as a
 * rule of the bus could.
 *
 * @param send sends a message to the queue of a name, if there is one
 */
export function takeEvents(app: App, send: (queue: string, body: string) => void): void {
  const take = ({
    EventBusName = 'default',
    Source,
    DetailType,
    Detail = '',
    Resources = [],
  }: PutEventsEntry) => {
    if (!Source || !DetailType) return refused('InvalidArgument', 'Source and DetailType are required');
    const detail = objectIn(Detail);
    if (detail === undefined) return refused('MalformedDetail', 'Detail is malformed.');
    const id = randomUUID();
    const event = {
      version: '0',
      id,
      'detail-type': DetailType,
      source: Source,
      account: '000000000000',
      time: new Date().toISOString(),
      region: 'us-east-1',
      resources: Resources,
      detail,
    };
    send(EventBusName.slice(EventBusName.lastIndexOf('/') + 1), JSON.stringify(event));
    return { EventId: id };
  };
  app.addHook('preHandler', ({ headers, body }, reply, done) => {
    if (headers['x-amz-target'] !== 'AWSEvents.PutEvents') return done();
    const { Entries = [] } = JSON.parse(String(body)) as { Entries?: readonly PutEventsEntry[] };
    const lack =
      Entries.length === 0 || Entries.length > MAX_ENTRIES
        ? `1 validation error detected: Entries must have 1 to ${MAX_ENTRIES} members`
        : Entries.reduce((total, entry) => total + bytesOf(entry), 0) > MAX_ENTRIES_BYTES
          ? 'Total size of the entries in the request is over the limit.'
          : undefined;
    reply.type('application/x-amz-json-1.1');
    if (lack !== undefined) {
      reply.code(400).send(JSON.stringify({ __type: 'ValidationException', message: lack }));
      return;
    }
    const results = Entries.map(take);
    const FailedEntryCount = results.filter((result) => 'ErrorCode' in result).length;
    reply.send(JSON.stringify({ FailedEntryCount, Entries: results }));
  });
}

const refused = (ErrorCode: string, ErrorMessage: string) => ({ ErrorCode, ErrorMessage });

const bytesOf = ({ Source = '', DetailType = '', Detail = '', Resources = [] }: PutEventsEntry): number =>
  [Source, DetailType, Detail, ...Resources].reduce((total, text) => total + Buffer.byteLength(text), 0);

/** Returns the object that a text of JSON holds; undefined where it holds none. */
function objectIn(text: string): object | undefined {
  const value = jsonIn(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

function jsonIn(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

/** The path of a channel: its namespace, and up to four segments. */
const CHANNEL = /^(\/[A-Za-z0-9]([A-Za-z0-9-]{0,48}[A-Za-z0-9])?){2,5}$/;

/**
 * Has a server answer as an Event API of AppSync: `POST /event` publishes, and a WebSocket to `/event/realtime`
 * subscribes. Nobody is asked who they are.
 *
 * @returns what closes the WebSockets
 */
export function openChannels(app: App): () => void {
  const subscriptions = new Map<WebSocket, Map<string, string>>();
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'aws-appsync-event-ws' });
  app.server.on('upgrade', (request, socket, head) => {
    if (request.url?.split('?')[0] !== '/event/realtime') socket.destroy();
    else sockets.handleUpgrade(request, socket, head, (opened) => listen(opened));
  });

  function listen(socket: WebSocket): void {
    const channels = new Map<string, string>();
    subscriptions.set(socket, channels);
    const say = (message: object) => socket.send(JSON.stringify(message));
    socket.on('close', () => subscriptions.delete(socket));
    socket.on('error', () => socket.terminate());
    socket.on('message', (data) => {
      const { type, id = '', channel = '' } = (jsonIn(data) ?? {}) as Record<string, string>;
      if (type === 'connection_init') say({ type: 'connection_ack', connectionTimeoutMs: 300_000 });
      else if (type === 'subscribe') {
        channels.set(id, channel);
        say({ type: 'subscribe_success', id });
      } else if (type === 'unsubscribe') {
        channels.delete(id);
        say({ type: 'unsubscribe_success', id });
      } else say({ type: 'error', id, errors: [{ errorType: 'UnsupportedOperation' }] });
    });
  }

  app.post('/event', (request, reply) => {
    const { channel, events } = (jsonIn(request.body) ?? {}) as { channel?: unknown; events?: unknown };
    reply.type('application/json');
    const path = typeof channel === 'string' ? `/${channel.replace(/^\//, '')}` : '';
    const isPublish =
      CHANNEL.test(path) &&
      Array.isArray(events) &&
      events.length > 0 &&
      events.length <= MAX_EVENTS &&
      events.every((event) => typeof event === 'string' && jsonIn(event) !== undefined);
    if (!isPublish) {
      return reply.code(400).send(JSON.stringify({ errors: [{ errorType: 'BadRequestException' }] }));
    }
    const places = events.map((event, index) => ({
      event: event as string,
      index,
      identifier: randomUUID(),
    }));
    const fits = ({ event }: { readonly event: string }) => Buffer.byteLength(event) <= MAX_EVENT_BYTES;
    for (const { event } of places.filter(fits)) publish(path, event);
    return reply.send(
      JSON.stringify({
        successful: places.filter(fits).map(({ identifier, index }) => ({ identifier, index })),
        failed: places
          .filter((place) => !fits(place))
          .map(({ identifier, index }) => ({ identifier, index, code: 413, message: 'Event is too large' })),
      }),
    );
  });

  function publish(path: string, event: string): void {
    for (const [socket, channels] of subscriptions)
      for (const [id, channel] of channels)
        if (matches(channel, path)) socket.send(JSON.stringify({ type: 'data', id, event: [event] }));
  }

  return () => {
    for (const socket of subscriptions.keys()) socket.terminate();
  };
}

/** Says whether a subscription gets what is published on a channel: on this one, or on all below `…/*`. */
const matches = (subscribed: string, path: string): boolean =>
  subscribed.endsWith('/*') ? path.startsWith(subscribed.slice(0, -1)) : subscribed === path;
