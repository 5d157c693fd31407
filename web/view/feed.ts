import type { LiveEvent, Snapshot } from '../model/wire.ts';

/** How a page is connected to what it shows. */
export type Connection = 'connecting' | 'live' | 'lost' | 'report';

/** Where the events of a page come from. */
export interface Feed {
  /** Begins to tell events, and how the feed is connected; it goes on by itself after it was lost. */
  open(listener: { event(event: LiveEvent): void; connection(connection: Connection): void }): void;
}

const RETRY_MILLIS = 1_000;

/** The events of a run that goes on, from the server that the page came from. */
export const sseFeed = (url: string): Feed => ({
  open(listener) {
    let lastId = '';
    const connect = (): void => {
      const source = new EventSource(lastId === '' ? url : `${url}?after=${encodeURIComponent(lastId)}`);
      source.onopen = () => listener.connection('live');
      source.onmessage = ({ data, lastEventId }) => {
        lastId = lastEventId;
        listener.event(JSON.parse(data));
      };
      source.onerror = () => {
        listener.connection('lost');
        // A browser gives up for good where it was answered otherwise than with events.
        if (source.readyState !== EventSource.CLOSED) return;
        setTimeout(connect, RETRY_MILLIS);
      };
    };
    listener.connection('connecting');
    connect();
  },
});

/** What a run has left, as its report has it. */
export const reportFeed = (snapshot: Snapshot): Feed => ({
  open(listener) {
    listener.event({ kind: 'snapshot', snapshot });
    listener.connection('report');
  },
});
