import type { BatchAnswer } from '../../handlers.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Arrivals, Progress } from '../../ports/stores.ts';
import type { RunClock } from '../clock.ts';
import type { StreamMapping } from '../mapping/stream.ts';
import type { Clients, ResourceNames } from '../resources.ts';
import type { LocalServers } from '../servers/servers.ts';

/** What a source of a local run is opened with. */
export interface SourceSettings {
  readonly pipeline: Pipeline;
  readonly names: ResourceNames;
  /** The servers of the run, which are up by now, and clients of them, which the run closes itself. */
  readonly endpoints: LocalServers['endpoints'];
  readonly clients: Clients;
  /** How far the handlers have noted each lineage as committed. */
  readonly progress: Progress;
  /** The clock that handlers go by, and that arrival times must be told by: see `RunClock.at`. */
  readonly clock: RunClock;
  /**
   * The directory in which everything outlives the process, even a killed one; without it, everything is in
   * memory. It belongs to this run alone by now.
   */
  readonly dataDirectory: string | undefined;
  /** The address of a broker that runs already; without it, a source that has one starts its own. */
  readonly broker: string | undefined;
  /** The most records of one event; without it, each kind of source has its own default. */
  readonly batchSize: number | undefined;
  /** Settings of the event source mapping of a stream that differ from those that stacks deploy. */
  readonly mapping: Partial<Pick<StreamMapping, 'maxRetries' | 'maxAge'>> | undefined;
}

/**
 * Opens the source of a pipeline on this machine: starts its server unless that is up, creates the stream,
 * queue or topic unless it exists, and settles when records can be sent to it.
 *
 * @throws Error in one whole sentence when that cannot be done; whatever it has opened by then is closed
 */
export type OpenSource = (settings: SourceSettings) => Promise<LocalSource>;

/** The source of a pipeline on this machine, and the event source mapping that reads it. */
export interface LocalSource {
  readonly place: SourcePlace;
  /** The source as its events name it, where that is known before the first one: data of another is refused. */
  readonly arn?: string;
  /** Tells the sweeper what waits, as the kind of source does it in AWS. */
  readonly arrivals: Arrivals;
  /**
   * Opens the way for the records of an input. It is called once at most, by `replay`, and before or after
   * `consume`.
   */
  openFeed(): Promise<Feed>;
  /**
   * Sends one record, whatever a feed is doing, and settles once the source has it. A feed that is opened in
   * the same directory later must not find it among the records of its input.
   *
   * @param partitionKey as for `Feed.send`
   * @throws Error when the source does not take it
   */
  put(partitionKey: string, data: Uint8Array): Promise<void>;
  /**
   * Starts the event source mapping: it calls `handle` with Lambda's events for this kind of source, from the
   * oldest record on that it is not known to have handled, and does with each answer and with each error what
   * Lambda does. It goes on until it is stopped. It is called once.
   */
  consume(handle: Handle, options: { readonly onError: (error: unknown) => void }): Promise<Consumption>;
  /**
   * Closes what `open` has opened, and ends the server that it has started. It is called after `stop`, and
   * not when `open` fails.
   */
  close(): Promise<void>;
}

/** Handles one event of Lambda. An error of it fails the whole batch. */
export type Handle = (event: unknown) => Promise<BatchAnswer>;

interface Consumption {
  /** Lets the batches under way end, and starts no others. */
  stop(): Promise<void>;
}

/**
 * Sends the records of an input in order, each once, even across restarts, killed runs included: a feed goes
 * on where the feed of the run before it stopped, as far as the source can tell.
 *
 * `replay` asks `holds` for every record of the input in turn, and calls `send` for those that are not held.
 */
interface Feed {
  /**
   * Says whether the source already holds this record, the next one of the input, or did so before it was
   * handled.
   *
   * @throws Error when the source holds other records than those that the input begins with
   */
  holds(partitionKey: string, data: Uint8Array): boolean;
  /**
   * Sends a record, or keeps it for the next request of many records. The records of a partition key stay in
   * order.
   *
   * @param partitionKey the record's key, at most 256 characters; `none` for a record that has none
   * @returns whether the record was taken: false when it is too large for the source
   */
  send(partitionKey: string, data: Uint8Array): Promise<boolean>;
  /** Sends what is kept, and has the event source mapping look for it now. */
  flush(): Promise<void>;
  /**
   * Settles once the handler has answered for everything that the source held when the feed was opened, and
   * for everything that was sent since: nothing of it will be delivered again.
   *
   * It is called after `flush`, and may be called again.
   */
  handled(): Promise<void>;
  /** How many records the source held when the feed was opened, handled or not. */
  readonly held: number;
  /** How many of those the input has been found to begin with. */
  readonly resumed: number;
}

/** What a person is told of a source on this machine. */
export interface SourcePlace {
  /** The name of the service, for example `Kinesis`. */
  readonly service: string;
  /** What holds the records there, for example `stream flights`. */
  readonly resource: string;
  readonly endpoint: string;
  /** The bound that a record must keep, for example `1,048,576 with the key`. */
  readonly mostBytes: string;
  /** What other programs need in their environment to reach the source. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * Lists shell commands: one that sends the last record of the input again, if it is given, and some that
   * look at the source.
   */
  commands(last: { readonly partitionKey: string; readonly text: string } | undefined): readonly string[];
}
