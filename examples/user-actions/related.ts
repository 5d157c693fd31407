import { bucket, count, definePipeline, notify, panesOf, table, topK, tumbling } from 'millrace';
import { visits } from './visits.ts';

/** A pair that went together in so many visits of a day is worth a notice. */
const OFTEN = 15;

/** Which products people look at in the same visit: two that are in one are a pair, each way, once a visit. */
export const related = definePipeline(
  'related',
  panesOf(visits, 'visit').expand(({ start, results }) => {
    const products = [...new Set(results.products)].map(String);
    return products.flatMap((product) =>
      products.filter((other) => other !== product).map((other) => ({ product, other, start })),
    );
  }),
  {
    key: 'product',
    eventTime: 'start',
    // A visit is known when it is over, and long ones begin long before.
    outOfOrderness: '1d',
    windows: { daily: tumbling({ size: '1d' }, { pairs: count(), tops: topK('other', 10) }) },
  },
).to(
  table(),
  bucket(),
  notify({
    name: 'notices',
    to: 'sns',
    when: ({ results }) => Number(results.tops[0]?.count) >= OFTEN,
    message: ({ key, results }) => ({ show: results.tops[0]?.value, beside: key }),
  }),
);
