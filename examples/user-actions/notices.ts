import { DeleteMessageCommand, GetQueueUrlCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import type { LocalRuntime } from '../../src/local/runtime.ts';
import { connectQueues } from '../../src/local/sources/sqs.ts';

/** What the topic of the sink told its subscribers. */
export interface Notice {
  readonly show: string;
  readonly beside: string;
}

/** Receives what waits in the queue that subscribes to the topic, and knows each notice by the id of its pane. */
export async function receiveNotices({ endpoints }: LocalRuntime): Promise<readonly Notice[]> {
  const queues = connectQueues(endpoints.s3);
  const { QueueUrl } = await queues.send(new GetQueueUrlCommand({ QueueName: 'related-to-notices' }));
  const notices = new Map<string, Notice>();
  for (;;) {
    const { Messages = [] } = await queues.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['id'] }),
    );
    if (Messages.length === 0) break;
    for (const { Body = '', MessageAttributes, ReceiptHandle } of Messages) {
      notices.set(MessageAttributes?.['id']?.StringValue ?? '', JSON.parse(Body));
      await queues.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
  queues.destroy();
  return [...notices.values()];
}
