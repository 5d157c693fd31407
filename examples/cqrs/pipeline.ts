import { bucket, count, definePipeline, kinesis, last, push, running, sum, table, tumbling } from 'millrace';

/** What somebody wants done: a deposit, or with a negative sum a withdrawal. */
export interface Command {
  readonly id: string;
  readonly account: string;
  readonly cents: number;
  readonly text: string;
  readonly at: string;
}

/** The read side: the balance of each account, and its statement of each day. A command that is sent twice counts once. */
export const accounts = definePipeline('accounts', kinesis<Command>({ shards: 2, id: ({ id }) => id }), {
  key: 'account',
  eventTime: 'at',
  windows: {
    balance: running({}, { cents: sum('cents'), movements: count(), latest: last('text') }),
    statement: tumbling(
      { size: '1d' },
      {
        deposits: sum(({ cents }) => Math.max(0, cents)),
        withdrawals: sum(({ cents }) => Math.max(0, -cents)),
      },
    ),
  },
}).to(
  table(),
  bucket(),
  push({
    windows: ['balance'],
    message: ({ key, results: { cents, movements } }) => ({ account: key, cents, movements }),
  }),
);
