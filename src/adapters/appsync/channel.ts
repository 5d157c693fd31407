import { SignatureV4 } from '@smithy/signature-v4';
import { LoggableError } from '../../core/loggable.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Message, Outlet } from '../../ports/outlet.ts';
import { batched, type Refusal } from '../aws/batched.ts';

/** The bounds of AppSync Events on one publish, and on one event. */
const MAX_EVENTS = 5;
const MAX_EVENT_BYTES = 240_000;

/** By whom, and for which region, requests are signed: the `config` of any client of AWS has it. */
type Identity = Pick<ConstructorParameters<typeof SignatureV4>[0], 'credentials' | 'region' | 'sha256'>;

/** What a publish answers: the places of the events that were taken, and of those that were not. */
interface Answer {
  readonly successful?: readonly { readonly index: number }[];
  readonly failed?: readonly { readonly index: number; readonly code?: number | string }[];
}

/**
 * Publishes to an API of AppSync Events over HTTP, on the channel of each window: `/<namespace>/<pipeline>/<window>`.
 *
 * @param endpoint the address that takes events, such as `https://example.appsync-api.eu-west-1.amazonaws.com/event`
 */
export function appsyncChannel(
  { endpoint, namespace }: { readonly endpoint: string; readonly namespace: string },
  identity: Identity,
  clock: Clock,
  ask: typeof fetch = fetch,
): Outlet {
  const signer = new SignatureV4({ ...identity, service: 'appsync' });
  return batched(clock, {
    target: `channels of ${namespace}`,
    maxEntries: MAX_EVENTS,
    maxBytes: MAX_EVENTS * MAX_EVENT_BYTES,
    maxMessageBytes: MAX_EVENT_BYTES,
    // Subscribers get the events of a publish in their order.
    sharesKeys: true,
    routeOf: (message) => channelOf(namespace, message),
    async request(messages, signal) {
      const { hostname, host, pathname, protocol, port } = new URL(endpoint);
      const channel = channelOf(namespace, messages[0] as Message);
      const signed = await signer.sign(
        {
          method: 'POST',
          protocol,
          hostname,
          ...(port && { port: Number(port) }),
          path: pathname,
          headers: { host, 'content-type': 'application/json' },
          body: JSON.stringify({ channel, events: messages.map(({ body }) => body) }),
        },
        { signingDate: new Date(clock.now()) },
      );
      const response = await ask(endpoint, { ...signed, signal });
      if (!response.ok) {
        throw new LoggableError(
          `Cannot publish to the channels of ${namespace} as the API must accept the request: it answers ${response.status}`,
        );
      }
      return refusalsOf(messages.length, (await response.json()) as Answer);
    },
  });
}

const channelOf = (namespace: string, { attributes: { pipeline, window } }: Message): string =>
  `/${namespace}/${segmentOf(pipeline)}/${segmentOf(window)}`;

/** A segment of a channel is of letters, digits and hyphens, and ends with none of these. */
const segmentOf = (name: string): string => name.replaceAll('_', '-').replace(/-+$/, '');

function refusalsOf(count: number, { successful = [], failed = [] }: Answer): readonly Refusal[] {
  const taken = new Set(successful.map(({ index }) => index));
  const codes = new Map(failed.map(({ index, code }) => [index, code]));
  return Array.from({ length: count }, (_, at) =>
    taken.has(at) ? undefined : String(codes.get(at) ?? 'no answer'),
  );
}
