import {
  bucket,
  count,
  definePipeline,
  derive,
  kinesis,
  type Pipeline,
  running,
  sum,
  tumbling,
} from 'millrace';

export interface Payment {
  readonly account: number;
  readonly paidAt: string;
  readonly cents: number;
}

/** A partition over this sum is shown as over it. */
const THRESHOLD_CENTS = 3_000_000;

/** The accounts from 0 to 9,999 in ranges of 2,500. */
export const rangeOf = ({ account }: Payment): string => {
  const first = Math.floor(account / 2_500) * 2_500;
  return `accounts ${first} to ${first + 2_499}`;
};

/** Accounts by a hash, so that neighbours are apart. Fowler, Noll, Vo, "FNV-1a", 1991. */
export const hashOf = ({ account }: Payment): string => {
  let hash = 0x811c9dc5;
  for (const digit of String(account)) hash = Math.imul(hash ^ digit.charCodeAt(0), 0x01000193) >>> 0;
  return `hash ${hash % 8}`;
};

const sumsBy = (name: string, partitionOf: (payment: Payment) => string): Pipeline =>
  definePipeline(name, kinesis<Payment>({ shards: 2 }), {
    key: partitionOf,
    eventTime: 'paidAt',
    windows: {
      total: running(
        {},
        {
          cents: sum('cents'),
          payments: count(),
          isOver: derive({ cents: sum<Payment>('cents') }, ({ cents }) => (cents ?? 0) > THRESHOLD_CENTS),
        },
      ),
      hourly: tumbling({ size: '1h' }, { cents: sum('cents'), payments: count() }),
    },
  }).to(bucket());

export const byRange = sumsBy('sums-by-range', rangeOf);
export const byHash = sumsBy('sums-by-hash', hashOf);
