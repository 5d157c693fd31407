import { encodeTables } from '../../core/codec.ts';
import type { StoredKey } from '../../core/key.ts';
import { Table } from '../../core/table.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { LogEntry } from '../../ports/commit-log.ts';
import type { GroupPane } from '../group/group.ts';
import { decodeLedger, decodePanes, type Ledger } from './entry.ts';

/**
 * One entry of a key group's log, as far as it can be read by itself. Its keys can only be read from a
 * snapshot on.
 */
export interface GroupEntry extends Ledger {
  readonly ordinal: number;
  readonly committedAt: EpochMillis;
  readonly bytes: number;
  readonly panes: readonly GroupPane[];
}

/** @throws CodecError when the entry cannot be read */
export function readEntry(entry: LogEntry): GroupEntry {
  const { ordinal, committedAt, body } = entry;
  return { ordinal, committedAt, bytes: body.length, ...decodeLedger(entry), panes: decodePanes(entry) };
}

/** Encodes the windows of some keys as columns. */
export function encodeWindows({ rules }: Pipeline, keys: readonly StoredKey[]): Uint8Array {
  const slots = rules.windows.flatMap(({ operator }, at) =>
    operator.layout.map(({ width, plainWidth }, place) =>
      keys.map(({ windows }) => windows[at]?.[place] ?? new Table(width, plainWidth)),
    ),
  );
  return encodeTables(slots);
}
