/** The names that the infrastructure and the handlers must agree on. */

/** Environment variables of every handler. */
export const ENVIRONMENT = {
  pipeline: 'MILLRACE_PIPELINE',
  stream: 'MILLRACE_STREAM',
  stateTable: 'MILLRACE_STATE_TABLE',
  rowsTable: 'MILLRACE_ROWS_TABLE',
  bucket: 'MILLRACE_BUCKET',
} as const;

/** Both tables: a text partition key; the commit log sorts by a number, rows by text. */
export const STATE_KEY = { partition: 'pk', sort: 'sk', expiry: 'ttl' } as const;
export const ROWS_KEY = { partition: 'pk', sort: 'sk' } as const;

/** Where in the bucket panes, and refused records, go. */
export const PANES_PREFIX = 'panes/';
export const POISON_PREFIX = 'poison/';

/** Changed when a pipeline's state cannot carry over, as when it gets another number of key groups. */
export const GENERATION = 1;

/**
 * The logs of a pipeline: one per key group, one per projector, and one for its layout. Only those of key groups begin
 * with the name.
 */
export const groupLogPrefix = (pipeline: string): string => `${pipeline}/${GENERATION}/`;
export const groupLog = (pipeline: string, group: number): string => `${groupLogPrefix(pipeline)}${group}`;
export const layoutLog = (pipeline: string): string => `layout/${pipeline}/${GENERATION}`;
export const rowsLog = (pipeline: string): string => `rows/${pipeline}/${GENERATION}`;
export const objectsLog = (pipeline: string): string => `objects/${pipeline}/${GENERATION}`;
export const progressKey = (pipeline: string, lineage: string): string =>
  `progress/${pipeline}/${GENERATION}/${lineage}`;
