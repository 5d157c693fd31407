/** What a handler made of a batch: what it answered, or that it threw. */
export type HandlerOutcome = { readonly answer: unknown } | { readonly error: unknown };

/** What an event source mapping makes of an outcome. */
export type Verdict =
  | { readonly outcome: 'done' }
  | { readonly outcome: 'failed' }
  /** These records of the batch failed, by their places in it. There is one at least. */
  | { readonly outcome: 'partly'; readonly failed: ReadonlySet<number> };

const DONE: Verdict = { outcome: 'done' };
const FAILED: Verdict = { outcome: 'failed' };

/**
 * Reads the outcome of a batch as Lambda does.
 *
 * Without ReportBatchItemFailures an answer says nothing: the batch is done unless the handler threw. With it, no
 * answer, and an answer without a list or with an empty one, say that all is done. An identifier that is empty,
 * null or absent, or that no record of the batch has, says that the whole batch failed.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
 *
 * @param identifiers what each record of the batch is named by
 */
export function verdictOf(
  outcome: HandlerOutcome,
  identifiers: readonly unknown[],
  { reportsFailures }: { readonly reportsFailures: boolean },
): Verdict {
  if ('error' in outcome) return FAILED;
  if (!reportsFailures || outcome.answer === null || outcome.answer === undefined) return DONE;
  const failures: unknown = (outcome.answer as { batchItemFailures?: unknown }).batchItemFailures;
  if (failures === null || failures === undefined) return DONE;
  if (!Array.isArray(failures)) return FAILED;
  if (failures.length === 0) return DONE;
  const places = new Map(identifiers.map((identifier, at) => [nameOf(identifier), at]));
  const failed = new Set<number>();
  for (const failure of failures) {
    const at = places.get(nameOf((failure as { itemIdentifier?: unknown } | null)?.itemIdentifier));
    if (at === undefined) return FAILED;
    failed.add(at);
  }
  return { outcome: 'partly', failed };
}

/** Writes an identifier as a text, whatever the order of its members: Kafka's is an object. */
const nameOf = (identifier: unknown): string =>
  typeof identifier === 'object' && identifier !== null
    ? JSON.stringify(Object.entries(identifier).sort(([a], [b]) => (a < b ? -1 : 1)))
    : JSON.stringify(identifier ?? null);
