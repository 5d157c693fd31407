import {
  type Attributes,
  type Context,
  context,
  INVALID_SPAN_CONTEXT,
  type Span as OpenSpan,
  type Tracer as OpenTracer,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { LOGGABLE } from '../../core/loggable.ts';
import type { Span, SpanAttributes, Tracer } from '../../ports/tracer.ts';

/**
 * Makes spans with OpenTelemetry. The first of them are within whatever span is active, such as that of the
 * invocation, and what other instrumentation makes meanwhile, such as requests of the AWS SDK, is within them.
 */
export const openTelemetryTracer = (tracer: OpenTracer): Tracer => ({
  span: (name, attributes, work) => within(tracer, context.active(), name, attributes, work),
});

function within<Result>(
  tracer: OpenTracer,
  parent: Context,
  name: string,
  attributes: SpanAttributes,
  work: (span: Span) => Result,
): Result {
  const open = begun(() => tracer.startSpan(name, { attributes: named(attributes) }, parent));
  const inside = trace.setSpan(parent, open);
  let failed = false;
  const span: Span = {
    span: (name, attributes, work) => within(tracer, inside, name, attributes, work),
    set: (attributes) => quietly(() => open.setAttributes(named(attributes))),
    fail() {
      failed = true;
    },
  };
  const end = (): void =>
    quietly(() => {
      if (failed) open.setStatus({ code: SpanStatusCode.ERROR });
      open.end();
    });
  const endOf = (cause: unknown): void =>
    quietly(() => {
      tell(open, cause);
      open.end();
    });
  let result: Result;
  try {
    result = context.with(inside, work, undefined, span);
  } catch (cause) {
    endOf(cause);
    throw cause;
  }
  // The caller waits for the very promise that the work returned, so nothing comes later because of the span.
  if (result instanceof Promise) result.then(end, endOf);
  else end();
  return result;
}

/** Returns a span; where its provider throws, one that goes nowhere. */
function begun(begin: () => OpenSpan): OpenSpan {
  try {
    return begin();
  } catch {
    return trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
  }
}

/** What a provider or an exporter throws is no fault of the work. */
function quietly(act: () => void): void {
  try {
    act();
  } catch {}
}

/** Says of an error what may be logged: the name of its class, and its message only if that is ours. */
function tell(span: OpenSpan, cause: unknown): void {
  const isError = cause instanceof Error;
  const type = isError && NAME.test(cause.name) ? cause.name : typeof cause;
  span.setAttribute('error.type', type);
  const message = isError && LOGGABLE.has(cause) ? cause.message : undefined;
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) });
}

const NAME = /^[A-Za-z_]\w{0,99}$/;

const named = (attributes: SpanAttributes): Attributes =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`millrace.${name}`, value]));
