import {
  bucket,
  count,
  definePipeline,
  distinct,
  first,
  kinesis,
  last,
  session,
  table,
  topK,
  tumbling,
} from 'millrace';

/** One page that a visitor saw, as JSON on the stream. */
export interface Click {
  readonly visitor: string;
  /** ISO 8601 with a zone, or epoch milliseconds. */
  readonly clickedAt: string;
  readonly page: string;
}

export const clicks = definePipeline('clicks', kinesis<Click>(), {
  key: 'visitor',
  eventTime: 'clickedAt',
  // Clicks may arrive this much out of order, and windows wait this long for them.
  outOfOrderness: '1m',
  windows: {
    visit: session(
      { gap: '30m' },
      { clicks: count(), pages: distinct('page'), entry: first('page'), exit: last('page') },
    ),
    day: tumbling({ size: '1d' }, { clicks: count(), favourites: topK('page', 3) }),
  },
}).to(table(), bucket());
