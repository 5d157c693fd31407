import { bucket, count, definePipeline, rabbitmq, topK, tumbling } from 'millrace';

export interface View {
  readonly view: string;
  readonly user: string;
  readonly category: string;
  readonly product: string;
  readonly at: string;
}

/**
 * What visitors look at most in each category, by ten minutes: what to show to those who come next. Each view is
 * known by the `messageId` that its producer gives it. A view that comes after its ten minutes have closed, as a crash
 * of the broker held it up, revises them.
 */
export const recommendations = definePipeline(
  'recommendations',
  rabbitmq<View>({ queue: 'views', deadLetterExchange: 'views-refused' }),
  {
    key: 'category',
    eventTime: 'at',
    outOfOrderness: '15s',
    allowedLateness: '1h',
    windows: { tenMinutes: tumbling({ size: '10m' }, { views: count(), most: topK('product', 3) }) },
  },
).to(bucket());
