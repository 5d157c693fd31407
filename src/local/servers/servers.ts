import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { MessageChannel, Worker } from 'node:worker_threads';
import { openTogether } from '../closing.ts';
import { type Ask, answeringOf, askAt } from './direct.ts';
import { speakHttp2 } from './http2.ts';
import { checkPort, runServer } from './lifecycle.ts';
import { queuesPathIn } from './queues.ts';

/** Servers on 127.0.0.1 that speak the AWS protocols and accept any credentials. */
export interface LocalServers {
  readonly endpoints: { readonly kinesis: string; readonly dynamodb: string; readonly s3: string };
  /** Sends a request to the server that listens at the endpoint of a service. */
  readonly ask: Ask;
  /**
   * Drops the clients, carries out the requests that they have sent, and frees the ports and the data
   * directory.
   */
  close(): Promise<void>;
}

export interface LocalServersOptions {
  /**
   * The directory in which streams, tables and objects outlive the process, even a killed one. Without it,
   * they are in memory.
   */
  dataDirectory?: string | undefined;
  /** The ports to listen on. A server without one takes a free port. */
  ports?: { kinesis?: number; dynamodb?: number; s3?: number };
}

const SHARD_LIMIT = 1000;

/**
 * Starts Kinesis, DynamoDB and S3 in this process.
 *
 * A new stream or table becomes ACTIVE a moment after its creation is answered. GetRecords always says that
 * it is 0 ms behind: only an empty answer shows that everything was read.
 *
 * @throws Error when the data directory cannot be written or is in use, or when a port is taken.
 */
export async function startServers({ dataDirectory, ports }: LocalServersOptions): Promise<LocalServers> {
  // Loading what the servers are made of takes half a second: a thread that has none of them need not do it.
  const [
    { default: kinesalite },
    { default: dynalite },
    { useParsedConditions },
    { lockDirectory },
    { keepRecords },
    { startS3 },
    { useNativeSequences },
    { keepTablesAsText },
    { takeWellTypedItems },
  ] = await Promise.all([
    import('kinesalite'),
    import('dynalite'),
    import('./conditions.ts'),
    import('./lock.ts'),
    import('./retention.ts'),
    import('./s3-server.ts'),
    import('./sequences.ts'),
    import('./tables.ts'),
    import('./types.ts'),
  ]);
  const within = (name: string) => dataDirectory && join(dataDirectory, name);
  return openTogether(async (onClose) => {
    for (const port of Object.values(ports ?? {})) await checkPort(port);
    if (dataDirectory) onClose(await lockDirectory(dataDirectory));

    useNativeSequences();
    keepRecords();
    const streams = kinesalite({
      path: within('kinesis'),
      createStreamMs: 0,
      deleteStreamMs: 0,
      updateStreamMs: 0,
      shardLimit: SHARD_LIMIT,
    });
    speakHttp2(streams);
    const kinesis = await runServer(streams, ports?.kinesis ?? 0);
    onClose(kinesis.close);

    useParsedConditions();
    keepTablesAsText();
    takeWellTypedItems();
    const tables = dynalite({
      path: within('dynamodb'),
      createTableMs: 0,
      deleteTableMs: 0,
      updateTableMs: 0,
    });
    const dynamodb = await runServer(tables, ports?.dynamodb ?? 0);
    onClose(dynamodb.close);

    const s3 = await startS3({
      port: ports?.s3 ?? 0,
      journalPath: within('s3.journal'),
      queuesPath: dataDirectory && queuesPathIn(dataDirectory),
    });
    onClose(s3.close);

    const answers = { kinesis: answeringOf(streams), dynamodb: answeringOf(tables), s3: s3.answer };
    return {
      endpoints: { kinesis: kinesis.endpoint, dynamodb: dynamodb.endpoint, s3: s3.endpoint },
      async ask(service, asked) {
        // In a later turn of the event loop, as whoever asks again and again would else keep its timers waiting.
        await turn();
        return answers[service](asked);
      },
    };
  });
}

/** Starts the servers in a thread of their own, so that they and their clients take a processor each. */
export async function startServersBeside(options: LocalServersOptions): Promise<LocalServers> {
  const { port1, port2 } = new MessageChannel();
  const thread = new Worker(new URL('./thread.mjs', import.meta.url), {
    workerData: { options, port: port2, isSource: import.meta.url.endsWith('.ts') },
    transferList: [port2],
  });
  let isRunning = true;
  const ended = new Promise<never>((_, reject) => {
    thread.once('exit', (code) => {
      isRunning = false;
      reject(
        new Error(
          `Cannot start the servers as their thread must say where they listen: it ended, with exit code ${code}`,
        ),
      );
    });
  });
  const [{ endpoints, error }] = await Promise.race([once(thread, 'message'), ended]);
  if (error) throw error;
  // Whoever does not come to close the servers does not wait for them either.
  thread.unref();
  return {
    endpoints,
    ask: askAt(port1),
    async close() {
      if (!isRunning) return;
      thread.ref();
      thread.postMessage('close');
      await once(thread, 'exit');
    },
  };
}
