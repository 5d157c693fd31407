import {
  ExpiredIteratorException,
  GetRecordsCommand,
  type GetRecordsCommandOutput,
  GetShardIteratorCommand,
  InvalidArgumentException,
  type KinesisClient,
  type _Record as StreamRecord,
} from '@aws-sdk/client-kinesis';

/**
 * Yields the records of a shard, from its beginning or after a position, page by page, and an empty page wherever there are no
 * more for now. It ends at the end of a closed shard.
 */
export async function* readShard(
  client: KinesisClient,
  stream: string,
  shard: string,
  limit?: number,
  last?: string,
): AsyncGenerator<readonly StreamRecord[], void> {
  let iterator = await iteratorAfter(client, stream, shard, last);
  let isClosed = false;
  while (iterator !== undefined) {
    const page = await pageAt(client, iterator, limit);
    const records = page?.Records ?? [];
    last = records.at(-1)?.SequenceNumber ?? last;
    iterator = page?.NextShardIterator;
    if (page !== undefined) yield records;
    if (page !== undefined && (records.length > 0 || iterator === undefined)) continue;
    if (page !== undefined && isClosed) return;
    // The next iterator of the local server may step over a record that was put while it read an empty page. But it
    // alone tells the end of a shard that was closed long after its last record.
    const beyond = iterator === undefined ? undefined : await pageAt(client, iterator, 1);
    isClosed = beyond !== undefined && beyond.NextShardIterator === undefined;
    iterator = await iteratorAfter(client, stream, shard, last);
  }
}

/**
 * Reads one page. It is undefined where the iterator is too old, or from a time to which the machine's clock
 * has yet to come after it was put back.
 */
async function pageAt(
  client: KinesisClient,
  iterator: string,
  limit: number | undefined,
): Promise<GetRecordsCommandOutput | undefined> {
  try {
    return await client.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: limit }));
  } catch (error) {
    if (error instanceof ExpiredIteratorException || error instanceof InvalidArgumentException)
      return undefined;
    throw error;
  }
}

/** Returns an iterator after a position, or at the shard's beginning without one. */
async function iteratorAfter(
  client: KinesisClient,
  stream: string,
  shard: string,
  position: string | undefined,
): Promise<string | undefined> {
  const from = position
    ? ({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: position } as const)
    : ({ ShardIteratorType: 'TRIM_HORIZON' } as const);
  const request = new GetShardIteratorCommand({ StreamName: stream, ShardId: shard, ...from });
  return (await client.send(request)).ShardIterator;
}
