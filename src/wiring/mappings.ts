/** The most records that Lambda passes at once. Usually its limit of 6 MB of payload comes first. */
const MOST_RECORDS = 10_000;

/** A batch that fails is tried again until it succeeds, however old its records are. */
const TRIED_FOR_EVER = { maxRetries: Number.POSITIVE_INFINITY, maxAge: Number.POSITIVE_INFINITY } as const;

const STREAM = { batchSize: MOST_RECORDS, reportsFailures: true, bisects: true, ...TRIED_FOR_EVER } as const;

/**
 * A handler deals with a faulty message on its first receipt, so that only commits fail repeatedly, and this many
 * tries outlast an outage of ten hours.
 */
const MAX_RECEIVES = 100;

/** The most messages that Lambda passes at once where it does not gather them, as for FIFO queues. */
const UNGATHERED = 10;

/**
 * The settings of the event source mapping of each kind of source: stacks deploy them, and local runs stand in for
 * such mappings. `maxAge` is in milliseconds. A queue gathers for longer than it takes to receive a few messages only
 * where its `batchSize` exceeds `ungatheredBatchSize`; `concurrency` is how many of its batches are folded at once.
 * As these meet in the same key groups, large batches run a few at a time; batches of ten are worth running many at a
 * time.
 */
export const MAPPINGS = {
  kinesis: STREAM,
  dynamodb: STREAM,
  // The stream of the state table, which wakes the projector.
  state: { ...STREAM, batchSize: 1_000 },
  // Lambda does not cut batches of Kafka in half, and a failure destination would turn tries without end into ten.
  kafka: { ...STREAM, bisects: false },
  // A mapping of a broker of Amazon MQ cannot ask for reports.
  rabbitmq: { batchSize: MOST_RECORDS, reportsFailures: false },
  sqs: {
    batchSize: MOST_RECORDS,
    ungatheredBatchSize: UNGATHERED,
    concurrency: 2,
    maxReceives: MAX_RECEIVES,
    reportsFailures: true,
  },
  fifo: {
    batchSize: UNGATHERED,
    ungatheredBatchSize: UNGATHERED,
    concurrency: 10,
    maxReceives: MAX_RECEIVES,
    reportsFailures: true,
  },
} as const;
