import { createHash } from 'node:crypto';
import type { Message } from '../../ports/outlet.ts';
import type { Refusal } from './batched.ts';

/** The part of an entry that SNS and SQS have in common. */
interface Entry {
  /** The place of the entry in its request. */
  readonly Id: string;
  readonly MessageAttributes: Record<string, { readonly DataType: string; readonly StringValue: string }>;
  readonly MessageGroupId?: string;
  readonly MessageDeduplicationId?: string;
}

/**
 * Returns a message as an entry without its body. In a topic or a queue that is FIFO, messages of a key are in one
 * message group, and messages of a pane have one deduplication id.
 */
export function entryOf({ id, key, attributes }: Message, at: number, isFifo: boolean): Entry {
  const text = (StringValue: string) => ({ DataType: 'String', StringValue });
  const { pipeline, window, kind, revision } = attributes;
  return {
    Id: String(at),
    MessageAttributes: {
      id: text(id),
      pipeline: text(pipeline),
      window: text(window),
      kind: text(kind),
      revision: { DataType: 'Number', StringValue: revision },
    },
    ...(isFifo && { MessageGroupId: hashed(key), MessageDeduplicationId: hashed(id) }),
  };
}

/** Returns JSON without the two characters that no queue takes: they stand in texts alone, where they can be escaped. */
export const textOf = (body: string): string =>
  body.replaceAll(/[\uFFFE\uFFFF]/g, (character) => (character === '\uFFFE' ? '\\ufffe' : '\\uffff'));

/** Returns what became of as many entries, as SNS and SQS answer it. */
export function refusalsOf(count: number, { Successful = [], Failed = [] }: Answer): readonly Refusal[] {
  const taken = new Set(Successful.map(({ Id }) => Id));
  const codes = new Map(Failed.map(({ Id, Code }) => [Id, Code]));
  return Array.from({ length: count }, (_, at) => {
    const id = String(at);
    return taken.has(id) ? undefined : (codes.get(id) ?? 'no answer');
  });
}

interface Answer {
  readonly Successful?: readonly { readonly Id?: string | undefined }[] | undefined;
  readonly Failed?:
    | readonly { readonly Id: string | undefined; readonly Code: string | undefined }[]
    | undefined;
}

/** Message groups and deduplication ids have at most 128 printable characters of ASCII, and keys may have any. */
const hashed = (text: string): string => createHash('sha256').update(text).digest('hex');
