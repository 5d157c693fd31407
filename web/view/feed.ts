import { type PolledPipeline, Poller } from '../model/poller.ts';
import type { LiveEvent, Snapshot } from '../model/wire.ts';

/** How a page is connected to what it shows. */
export type Connection = 'connecting' | 'live' | 'lost' | 'report';

/** Where the events of a page come from. */
export interface Feed {
  /** Begins to tell events, and how the feed is connected; it goes on by itself after it was lost. */
  open(listener: { event(event: LiveEvent): void; connection(connection: Connection): void }): void;
  /** Is told which series is shown, where a feed asks for that one alone. */
  readonly watch?: (window: number, key: string | undefined) => void;
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

/** How often a pipeline is asked for what is new, in milliseconds, while somebody sees the page. */
export const POLL_MILLIS = 2_000;

/** What a pipeline answers that runs elsewhere, by the query API of the server that the page came from. */
export function pollFeed(pipeline: PolledPipeline): Feed {
  const poller = new Poller(
    pipeline,
    async (path) => {
      const response = await fetch(path);
      return { status: response.status, body: await response.json().catch(() => undefined) };
    },
    Date.now,
  );
  let askNow = (): void => {};
  return {
    open(listener) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let [isAsking, isDue] = [false, false];
      const ask = async (): Promise<void> => {
        clearTimeout(timer);
        isDue = isAsking;
        if (isAsking) return;
        isAsking = true;
        try {
          if (!document.hidden) {
            listener.event(await poller.poll());
            listener.connection('live');
          }
        } catch {
          listener.connection('lost');
        }
        isAsking = false;
        timer = setTimeout(ask, isDue ? 0 : POLL_MILLIS);
      };
      askNow = () => void ask();
      document.addEventListener('visibilitychange', askNow);
      listener.connection('connecting');
      askNow();
    },
    watch(window, key) {
      if (poller.watch(window, key)) askNow();
    },
  };
}
