import { join } from 'node:path';
import dynalite from 'dynalite';
import kinesalite from 'kinesalite';
import { startS3 } from './s3-server.ts';
import { runServer } from './server-lifecycle.ts';
import { lockDirectory } from './server-lock.ts';
import { useNativeSequences } from './server-sequences.ts';
import { type StreamInsert, tapInserts } from './stream-tap.ts';

export type { StreamInsert } from './stream-tap.ts';

/** Servers on 127.0.0.1 that speak the AWS protocols and accept any credentials. */
export interface LocalServers {
  readonly endpoints: { readonly kinesis: string; readonly dynamodb: string; readonly s3: string };
  /** Drops the clients, carries out what they have asked for, and frees the ports and the data directory. */
  close(): Promise<void>;
}

export interface LocalServersOptions {
  /** Where streams, tables and objects outlive the process, even a killed one; in memory without it. */
  dataDirectory?: string | undefined;
  /** Called for every item that PutItem writes. */
  onInsert?: (insert: StreamInsert) => void;
  /** Free ones where left out. */
  ports?: { kinesis?: number; dynamodb?: number; s3?: number };
}

const SHARD_LIMIT = 1000;

/**
 * Starts Kinesis, DynamoDB and S3 in this process.
 *
 * A new stream or table is ACTIVE a moment after its creation was answered. GetRecords always says that it is
 * 0 ms behind: only an empty answer tells that everything was read.
 *
 * @throws Error when the data directory cannot be written or is in use, or when a port is taken.
 */
export async function startServers(options: LocalServersOptions): Promise<LocalServers> {
  const { dataDirectory, onInsert, ports } = options;
  const within = (name: string) => dataDirectory && join(dataDirectory, name);
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closeOne of closing.splice(0).reverse()) await closeOne();
  };

  try {
    if (dataDirectory) closing.push(await lockDirectory(dataDirectory));

    useNativeSequences();
    const streams = kinesalite({
      path: within('kinesis'),
      createStreamMs: 0,
      deleteStreamMs: 0,
      updateStreamMs: 0,
      shardLimit: SHARD_LIMIT,
    });
    const kinesis = await runServer(streams, ports?.kinesis ?? 0);
    closing.push(kinesis.close);

    const tables = dynalite({
      path: within('dynamodb'),
      createTableMs: 0,
      deleteTableMs: 0,
      updateTableMs: 0,
    });
    if (onInsert) tapInserts(tables, onInsert);
    const dynamodb = await runServer(tables, ports?.dynamodb ?? 0);
    closing.push(dynamodb.close);

    const s3 = await startS3({ port: ports?.s3 ?? 0, journalPath: within('s3.journal') });
    closing.push(s3.close);

    return { endpoints: { kinesis: kinesis.endpoint, dynamodb: dynamodb.endpoint, s3: s3.endpoint }, close };
  } catch (error) {
    await close();
    throw error;
  }
}
