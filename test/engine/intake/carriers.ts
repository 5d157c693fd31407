import { gzipSync } from 'node:zlib';
import {
  count,
  type Decode,
  definePipeline,
  dynamodbStream,
  kafka,
  kinesis,
  type LogEvent,
  max,
  type Pipeline,
  rabbitmq,
  sqs,
  tumbling,
} from '../../../src/index.ts';
import { SOURCE_NAME } from '../../../src/simulation/place.ts';
import type { SentKind } from '../../../src/simulation/shapes.ts';
import { NOON, type Reading } from '../scene.ts';

/** Each kind of source with a decoder; a table's stream has changes of items that hold a record as a text. */
const SOURCES: { readonly [Kind in SentKind]: (decode: Decode) => Pipeline['source'] } = {
  kinesis: (decode) => kinesis({ decode }),
  sqs: (decode) => sqs({ decode }),
  fifo: (decode) => sqs({ decode, fifo: true }),
  kafka: (decode) => kafka({ decode, topic: SOURCE_NAME }),
  rabbitmq: (decode) => rabbitmq({ decode, queue: SOURCE_NAME }),
  dynamodb: () =>
    dynamodbStream<{ text: string }>({ table: SOURCE_NAME }).map(({ newImage }) =>
      JSON.parse(newImage?.text ?? ''),
    ),
};

/** A definition over any source and decoder, which takes a neighbour whatever an author's function does. */
export function hostilePipeline(kind: SentKind, decode: Decode): Pipeline {
  const source = SOURCES[kind](typeof decode === 'function' ? sparing(decode) : decode);
  const isLog = typeof decode === 'object' && decode.into === 'log-events';
  const readings = isLog ? (source as Logs).map(({ message }) => JSON.parse(message) as Reading) : source;
  return definePipeline('hostile', readings as ReturnType<typeof kinesis<Reading>>, {
    filter: () => true,
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    groups: 16,
    windows: { minute: tumbling({ size: '1m' }, { n: count(), hottest: max('celsius') }) },
  }) as Pipeline;
}

type Logs = ReturnType<typeof kinesis<LogEvent>>;

const sparing =
  (decode: (bytes: Uint8Array) => unknown) =>
  (bytes: Uint8Array): unknown => {
    const text = Buffer.from(bytes).toString();
    return text.includes('"before"') || text.includes('"after"') ? JSON.parse(text) : decode(bytes);
  };

/** What a source carries of a record's bytes. */
export function carriedBy(kind: SentKind, data: Uint8Array): Uint8Array {
  if (kind !== 'dynamodb') return data;
  const newImage = { text: Buffer.from(data).toString() };
  return Buffer.from(
    JSON.stringify({ kind: 'INSERT', keys: { id: 'x' }, newImage, changedAt: NOON, expired: false }),
  );
}

/** A good record, as a decoder reads it. */
export function neighbour(machine: string, decode: Decode): Uint8Array {
  const message = JSON.stringify({ machine, at: NOON, celsius: 20 });
  if (typeof decode === 'function') return Buffer.from(message);
  const isLog = decode.into === 'log-events';
  const text = isLog ? JSON.stringify({ messageType: 'DATA_MESSAGE', logEvents: [{ message }] }) : message;
  return decode.unpack
    .toReversed()
    .reduce<Buffer>(
      (inner, format) => (format === 'gzip' ? gzipSync(inner) : Buffer.from(inner.toString('base64'))),
      Buffer.from(text),
    );
}
