import type { Server } from 'node:http';
import { onAnswer } from './server-lifecycle.ts';

/** A key attribute as the DynamoDB protocol writes it. */
type KeyAttribute = { readonly S: string } | { readonly N: string } | { readonly B: string };

/** An item that was put. */
export interface StreamInsert {
  readonly table: string;
  /** Its attributes named `pk` and `sk`. */
  readonly keys: Readonly<Record<string, KeyAttribute>>;
}

/**
 * Reports every PutItem that a DynamoDB server carries out, as a stand-in for DynamoDB Streams.
 *
 * An item that replaces another one is reported too; what a condition refuses, or another operation writes,
 * is not. The report comes after the write and before the client can read the answer, even if it has hung up.
 */
export function tapInserts(server: Server, onInsert: (insert: StreamInsert) => void): void {
  server.prependListener('request', (request, response) => {
    if (request.headers['x-amz-target'] !== 'DynamoDB_20120810.PutItem') return;
    const body: Buffer[] = [];
    request.on('data', (chunk: Buffer) => body.push(chunk));
    onAnswer(response, () => {
      if (response.statusCode !== 200) return;
      const { TableName, Item } = JSON.parse(Buffer.concat(body).toString());
      const keys = ['pk', 'sk'].filter((name) => name in Item).map((name) => [name, Item[name]]);
      onInsert({ table: TableName, keys: Object.fromEntries(keys) });
    });
  });
}
