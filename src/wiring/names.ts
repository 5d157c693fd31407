/** The names that the infrastructure and the handlers must agree on. */

/**
 * The environment variables of every handler. Each handler has one of those that name a source, and all
 * others.
 */
export const ENVIRONMENT = {
  pipeline: 'MILLRACE_PIPELINE',
  stream: 'MILLRACE_STREAM',
  queueUrl: 'MILLRACE_QUEUE_URL',
  /** The ARN of the stream of the table whose changes are read. */
  tableStream: 'MILLRACE_TABLE_STREAM',
  /** The function that reads the topic. */
  topicReader: 'MILLRACE_TOPIC_READER',
  /** The broker's name, by which CloudWatch knows it. */
  brokerName: 'MILLRACE_BROKER_NAME',
  stateTable: 'MILLRACE_STATE_TABLE',
  rowsTable: 'MILLRACE_ROWS_TABLE',
  bucket: 'MILLRACE_BUCKET',
  /** Signs the tokens of pages. Only the function that answers questions has it. */
  pageSecret: 'MILLRACE_PAGE_SECRET',
  /** The state table and the bucket of the pipeline whose panes are read. */
  upstreamTable: 'MILLRACE_UPSTREAM_TABLE',
  upstreamBucket: 'MILLRACE_UPSTREAM_BUCKET',
} as const;

/** The environment variable that says where a sink sends its messages, and the one of the namespace of its channels. */
export const sinkVariable = (sink: string): string => `MILLRACE_SINK_${variableOf(sink)}`;
export const namespaceVariable = (sink: string): string => `MILLRACE_NAMESPACE_${variableOf(sink)}`;

const variableOf = (sink: string): string => sink.toUpperCase().replaceAll('-', '_');

/**
 * The keys of both tables. Each has a text partition key; the commit log sorts by a number, rows sort by
 * text.
 */
export const STATE_KEY = { partition: 'pk', sort: 'sk', expiry: 'ttl' } as const;
export const ROWS_KEY = { partition: 'pk', sort: 'sk' } as const;

/** The namespace of a pipeline's metrics in CloudWatch. Each has the dimension `pipeline`. */
export const METRICS_NAMESPACE = 'Millrace';

/** The folders of the bucket for panes, for refused records, for late ones, and for what was redriven. */
export const PANES_PREFIX = 'panes/';
export const POISON_PREFIX = 'poison/';
export const LATE_PREFIX = 'late/';
export const REDRIVE_PREFIX = 'redrive/';

/** The folder to which objects are moved whose panes were taken back with the logs. */
export const SUPERSEDED_PREFIX = 'superseded/';

/** The folder for bodies of entries that are too large for a log. */
export const STATE_PREFIX = 'state/';

/**
 * The names of a pipeline's logs: one per key group of each generation, one per projector, and one for the
 * definition. Only those of key groups begin with the name of the pipeline.
 */
export const groupLogPrefix = (pipeline: string): string => `${pipeline}/`;
export const groupLog = (pipeline: string, generation: number, group: number): string =>
  `${groupLogPrefix(pipeline)}${generation}/${group}`;
export const definitionLog = (pipeline: string): string => `definition/${pipeline}`;
export const rowsLog = (pipeline: string): string => `rows/${pipeline}`;
/** The log in which a pipeline that reads another's panes notes how far it has read. */
export const readsLog = (pipeline: string): string => `reads/${pipeline}`;
/** The log in which a sink that sends messages notes how far it has come. */
export const messagesLog = (pipeline: string, sink: string): string => `messages/${pipeline}/${sink}`;
export const objectsLog = (pipeline: string): string => `objects/${pipeline}`;
export const progressKey = (pipeline: string, lineage: string): string => `progress/${pipeline}/${lineage}`;
export const backfillLog = (
  pipeline: string,
  name: string,
  what: 'rows' | 'objects' | `messages/${string}`,
): string => `backfill/${pipeline}/${name}/${what}`;

/**
 * The name of the object of the records that one commit refused, or found late. It says which entry of which
 * log commits them.
 *
 * @param log the log of a key group
 */
export function keptObject(
  prefix: string,
  log: string,
  day: string,
  ordinal: number,
  digest: string,
): string {
  const [pipeline, generation, group] = log.split('/');
  return `${ofPipeline(prefix, pipeline as string)}date=${day}/${generation}-${group}-${ordinal}-${digest}.ndjson`;
}

/** The place of the entry that commits the records of an object; undefined where its name does not say it. */
export function keptPlace(
  object: string,
): { readonly generation: number; readonly group: number; readonly ordinal: number } | undefined {
  const [, generation, group, ordinal] = /\/(\d+)-(\d+)-(\d+)-[0-9a-f]+\.ndjson$/.exec(object) ?? [];
  if (ordinal === undefined) return undefined;
  return { generation: Number(generation), group: Number(group), ordinal: Number(ordinal) };
}

/** The folder of a pipeline's objects below a prefix. */
export const ofPipeline = (prefix: string, pipeline: string): string => `${prefix}pipeline=${pipeline}/`;

/**
 * The object that lists the records of a redrive, and the object that says that all of them are taken in.
 *
 * @param number from 1, without a gap
 */
export const redriveObject = (pipeline: string, number: number): string =>
  `${ofPipeline(REDRIVE_PREFIX, pipeline)}${String(number).padStart(NUMBER_DIGITS, '0')}.ndjson`;
export const redriveDone = (pipeline: string, number: number): string =>
  redriveObject(pipeline, number).replace(/ndjson$/, 'done');

/** Padded to this many digits, numbers of objects list in their order. */
const NUMBER_DIGITS = 9;
