import type { EpochMillis } from '../core/time.ts';

/** A message about a pane, as an outlet sends it. */
export interface Message {
  /** The id of the pane, by which whoever receives the message twice knows it. */
  readonly id: string;
  /** The key of the pane: messages of one key keep their order. */
  readonly key: string;
  /** JSON. */
  readonly body: string;
  /** What receivers may filter by without reading the body. */
  readonly attributes: {
    readonly pipeline: string;
    readonly window: string;
    readonly kind: string;
    readonly revision: string;
  };
}

/** Where the messages of a sink go: a topic, a bus, a stream, a queue, a channel. */
export interface Outlet {
  /** The most bytes that one message may have: see `messageBytes`. */
  readonly maxBytes: number;
  /**
   * Sends messages, those of a key in their order. It begins nothing at or after the deadline.
   *
   * @returns the messages that were not accepted: of each key all from the first refused one on, so that a
   * caller may send them again in order
   * @throws Error where nobody could be asked; any of the messages may then have been accepted
   */
  send(messages: readonly Message[], deadline: EpochMillis): Promise<readonly Message[]>;
}

/** Returns the size of a message in bytes of UTF-8: its body, its id, its key, and its attributes with their names. */
export const messageBytes = ({ id, key, body, attributes }: Message): number =>
  [body, id, key, ...Object.entries(attributes).flat()].reduce(
    (total, text) => total + Buffer.byteLength(text),
    0,
  );
