import { type KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { Hono } from 'hono';
import type { Command } from './pipeline.ts';

/**
 * The write side: `POST /commands` puts a command onto the stream, and knows nothing of what is read. It answers with
 * where the command is, for a question that must know of it.
 */
export function commandSide(kinesis: KinesisClient, stream: string): Hono {
  return new Hono().post('/commands', async ({ req }) => {
    const command: Command = await req.json();
    if (!Number.isSafeInteger(command.cents) || command.cents === 0)
      return Response.json(
        { said: 'Cannot move money as cents must be a whole number, not 0' },
        { status: 422 },
      );
    const { ShardId, SequenceNumber } = await kinesis.send(
      new PutRecordCommand({
        StreamName: stream,
        PartitionKey: command.account,
        Data: Buffer.from(JSON.stringify(command)),
      }),
    );
    return Response.json({ atLeast: `${stream}/${ShardId}@${SequenceNumber}` }, { status: 202 });
  });
}
