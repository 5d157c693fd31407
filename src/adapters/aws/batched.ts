import { LoggableError } from '../../core/loggable.ts';
import type { Clock } from '../../ports/clock.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import { type Message, messageBytes, type Outlet } from '../../ports/outlet.ts';

/** How many requests of a call are under way at a time. */
const WIDTH = 8;

/** The most that a request holds for a message beside what the message itself weighs: names and types of fields. */
const FIELD_BYTES = 64;

/** Why a service refused a message; undefined for a message that it took. */
export type Refusal = string | undefined;

/** How a service takes messages. */
interface Batching {
  /** What is sent to, for errors. */
  readonly target: string;
  /** The most messages of a request, and the most bytes of them together. */
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** The most bytes of one message; without it, a message may fill a request. */
  readonly maxMessageBytes?: number;
  /**
   * Whether a request may hold several messages of a key. Where a service keeps the order of a key, and may take a
   * request in part, it may not: the service could refuse the first and take the second.
   */
  readonly sharesKeys: boolean;
  /** Returns what the messages of a request have in common; without it, any messages go together. */
  readonly routeOf?: (message: Message) => string;
  /**
   * Sends one request.
   *
   * @returns what became of each message, in order
   */
  readonly request: (messages: readonly Message[], signal: AbortSignal) => Promise<readonly Refusal[]>;
}

/**
 * Makes an outlet that puts messages together into requests.
 *
 * A message is not sent before those of its key that come before it were accepted. Once a request has failed as a
 * whole, no other begins; and none is awaited after the deadline.
 */
export const batched = (clock: Clock, batching: Batching): Outlet => ({
  maxBytes: (batching.maxMessageBytes ?? batching.maxBytes) - FIELD_BYTES,
  async send(messages, deadline) {
    const stopping = new AbortController();
    const cancel = clock.alarm(deadline, () => stopping.abort());
    const accepted = new Set<Message>();
    const stuck = new Set<string>();
    let refusal: Refusal;
    let fault: { readonly cause: unknown } | undefined;
    const ask = async (request: readonly Message[]): Promise<void> => {
      if (fault !== undefined || stopping.signal.aborted) return;
      try {
        const refusals = await batching.request(request, stopping.signal);
        request.forEach((message, at) => {
          if (refusals[at] !== undefined) stuck.add(message.key);
          refusal ??= refusals[at];
          if (!stuck.has(message.key)) accepted.add(message);
        });
      } catch (cause) {
        fault ??= { cause };
      }
    };
    try {
      let waiting = messages;
      while (waiting.length > 0 && fault === undefined && clock.now() < deadline) {
        const { requests, rest } = requestsOf(waiting, batching);
        await inParallel(requests, ask, WIDTH);
        waiting = rest.filter(({ key }) => !stuck.has(key));
      }
    } finally {
      cancel();
    }
    if (accepted.size === 0 && !stopping.signal.aborted) {
      if (fault !== undefined) throw fault.cause;
      if (refusal !== undefined) {
        throw new LoggableError(
          `Cannot send messages to ${batching.target} as it must take some: it refused all that it was asked to take, with ${refusal}`,
        );
      }
    }
    return messages.filter((message) => !accepted.has(message));
  },
});

/** Divides messages into requests that may be under way together, and the rest, which must come after them. */
function requestsOf(
  messages: readonly Message[],
  { maxEntries, maxBytes, sharesKeys, routeOf = () => '' }: Batching,
): { readonly requests: readonly (readonly Message[])[]; readonly rest: readonly Message[] } {
  interface Request {
    readonly messages: Message[];
    bytes: number;
  }
  const requests: Request[] = [];
  const rest: Message[] = [];
  /** The request of each route that has room, and the request that each key is in; undefined for a key in the rest. */
  const open = new Map<string, Request>();
  const holding = new Map<string, Request | undefined>();
  for (const message of messages) {
    const route = routeOf(message);
    const bytes = messageBytes(message) + FIELD_BYTES;
    const last = open.get(route);
    const hasRoom = last !== undefined && last.messages.length < maxEntries && last.bytes + bytes <= maxBytes;
    const isFree = !holding.has(message.key);
    if (!isFree && !(sharesKeys && hasRoom && holding.get(message.key) === last)) {
      holding.set(message.key, undefined);
      rest.push(message);
      continue;
    }
    const request = hasRoom ? last : { messages: [], bytes: 0 };
    if (request !== last) {
      open.set(route, request);
      requests.push(request);
    }
    request.messages.push(message);
    request.bytes += bytes;
    holding.set(message.key, request);
  }
  return { requests: requests.map(({ messages }) => messages), rest };
}
