import { buildApp } from 'fauxqs';
import { type Answer, answeringOf } from './direct.ts';
import { openChannels, takeEvents } from './events.ts';
import { type Journal, type JournalEntry, openJournal } from './journal.ts';
import { type RunningServer, withoutTimeOuts } from './lifecycle.ts';
import { openQueues } from './queues.ts';

/** A request that changed an S3 object or bucket. */
interface StoredRequest extends JournalEntry {
  readonly method: 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The headers that a replayed request needs besides its body. Credentials are left out. */
const REPLAYED_HEADER = /^(content-type|content-encoding|x-amz-(meta-.+|copy-source|metadata-directive))$/;

/**
 * Starts S3, and beside it SQS, SNS, EventBridge and AppSync Events, on the loopback address and in memory; port 0
 * takes a free one. Topics, buses and channels keep nothing: they pass on what comes.
 *
 * The server honours `If-None-Match: *`. With a journal, buckets and objects are back after a restart, with
 * new LastModified times; see `openQueues` for queues. Multipart uploads and DeleteObjects are refused with 501, as both
 * the check and the journal would miss them. An object has at most 11 MiB.
 *
 * The server checks, carries out, journals and answers a request in one turn of the event loop, so no two
 * requests can race.
 */
export async function startS3(options: {
  port: number;
  journalPath?: string | undefined;
  queuesPath?: string | undefined;
}): Promise<RunningServer & { readonly answer: Answer }> {
  const queues = await openQueues(options.queuesPath);
  const app = buildApp({ logger: false, stores: queues.stores });
  withoutTimeOuts(app.server);
  takeEvents(app, queues.send);
  const closeChannels = openChannels(app);
  const present = new Set<string>();
  let journal: Journal<StoredRequest> | undefined;

  app.addHook('preHandler', ({ method, params, headers }, reply, done) => {
    const { bucket, path } = target(params);
    const refuse = (status: number, code: string, message: string) =>
      reply
        .code(status)
        .type('application/xml')
        .send(`<Error><Code>${code}</Code><Message>${message}</Message></Error>`);

    if (method === 'POST' && bucket !== undefined) {
      refuse(501, 'NotImplemented', 'Multipart uploads and DeleteObjects do not run locally');
    } else if (method === 'PUT' && headers['if-none-match'] === '*' && present.has(path)) {
      refuse(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
    } else done();
  });

  app.addHook('onSend', ({ method, url, params, headers, body }, reply, payload, done) => {
    if (reply.statusCode < 300 && (method === 'PUT' || method === 'DELETE')) {
      const { path } = target(params);
      if (method === 'PUT') present.add(path);
      else present.delete(path);
      journal?.append({
        method,
        url,
        headers: replayed(headers),
        body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
      });
    }
    done(null, payload);
  });

  if (options.journalPath !== undefined) {
    journal = await openJournal<StoredRequest>(options.journalPath, ({ body, ...request }) =>
      app.inject({ ...request, payload: body }),
    );
  }
  return {
    endpoint: await app.listen({ host: '127.0.0.1', port: options.port }),
    answer: answeringOf(app.server),
    async close() {
      closeChannels();
      await app.close();
      journal?.close();
      queues.close();
    },
  };
}

function target(params: unknown): { bucket: string | undefined; path: string } {
  const { bucket, '*': key } = params as { bucket?: string; '*'?: string };
  return { bucket, path: `${bucket}/${key}` };
}

function replayed(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => REPLAYED_HEADER.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}
