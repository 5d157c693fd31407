/**
 * Traces the functions of a pipeline with OpenTelemetry: see docs/tracing.md. It needs the package
 * `@opentelemetry/api`.
 *
 * @module
 */

import { trace } from '@opentelemetry/api';
import { openTelemetryTracer } from './adapters/opentelemetry/tracer.ts';
import type { Tracer } from './ports/tracer.ts';

/**
 * Makes what traces the functions of a pipeline. Spans go to the tracer provider that is registered when they
 * begin; without one, they go nowhere.
 *
 * @param api the `trace` of `@opentelemetry/api`, or anything else that gives tracers, such as a provider
 *
 * @example
 * ```ts compile-only
 * import { lambdaHandler } from 'millrace/lambda';
 * import { openTelemetry } from 'millrace/opentelemetry';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = lambdaHandler(temperature, { tracer: openTelemetry() });
 * ```
 */
export const openTelemetry = (api: Pick<typeof trace, 'getTracer'> = trace): Tracer =>
  openTelemetryTracer(api.getTracer('millrace'));
