import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServers } from '../../src/local/servers/servers.ts';
import { connectQueues, createDeadLetterQueue } from '../../src/local/sources/sqs.ts';
import { millrace } from './command.ts';

const NOON = Date.UTC(2026, 0, 5, 12);
const INDEX = new URL('../../src/index.ts', import.meta.url).href;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Has the server of a directory give up messages of the pipeline's queue, as it does whatever no handler takes in. */
async function giveUp(data: string, fifo: boolean, bodies: readonly string[]): Promise<void> {
  const servers = await startServers({ dataDirectory: data });
  const client = connectQueues(servers.endpoints.s3);
  try {
    const deadLetterUrl = await createDeadLetterQueue(client, { stream: 'meters' }, fifo);
    const { Attributes: { QueueArn: deadLetterTargetArn } = {} } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: deadLetterUrl, AttributeNames: ['QueueArn'] }),
    );
    const { QueueUrl } = await client.send(
      new CreateQueueCommand({
        QueueName: fifo ? 'meters.fifo' : 'meters',
        Attributes: {
          RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1 }),
          ...(fifo && { FifoQueue: 'true' }),
        },
      }),
    );
    for (const [n, MessageBody] of bodies.entries()) {
      const ofGroup = { MessageGroupId: 'of-its-own', MessageDeduplicationId: `given-up-${n}` };
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...(fifo && ofGroup) }));
    }
    const receive = async () =>
      (await client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }))).Messages ?? [];
    const received = await receive();
    expect(received).toHaveLength(bodies.length);
    for (const { ReceiptHandle } of received)
      await client.send(
        new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
      );
    // A receipt and a move within one millisecond would tell nothing of when the message was handed over.
    for (const now = Date.now(); Date.now() === now; );
    expect(await receive()).toEqual([]);
  } finally {
    client.destroy();
    await servers.close();
  }
}

describe.each([{ fifo: false }, { fifo: true }])(
  'the dead-letter queue of a directory, fifo: $fifo',
  ({ fifo }) => {
    it('is taken in, each message once, and is empty then', { timeout: 120_000 }, async () => {
      const data = join(folder, `kept-${fifo}`);
      const pipeline = join(folder, `meters-${fifo}.ts`);
      await writeFile(
        pipeline,
        `
import { bucket, count, definePipeline, sqs, tumbling } from '${INDEX}';
export default definePipeline('meters', sqs({ fifo: ${fifo} }), {
  key: (reading) => reading.machine,
  eventTime: (reading) => reading.at,
  groups: 2,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
}).to(bucket());
`,
      );
      const readings = Array.from({ length: 10 }, (_, n) =>
        JSON.stringify({ machine: 'm1', at: NOON + 1_000 * n }),
      );
      const input = join(folder, 'readings.ndjson');
      await writeFile(input, readings.join('\n'));
      const ran = await millrace(
        'run',
        pipeline,
        '-i',
        input,
        '-o',
        join(folder, 'panes.ndjson'),
        '-d',
        data,
      );
      expect(ran).toMatchObject({ code: 0 });

      await giveUp(data, fifo, [
        JSON.stringify({ machine: 'm1', at: Date.now() }),
        JSON.stringify({ machine: 'm1', at: Date.now() }),
        'no JSON',
      ]);
      const redrive = () => millrace('redrive', pipeline, '--failed', '--data', data);
      expect((await redrive()).stdout).toBe(
        '"meters" took 3 dead letters in again: 2 applied, 0 late for every window, 1 refused again, 0 filtered\n',
      );
      expect(await redrive()).toMatchObject({ code: 0, stdout: '"meters" has no dead letter to redrive\n' });
      expect((await millrace('poison', 'list', pipeline, '--data', data)).stdout).toMatch(
        /^"meters" keeps 1 poison record\n/,
      );
      expect((await millrace('audit', pipeline, '--data', data)).stdout).toContain('Nothing found');
    });
  },
);
