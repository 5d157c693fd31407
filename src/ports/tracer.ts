/** The parts of an invocation that are traced. */
type SpanName = 'batch' | 'decode' | 'fold' | 'commit' | 'project';

/** What a span says of its work: names and counts, never a key or a part of a payload. */
export interface SpanAttributes {
  readonly pipeline?: string;
  /** The log of a key group, or of a projector. */
  readonly log?: string;
  readonly sink?: string;
  /** How many records there are. */
  readonly records?: number;
  /** How many records a fold took in. */
  readonly taken?: number;
  /** How many records Lambda must redeliver. */
  readonly again?: number;
  /** How many key groups a batch touches. */
  readonly groups?: number;
  readonly entries?: number;
  readonly panes?: number;
  /** How large the body of an entry is. */
  readonly bytes?: number;
  readonly outcome?: 'committed' | 'conflict';
}

/**
 * Traces what handlers do. Without one, nothing is made and nothing is called.
 *
 * Neither a tracer nor a span ever throws on its own account, and neither changes when a result is there.
 */
export interface Tracer {
  /** Does work within a span, and returns what the work returns, or throws what it throws. */
  span<Result>(name: SpanName, attributes: SpanAttributes, work: (span: Span) => Result): Result;
}

/** A span as its own work sees it, and the tracer of the spans within it. */
export interface Span extends Tracer {
  /** Adds what is known only once some of the work is done. */
  set(attributes: SpanAttributes): void;
  /** Says that the work failed, although it throws nothing. */
  fail(): void;
}
