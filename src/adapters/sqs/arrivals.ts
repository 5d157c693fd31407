import { GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { before, type EpochMillis, millis } from '../../core/time.ts';
import type { Gauge } from '../../ports/gauge.ts';
import type { Arrivals } from '../../ports/stores.ts';

/** Messages that wait for a consumer, that one has, and that are not yet shown to any. */
const WAITING = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
] as const;

/** The counts are about a minute behind. */
const BEHIND = millis('2m');

/**
 * What waits on a queue: nothing when all of its counts are 0, else what is as old as its oldest message.
 *
 * The age leaves out a message of a standard queue that was received three times and is still there. So an age of 0 beside
 * a count that is none tells nothing; beside younger messages such a one is passed over, and may be late.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
 *
 * @param oldestAge of the queue's oldest message, in seconds
 */
export const sqsArrivals = (client: SQSClient, queueUrl: string, oldestAge: Gauge): Arrivals => ({
  async frontier(now) {
    const { Attributes = {} } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...WAITING] }),
    );
    if (WAITING.every((count) => Attributes[count] === '0')) return before(now, BEHIND);
    const age = await oldestAge.latest(now);
    return age && age.value > 0 ? ((age.at - age.value * 1_000) as EpochMillis) : undefined;
  },
});
