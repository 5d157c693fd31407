/**
 * How the bytes of a record become the values that the definition sees. Made by `json`, `jsonLines`,
 * `jsonTexts`, `cloudWatchLogs`, `gzip` and `base64`, and given to a source as its `decode`.
 */
export interface Decoder {
  /** What is undone first, from the outside in. */
  readonly unpack: readonly ('gzip' | 'base64')[];
  /** What the bytes hold then. A function makes one value of them. */
  readonly into: 'json' | 'lines' | 'texts' | 'log-events' | ((bytes: Uint8Array) => unknown);
}

/** A decoder, or an author's pure function that makes one value of a record's bytes. */
export type Decode = Decoder | ((bytes: Uint8Array) => unknown);

/**
 * Decodes one JSON text. This is the default.
 *
 * @example
 * ```ts
 * import { gzip, json, kinesis } from 'millrace';
 *
 * export const readings = kinesis<{ celsius: number }>({ decode: gzip(json) });
 * ```
 */
export const json: Decoder = { unpack: [], into: 'json' };

/**
 * Decodes a JSON text on each line, each of which is a record of its own. Blank lines are passed over. A line
 * that is refused leaves the other lines as they are.
 *
 * @example
 * ```ts
 * import { count, definePipeline, jsonLines, kinesis, tumbling } from 'millrace';
 * import { tryPipeline } from 'millrace/testing';
 *
 * interface Reading {
 *   machineId: string;
 *   measuredAt: number;
 * }
 *
 * const temperature = definePipeline('temperature', kinesis<Reading>({ decode: jsonLines }), {
 *   key: 'machineId',
 *   eventTime: 'measuredAt',
 *   windows: { minute: tumbling({ size: '1m' }, { readings: count() }) },
 * });
 * const record = ['{"machineId":"pump","measuredAt":1767614400000}', '{"machineId":', '{"machineId":"pump","measuredAt":1767614401000}'];
 * const { panes, poison } = tryPipeline(temperature, [new TextEncoder().encode(record.join('\n'))]);
 * if (panes[0]?.results?.readings !== 2 || poison[0]?.member !== 1) throw new Error('Two lines must be in, and one refused');
 * ```
 */
export const jsonLines: Decoder = { unpack: [], into: 'lines' };

/**
 * Decodes JSON texts that follow each other, with blanks between them or nothing, each of which is a record
 * of its own. Where a text does not end, everything after it belongs to it and is refused with it.
 *
 * @example
 * ```ts
 * import { jsonTexts, kinesis } from 'millrace';
 *
 * export const readings = kinesis<{ celsius: number }>({ decode: jsonTexts });
 * ```
 */
export const jsonTexts: Decoder = { unpack: [], into: 'texts' };

/**
 * A log event of CloudWatch Logs, with what it shares with the others of its record.
 */
export interface LogEvent {
  readonly id: string;
  /** In epoch milliseconds. */
  readonly timestamp: number;
  readonly message: string;
  /** The account whose log it is. */
  readonly owner: string;
  readonly logGroup: string;
  readonly logStream: string;
  readonly subscriptionFilters: readonly string[];
}

/**
 * Decodes what a subscription filter of CloudWatch Logs sends: each log event is a record of its own, a
 * `LogEvent`. CloudWatch's own messages, which only check that the stream can be reached, hold none.
 *
 * @example
 * ```ts
 * import { gzipSync } from 'node:zlib';
 * import { cloudWatchLogs, count, definePipeline, kinesis, type LogEvent, tumbling } from 'millrace';
 *
 * export const errors = definePipeline('errors', kinesis<LogEvent>({ decode: cloudWatchLogs }), {
 *   filter: ({ message }) => message.includes('ERROR'),
 *   key: 'logGroup',
 *   eventTime: 'timestamp',
 *   windows: { minute: tumbling({ size: '1m' }, { errors: count() }) },
 * });
 * const logEvents = [{ id: '1', timestamp: Date.UTC(2026, 0, 5, 12), message: 'ERROR: no disk' }];
 * const envelope = { messageType: 'DATA_MESSAGE', owner: '123456789012', logGroup: 'app', logStream: 'a', subscriptionFilters: ['all'], logEvents };
 * export const records = [gzipSync(JSON.stringify(envelope))];
 * ```
 */
export const cloudWatchLogs: Decoder = { unpack: ['gzip'], into: 'log-events' };

/**
 * Unpacks gzip, and decodes what that gives by another decoder. Default `json`.
 *
 * @throws TypeError when the other decoder is none
 *
 * @example
 * ```ts
 * import { gzip, jsonLines, kinesis } from 'millrace';
 *
 * export const readings = kinesis<{ celsius: number }>({ decode: gzip(jsonLines) });
 * ```
 */
export const gzip = (inner: Decode = json): Decoder => within('gzip', inner);

/**
 * Unpacks base64, and decodes what that gives by another decoder. Default `json`. Messages of SQS are texts,
 * so whatever is binary, such as gzip, comes in base64.
 *
 * @throws TypeError when the other decoder is none
 *
 * @example
 * ```ts
 * import { base64, gzip, sqs } from 'millrace';
 *
 * export const readings = sqs<{ celsius: number }>({ decode: base64(gzip()) });
 * ```
 */
export const base64 = (inner: Decode = json): Decoder => within('base64', inner);

function within(outer: Decoder['unpack'][number], inner: Decode): Decoder {
  const { unpack, into } = decoderOf(`unpack ${outer}`, inner);
  return { unpack: [outer, ...unpack], into };
}

/** @throws TypeError when it is no decoder, nor a function */
export function decoderOf(action: string, decode: Decode = json): Decoder {
  if (typeof decode === 'function') return { unpack: [], into: decode };
  if (typeof decode === 'object' && decode !== null && Array.isArray(decode.unpack)) return decode;
  throw new TypeError(
    `Cannot ${action} as decode must be a function of a record's bytes, or a decoder such as jsonLines or ` +
      `gzip(): it is ${decode === null ? 'null' : typeof decode}`,
  );
}

/** Whether a decoder makes any number of records of one. */
export const makesSeveral = ({ into }: Decoder): boolean => typeof into === 'string' && into !== 'json';
