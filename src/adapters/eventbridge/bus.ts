import { type EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { Clock } from '../../ports/clock.ts';
import type { Message, Outlet } from '../../ports/outlet.ts';
import { batched } from '../aws/batched.ts';

/** The bounds of EventBridge on one PutEvents: 256 KiB are also the most of one event. */
const MAX_ENTRIES = 10;
const MAX_BYTES = 262_144;

/**
 * Puts events onto an EventBridge bus. An event's source is `millrace`, its detail type the window, its resources the
 * pane's id. Its detail is the message, which stands in a field `message` where it is not an object.
 *
 * @param bus the name of the bus, or its ARN
 */
export function eventBus(client: EventBridgeClient, bus: string, clock: Clock): Outlet {
  return batched(clock, {
    target: `event bus ${bus.slice(bus.lastIndexOf('/') + 1)}`,
    maxEntries: MAX_ENTRIES,
    maxBytes: MAX_BYTES,
    // A bus keeps no order.
    sharesKeys: true,
    async request(messages, abortSignal) {
      const Entries = messages.map((message) => ({
        EventBusName: bus,
        Source: 'millrace',
        DetailType: message.attributes.window,
        Resources: [message.id],
        Detail: detailOf(message),
      }));
      // A request that is taken in part succeeds, and says so entry by entry.
      const answer = await client.send(new PutEventsCommand({ Entries }), { abortSignal });
      return messages.map((_, at) => {
        const { EventId, ErrorCode = 'no answer' } = answer.Entries?.[at] ?? {};
        return EventId === undefined ? ErrorCode : undefined;
      });
    },
  });
}

const detailOf = ({ body }: Message): string => (body.startsWith('{') ? body : `{"message":${body}}`);
