import { bucket, count, countBy, definePipeline, kafka, sum, tumbling } from 'millrace';

export interface Order {
  readonly order: string;
  readonly shop: string;
  readonly item: string;
  readonly cents: number;
  readonly at: string;
}

/** What each shop sells in five minutes. Orders may come 30 seconds out of order. */
export const sales = definePipeline('sales', kafka<Order>({ topic: 'orders', partitions: 3 }), {
  key: 'shop',
  eventTime: 'at',
  outOfOrderness: '30s',
  windows: {
    fiveMinutes: tumbling({ size: '5m' }, { orders: count(), cents: sum('cents'), items: countBy('item') }),
  },
}).to(bucket());
