/** DynamoDB rows: each closed window, and the latest pane per key and window. */
export interface TableSink {
  readonly kind: 'table';
}

/** S3 objects of newline-delimited JSON, gzipped: every pane, by the date and hour of its window's end. */
export interface BucketSink {
  readonly kind: 'bucket';
}

export type Sink = TableSink | BucketSink;

export const table = (): TableSink => ({ kind: 'table' });
export const bucket = (): BucketSink => ({ kind: 'bucket' });
