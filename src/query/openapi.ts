import { MAX_KEY_BYTES } from '../engine/group/key-group.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import {
  DEFAULT_LIMIT,
  type Endpoint,
  type EndpointName,
  endpointsOf,
  hasRows,
  isListed,
  MAX_LIMIT,
  type Parameter,
} from './endpoints.ts';
import { MAX_TOKEN_LENGTH } from './page-token.ts';
import { type ProblemStatus, TITLES } from './problem.ts';

type Schema = { readonly [name: string]: unknown };

const TIME: Schema = { type: 'string', format: 'date-time' };
const object = (
  properties: { readonly [name: string]: Schema },
  optional: readonly string[] = [],
): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
});

/**
 * Describes the API of a pipeline in OpenAPI 3.1, with its own windows and results.
 *
 * @param isSigned whether callers must sign what they ask
 */
export function openApiOf(pipeline: Pipeline, isSigned: boolean) {
  const endpoints = endpointsOf(pipeline);
  const problems = [...new Set(endpoints.flatMap(({ problems }) => [400, 405, 500, ...problems] as const))];
  return {
    openapi: '3.1.0',
    info: {
      title: `Windows of ${pipeline.name}`,
      version: String(pipeline.version),
      description: 'Panes, open windows and keys of a Millrace pipeline.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: isSigned ? [{ iam: [] }] : [],
    paths: Object.fromEntries(
      endpoints.map((endpoint) => [endpoint.path, { get: operationOf(pipeline, endpoint) }]),
    ),
    components: {
      ...(isSigned && { securitySchemes: SIGNED }),
      responses: Object.fromEntries(
        problems.map((status) => [
          `problem${status}`,
          {
            description: TITLES[status],
            content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
          },
        ]),
      ),
      schemas: schemasOf(pipeline),
    },
  };
}

const SIGNED = {
  iam: {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    description: 'A signature of AWS, version 4, for the service lambda.',
  },
} as const;

const problem = (status: ProblemStatus) =>
  [String(status), { $ref: `#/components/responses/problem${status}` }] as const;

const operationOf = (pipeline: Pipeline, endpoint: Endpoint) => ({
  operationId: endpoint.name,
  summary: endpoint.summary,
  description: endpoint.description,
  parameters: endpoint.parameters.map((parameter) => ({
    name: parameter.name,
    in: 'query',
    required: parameter.required === true,
    description: parameter.description,
    schema: parameterSchema(pipeline, parameter),
  })),
  responses: Object.fromEntries([
    [
      '200',
      {
        description: endpoint.summary,
        content: { 'application/json': { schema: answerSchema(endpoint.name) } },
      },
    ],
    ...([400, ...endpoint.problems, 405, 500] as const).map(problem),
  ]),
});

function parameterSchema({ rules }: Pipeline, { kind }: Parameter): Schema {
  switch (kind) {
    case 'key':
      return { type: 'string', minLength: 1, maxLength: MAX_KEY_BYTES };
    case 'prefix':
      return { type: 'string', maxLength: MAX_KEY_BYTES };
    case 'window':
      return { type: 'string', enum: rules.windows.map(({ name }) => name) };
    case 'listed':
      return { type: 'string', enum: rules.windows.filter(isListed).map(({ name }) => name) };
    case 'time':
      return TIME;
    case 'order':
      return { type: 'string', enum: ['asc', 'desc'], default: 'asc' };
    case 'limit':
      return { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT };
    case 'page':
      return { type: 'string', maxLength: MAX_TOKEN_LENGTH };
    case 'atLeast':
      return {
        type: 'string',
        pattern: '^(\\d{1,15}-\\d{1,6}-\\d{1,4}-\\d{1,15}|.{1,1024}@(0|[1-9]\\d{0,99}))$',
      };
  }
}

const AS_OF: Schema = { ...TIME, description: 'Everything that was committed before then is in the answer.' };
const HEAD = {
  asOf: AS_OF,
  token: { type: 'string', description: 'The commit that the answer is of, for atLeast.' },
  watermark: {
    type: ['string', 'null'],
    format: 'date-time',
    description: 'How far event time has come for the key; null for a key without a state.',
  },
};
const list = (of: string): Schema => ({ type: 'array', items: { $ref: `#/components/schemas/${of}` } });
const NEXT: Schema = { type: 'string', description: 'The page that follows; absent on the last page.' };

function answerSchema(name: EndpointName): Schema {
  switch (name) {
    case 'latest':
      return object({ ...HEAD, pane: { $ref: '#/components/schemas/Pane' } });
    case 'panes':
      return object({ ...HEAD, panes: list('Pane'), next: NEXT }, ['next']);
    case 'open':
      return object({
        ...HEAD,
        windows: list('OpenWindow'),
        more: { type: 'boolean', description: 'Whether more windows are open than are shown.' },
      });
    case 'keys':
      return object({ asOf: AS_OF, keys: list('Key'), next: NEXT }, ['next']);
    case 'health':
      return object({
        asOf: AS_OF,
        pipeline: { type: 'string' },
        version: { type: 'integer' },
        status: { const: 'ok' },
      });
    case 'openapi':
      return { type: 'object' };
  }
}

function schemasOf(pipeline: Pipeline): Schema {
  const { rules } = pipeline;
  const windows = rules.windows.map(({ name, operator: { lanes } }) => [name, lanes.results] as const);
  const emission = (window: string, results: (typeof windows)[number][1]) => ({
    window: { const: window },
    start: TIME,
    end: TIME,
    revision: { type: 'integer', minimum: 0 },
    settled: { type: 'boolean', description: 'Whether no other revision can follow.' },
    index: { type: 'integer', minimum: 0 },
    results: {
      type: ['object', 'null'],
      properties: Object.fromEntries(
        // A row holds numbers beyond 1e126 as text.
        results.map(([result, kind]) => [
          result,
          kind === 'number' ? { type: ['number', 'string', 'null'] } : {},
        ]),
      ),
    },
    count: { type: 'integer', minimum: 0 },
  });
  const ofEach = (more: { readonly [name: string]: Schema }): Schema => ({
    oneOf: windows.map(([name, results]) => object({ ...emission(name, results), ...more }, ['index'])),
  });
  const Pane = ofEach({
    id: { type: 'string', description: 'The same wherever the pane is delivered.' },
    pipeline: { type: 'string' },
    key: { type: 'string' },
    kind: { enum: ['final', 'late', 'early', 'empty', 'retracted', 'rolling', 'running'] },
    watermark: TIME,
  });
  return {
    ...(hasRows(pipeline) && { Pane }),
    OpenWindow: ofEach({}),
    Key: object({ key: { type: 'string' }, watermark: TIME }),
    Problem: object({
      type: { type: 'string' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: {
        type: 'string',
        description: 'What cannot be done, the rule and the state, in one sentence.',
      },
    }),
  };
}
