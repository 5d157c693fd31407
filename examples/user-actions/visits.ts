import {
  bucket,
  collect,
  count,
  countBy,
  definePipeline,
  gzip,
  kinesis,
  session,
  table,
  tumbling,
} from 'millrace';

/** What a device sends every now and then, as gzipped JSON: what its user did since. */
export interface Batch {
  readonly user: string;
  readonly agent: 'web' | 'app' | 'bot';
  readonly actions: readonly { readonly at: number; readonly type: string; readonly product: string }[];
}

/** What each user does: how much of it by the hour, and which products they looked at in one visit. */
export const visits = definePipeline(
  'visits',
  // Converted: a batch becomes its actions, each with a user, a key and an event time of its own.
  kinesis<Batch>({ decode: gzip() }).expand(({ user, agent, actions }) =>
    actions.map((action) => ({ user, agent, ...action })),
  ),
  {
    filter: ({ agent }) => agent !== 'bot',
    key: 'user',
    eventTime: 'at',
    outOfOrderness: '5m',
    windows: {
      hourly: tumbling({ size: '1h' }, { types: countBy('type') }),
      visit: session({ gap: '30m' }, { actions: count(), products: collect('product') }),
    },
  },
).to(table(), bucket());
