import { Hono } from 'hono';
import { CodecError } from '../core/codec.ts';
import { after, type EpochMillis, isoTime, type Millis, millis } from '../core/time.ts';
import { OutdatedError } from '../engine/group/deployment.ts';
import { KeyReader, RowsBehindError } from '../engine/inspect/key-reader.ts';
import { enginePorts } from '../engine/log/spill.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { inTime } from '../ports/clock.ts';
import type { Ports } from '../ports/index.ts';
import type { RowReader } from '../ports/reading.ts';
import { type AnswerParts, keysByPrefix, latestPane, openWindows, panesByTime } from './answers.ts';
import { type Endpoint, type EndpointName, endpointsOf } from './endpoints.ts';
import { openApiOf } from './openapi.ts';
import { notNow, Problem, problemResponse } from './problem.ts';
import { type Question, questionOf } from './question.ts';

export interface QueryPorts extends Pick<Ports, 'log' | 'clock' | 'telemetry' | 'limits'> {
  readonly objects: Pick<Ports['objects'], 'read'>;
  readonly rows: Pick<RowReader, 'ofPartition'>;
}

export interface QueryOptions {
  /** Signs tokens of pages: whoever knows it can make one. */
  readonly secret: string;
  /** Whether whoever hosts it asks callers for a signature of AWS, which its description says. Default false. */
  readonly isSigned?: boolean;
  /** How many bytes of groups stay in memory from one question to the next. Default 96 MB. */
  readonly cacheBytes?: number;
}

const CACHE_BYTES = 96 * 1_048_576;

/** How long a question may take, and wait for a record. A function has a minute, and its caller less patience. */
export const MAX_ANSWER_TIME: Millis = millis('10s');

type Answer = (parts: AnswerParts, question: Question, deadline: EpochMillis) => Promise<object>;

const ANSWERS: { readonly [Name in EndpointName]: Answer } = {
  latest: latestPane,
  panes: panesByTime,
  open: openWindows,
  keys: keysByPrefix,
  async health({ pipeline, reader, clock }) {
    const asOf = isoTime(clock.now());
    await reader.generation();
    return { asOf, pipeline: pipeline.name, version: pipeline.version, status: 'ok' };
  },
  openapi: async ({ pipeline, isSigned }) => openApiOf(pipeline, isSigned),
};

/**
 * Makes the app that answers questions about a pipeline below `/api`. It only reads. Nothing that it logs
 * holds a key or a payload.
 */
export function queryApp(ports: QueryPorts, pipeline: Pipeline, options: QueryOptions): Hono {
  const { clock, telemetry } = ports;
  const { secret, isSigned = false, cacheBytes = CACHE_BYTES } = options;
  const engine = enginePorts({
    ...ports,
    objects: { read: ports.objects.read, create: () => Promise.reject(new Error('nothing is written')) },
  });
  const parts = { pipeline, reader: new KeyReader(engine, pipeline, cacheBytes), clock, secret, isSigned };
  const app = new Hono();
  const endpoints = endpointsOf(pipeline);
  for (const endpoint of endpoints) {
    app.on('GET', endpoint.path, async ({ req }) => {
      const deadline = after(clock.now(), MAX_ANSWER_TIME);
      const answer = async () => {
        const question = questionOf(pipeline, endpoint, new URL(req.url).search);
        return ANSWERS[endpoint.name](parts, question, deadline);
      };
      const body = await inTime(clock, deadline, answer(), () => {
        throw notNow('Cannot answer as the logs must be read in time: they were not');
      });
      return Response.json(body, { headers: { 'cache-control': 'no-store' } });
    });
    app.all(endpoint.path, () =>
      problemResponse(
        new Problem(405, 'Cannot answer as the method must be GET or HEAD: it is another', {
          allow: 'GET, HEAD',
        }),
      ),
    );
  }
  app.notFound(({ req }) =>
    req.path.startsWith('/api')
      ? problemResponse(
          new Problem(404, `Cannot answer as the path must be one of this API: ${pathsOf(endpoints)}`),
        )
      : new Response('Not found', { status: 404 }),
  );
  app.onError((cause) => problemResponse(problemOf(cause, telemetry)));
  return app;
}

const pathsOf = (endpoints: readonly Endpoint[]): string => endpoints.map(({ path }) => path).join(', ');

/** Returns what a caller is told of a failure. What is no fault of the caller is logged. */
function problemOf(cause: unknown, telemetry: Ports['telemetry']): Problem {
  if (cause instanceof Problem) return cause;
  telemetry.fault('answer a question', cause);
  if (cause instanceof RowsBehindError)
    return notNow(
      'Cannot tell the panes of the key as rows must follow commits closely: they are far behind',
    );
  if (cause instanceof OutdatedError || cause instanceof CodecError)
    return notNow(
      'Cannot answer as this API must be of the definition that is at work: another is; deploy it anew',
    );
  return new Problem(500, 'Cannot answer as something failed: the log of this API says what');
}
