import { GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { before, type EpochMillis, millis } from '../../core/time.ts';
import type { Gauge } from '../../ports/gauge.ts';
import type { Arrivals } from '../../ports/stores.ts';

/**
 * The counts of messages that wait for a consumer, that a consumer has, and that are not shown to any
 * consumer yet.
 */
const WAITING = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
] as const;

/** How far behind the counts are taken to be. They are about a minute behind. */
const BEHIND = millis('2m');

/**
 * Tells what waits on a queue: nothing when all of its counts are 0, and otherwise a message as old as its
 * oldest.
 *
 * The age leaves out a message of a standard queue that was received three times and is still there. So an
 * age of 0 beside a count that is not 0 tells nothing. Beside younger messages such a message is passed over,
 * and may be late.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
 *
 * @param oldestAge the age of the queue's oldest message, in seconds
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
