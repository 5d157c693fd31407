import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';

const VIEWS = new URL('views.ndjson', import.meta.url);

/**
 * Sends the views to queue `views`, and waits until the broker has written them down. It knows nothing of who reads
 * them. A view without a number gets no `messageId`, and the last twenty are sent twice, as a producer does that has
 * not heard of its first try.
 *
 * @returns how many messages were sent
 */
export async function produce(broker: string): Promise<number> {
  const connection = await connect(broker);
  try {
    const channel = await connection.createConfirmChannel();
    const lines = readFileSync(VIEWS, 'utf8').trim().split('\n');
    const sent = [...lines, ...lines.slice(-20)];
    for (const line of sent) {
      const [, messageId] = /"view":"(\w+)"/.exec(line) ?? [];
      channel.sendToQueue('views', Buffer.from(line), {
        persistent: true,
        contentType: 'application/json',
        ...(messageId && { messageId }),
      });
    }
    await channel.waitForConfirms();
    return sent.length;
  } finally {
    await connection.close();
  }
}

const [, script, broker] = process.argv;
if (script === fileURLToPath(import.meta.url) && broker) {
  console.log(`${await produce(broker)} views sent`);
}
