import type { Pipeline } from '../pipeline/pipeline.ts';

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1_000;

/** What a parameter of a question must be. */
type ParameterKind = 'key' | 'prefix' | 'window' | 'listed' | 'time' | 'order' | 'limit' | 'page' | 'atLeast';

/** A parameter in the query of a URL. */
export interface Parameter {
  readonly name: string;
  readonly kind: ParameterKind;
  readonly required?: true;
  readonly description: string;
}

export type EndpointName = 'latest' | 'panes' | 'open' | 'keys' | 'health' | 'openapi';

/** A question that the API answers. The app and its description are both made of these. */
export interface Endpoint {
  readonly name: EndpointName;
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  /** The statuses of answers that are no result, besides 400 and 500. */
  readonly problems: readonly (404 | 409 | 503)[];
}

const KEY: Parameter = {
  name: 'key',
  kind: 'key',
  required: true,
  description: 'The key of the records. It is percent-encoded: a "+" is written %2B.',
};
const ANY_WINDOW: Parameter = {
  name: 'window',
  kind: 'window',
  description: 'The name of the window in the definition.',
};
const WINDOW: Parameter = { ...ANY_WINDOW, required: true };
const LISTED_WINDOW: Parameter = {
  name: 'window',
  kind: 'listed',
  required: true,
  description:
    'The name of a window whose panes are rows of their own: a window of time, sessions or batches.',
};
const LIMIT: Parameter = {
  name: 'limit',
  kind: 'limit',
  description: 'How many are returned at most. An answer of several megabytes ends earlier.',
};
const PAGE: Parameter = {
  name: 'page',
  kind: 'page',
  description: 'The "next" of the answer before, to the same question.',
};
const AT_LEAST: Parameter = {
  name: 'atLeast',
  kind: 'atLeast',
  description:
    'The "token" of an earlier answer about this key; or a record, as its lineage, "@" and its position. The answer is not earlier than that.',
};

const PANES_OF_ROWS: readonly Endpoint[] = [
  {
    name: 'latest',
    path: '/api/latest',
    summary: 'The latest pane of a key and window',
    description:
      'The last pane by the order of the source for rolling, batches and running; for other windows the pane that ends last.',
    parameters: [KEY, WINDOW, AT_LEAST],
    problems: [404, 409, 503],
  },
  {
    name: 'panes',
    path: '/api/panes',
    summary: 'The panes of a key and window by time, in pages',
    description:
      'The last revision of each window that has emitted. Windows of time are listed by the start with which they were first emitted, batches by the text of their ordinal. Of batches that are asked for by time a page may be empty and still have a next one.',
    parameters: [
      KEY,
      LISTED_WINDOW,
      {
        name: 'from',
        kind: 'time',
        description: 'Only windows that start then or later: an ISO 8601 date-time with a zone.',
      },
      {
        name: 'to',
        kind: 'time',
        description: 'Only windows that start before then: an ISO 8601 date-time with a zone.',
      },
      {
        name: 'order',
        kind: 'order',
        description: 'Whether the latest windows come last (asc, the default) or first (desc).',
      },
      LIMIT,
      PAGE,
      AT_LEAST,
    ],
    problems: [409, 503],
  },
];

const OF_STATE: readonly Endpoint[] = [
  {
    name: 'open',
    path: '/api/open',
    summary: 'The open windows of a key with their results so far',
    description:
      'As committed. A rolling window is shown as the next record will find it, and running shows every record so far.',
    parameters: [KEY, ANY_WINDOW, LIMIT, AT_LEAST],
    problems: [409, 503],
  },
  {
    name: 'keys',
    path: '/api/keys',
    summary: 'The keys that have a state, in pages',
    description:
      'Group by group, and within a group by their text. A page may be empty and still have a next one. Keys that were forgotten are not listed.',
    parameters: [
      { name: 'prefix', kind: 'prefix', description: 'Only keys that begin with this text.' },
      LIMIT,
      PAGE,
    ],
    problems: [409, 503],
  },
  {
    name: 'health',
    path: '/api/health',
    summary: 'Whether the logs can be read',
    description: 'Reads the log of the definition, once a minute.',
    parameters: [],
    problems: [503],
  },
  {
    name: 'openapi',
    path: '/api/openapi.json',
    summary: 'This description',
    description: 'The description of this API, with the windows and results of its pipeline.',
    parameters: [],
    problems: [],
  },
];

const ROWS: Pipeline['sinks'][number]['kind'] = 'table';

/** Says whether a pipeline writes rows, which alone hold panes that can be looked up. */
export const hasRows = ({ sinks }: Pick<Pipeline, 'sinks'>): boolean =>
  sinks.some(({ kind }) => kind === ROWS);

type Window = Pipeline['rules']['windows'][number];

/** Says whether a window's panes are rows of their own, and not the latest alone. */
export const isListed = ({ operator: { identity, signature } }: Window): boolean =>
  identity === 'start' || signature.startsWith('batches(');

/** Returns the questions that can be answered of a pipeline. */
export const endpointsOf = (pipeline: Pick<Pipeline, 'sinks'>): readonly Endpoint[] =>
  hasRows(pipeline) ? [...PANES_OF_ROWS, ...OF_STATE] : OF_STATE;
