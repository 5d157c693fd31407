import { byKind } from './kinds.ts';
import type { NotifySink, StreamSink } from './message-sinks.ts';
import type { Sink } from './sinks.ts';

/** A service of AWS that takes messages. */
export type Service = 'sns' | 'eventbridge' | 'kinesis' | 'sqs' | 'appsync';

const SERVICES: { readonly [To in NotifySink['to'] | StreamSink['to']]: Service } = {
  sns: 'sns',
  'sns-fifo': 'sns',
  eventbridge: 'eventbridge',
  kinesis: 'kinesis',
  sqs: 'sqs',
  'sqs-fifo': 'sqs',
};

/** Returns the service that takes the messages of a sink; undefined for a sink that sends none to a service. */
export function serviceOf(sink: Sink): Service | undefined {
  const none = () => undefined;
  const named = ({ to }: NotifySink | StreamSink) => SERVICES[to];
  return byKind<Sink, Service | undefined>(sink, {
    table: none,
    bucket: none,
    notify: named,
    stream: named,
    push: () => 'appsync',
    sink: none,
  });
}
