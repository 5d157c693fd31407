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
 * The records of a shard from its beginning on, page by page, and an empty page wherever there are no more for now; ends with a
 * shard that is closed.
 */
export async function* readShard(
  client: KinesisClient,
  stream: string,
  shard: string,
  limit?: number,
): AsyncGenerator<readonly StreamRecord[], void> {
  let last: string | undefined;
  let iterator = await iteratorAfter(client, stream, shard, last);
  while (iterator !== undefined) {
    const page = await pageAt(client, iterator, limit);
    const records = page?.Records ?? [];
    last = records.at(-1)?.SequenceNumber ?? last;
    iterator = page?.NextShardIterator;
    if (page !== undefined) yield records;
    if (page === undefined || (records.length === 0 && iterator !== undefined)) {
      // The local server's iterator past an empty page may step over a record that was being put meanwhile.
      iterator = await iteratorAfter(client, stream, shard, last);
    }
  }
}

/** What an iterator finds; undefined where it is too old, or from a time that the clock of the machine was put back behind. */
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

/** Where reading goes on after a position, or begins. */
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
