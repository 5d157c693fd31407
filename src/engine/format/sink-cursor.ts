import type { LogEntry } from '../../ports/commit-log.ts';
import { pack, unpack } from './packed.ts';

/** What an entry in the log of a sink that sends messages says. */
export interface SinkCursor {
  /** How far the log of each group is covered: all entries up to `ordinal`, and `panes` panes of the next. */
  readonly covered: ReadonlyMap<string, readonly [ordinal: number, panes: number]>;
  /** The entries of groups that were skipped, as they had expired: after `from` up to `to`. */
  readonly skipped: readonly { readonly log: string; readonly from: number; readonly to: number }[];
  /** How many messages may have been sent in a minute, for a sink with a limit. */
  readonly spent: Spent;
}

/** A minute since 1970, and how many messages were set aside for it. */
export interface Spent {
  readonly minute: number;
  readonly messages: number;
}

export const NOTHING_SPENT: Spent = { minute: 0, messages: 0 };

export const encodeSinkCursor = ({ covered, skipped, spent }: SinkCursor): Uint8Array =>
  pack([
    [...covered].map(([log, [ordinal, panes]]) => [log, ordinal, panes]),
    skipped.map(({ log, from, to }) => [log, from, to]),
    [spent.minute, spent.messages],
  ]);

/** Decodes the body that `encodeSinkCursor` made. */
export function decodeSinkCursor({ body }: Pick<LogEntry, 'body'>): SinkCursor {
  const [covered, skipped, [minute, messages]] = unpack(body) as unknown as [
    (readonly [log: string, ordinal: number, panes: number])[],
    (readonly [log: string, from: number, to: number])[],
    readonly [minute: number, messages: number],
  ];
  return {
    covered: new Map(covered.map(([log, ordinal, panes]) => [log, [ordinal, panes]])),
    skipped: skipped.map(([log, from, to]) => ({ log, from, to })),
    spent: { minute, messages },
  };
}

/** The body of the first entry of a sink that begins together with its pipeline. */
export const BEGINNING_TOGETHER = encodeSinkCursor({ covered: new Map(), skipped: [], spent: NOTHING_SPENT });
