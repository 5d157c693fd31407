import type { Mutant } from './protocol-mutants.ts';

const BATCHED = 'src/adapters/aws/batched.ts';
const killedBy = 'test/adapters/outlets.contract.test.ts';

const LEFT = {
  rule: 'Of each key, all from the first refused message on is returned, and nothing of it is sent before that',
  killedBy,
  title: 'from the first refused on',
};

/** Rules of the outlets that send messages, taken away one by one. */
export const OUTLET_MUTANTS: readonly Mutant[] = [
  {
    name: 'a message overtakes a refused one',
    file: BATCHED,
    find: 'waiting = rest.filter(({ key }) => !stuck.has(key));',
    replace: 'waiting = rest;',
    ...LEFT,
  },
  {
    name: 'what is taken behind a refused message is done',
    file: BATCHED,
    find: 'if (!stuck.has(message.key)) accepted.add(message);',
    replace: 'if (refusals[at] === undefined) accepted.add(message);',
    ...LEFT,
  },
  {
    name: 'a request holds several messages of a key in order',
    file: BATCHED,
    find: '!(sharesKeys && hasRoom',
    replace: '!(hasRoom',
    ...LEFT,
  },
  {
    name: 'a request that failed is followed by others',
    rule: 'Once a request has failed as a whole, no other begins',
    file: BATCHED,
    find: 'if (fault !== undefined || stopping.signal.aborted) return;',
    replace: 'if (stopping.signal.aborted) return;',
    killedBy,
    title: 'begins no request after one that failed',
  },
  {
    name: 'messages are sent after the deadline',
    rule: 'Nothing begins at or after the deadline',
    file: BATCHED,
    find: 'fault === undefined && clock.now() < deadline',
    replace: 'fault === undefined',
    killedBy,
    title: 'waits for nothing after the deadline',
  },
  {
    name: 'the alarm of a call stays set',
    rule: 'Whoever sets an alarm cancels it as soon as it is not needed',
    file: BATCHED,
    find: '      cancel();',
    replace: '      void cancel;',
    killedBy,
    title: 'begins no request after one that failed',
  },
  {
    name: 'a request of messages is as large as they are',
    rule: 'A request keeps the bytes that its service takes',
    file: BATCHED,
    find: ' && last.bytes + bytes <= maxBytes',
    replace: '',
    killedBy,
    title: 'fills requests',
  },
  {
    name: 'a request has room for any number of messages',
    rule: 'A request keeps the number of entries that its service takes',
    file: BATCHED,
    find: ' && last.messages.length < maxEntries',
    replace: '',
    killedBy,
    title: 'fills requests',
  },
  {
    name: 'SNS and SQS refuse no entry',
    file: 'src/adapters/aws/queue-entries.ts',
    find: "taken.has(id) ? undefined : (codes.get(id) ?? 'no answer')",
    replace: 'taken.has(id) || codes.has(id) ? undefined : id',
    ...LEFT,
  },
  {
    name: 'EventBridge refuses no entry',
    file: 'src/adapters/eventbridge/bus.ts',
    find: 'EventId === undefined ? ErrorCode : undefined',
    replace: "EventId === 'never' ? ErrorCode : undefined",
    ...LEFT,
  },
  {
    name: 'Kinesis refuses no record',
    file: 'src/adapters/kinesis/stream-outlet.ts',
    find: 'SequenceNumber === undefined ? ErrorCode : undefined',
    replace: "SequenceNumber === 'never' ? ErrorCode : undefined",
    ...LEFT,
  },
  {
    name: 'AppSync refuses no event',
    file: 'src/adapters/appsync/channel.ts',
    find: "taken.has(at) ? undefined : String(codes.get(at) ?? 'no answer')",
    replace: 'taken.has(at) || codes.has(at) ? undefined : String(at)',
    ...LEFT,
  },
  {
    name: 'messages of a key are one message',
    rule: 'In what is FIFO, a message is known by the id of its pane',
    file: 'src/adapters/aws/queue-entries.ts',
    find: 'MessageDeduplicationId: hashed(id)',
    replace: 'MessageDeduplicationId: hashed(key)',
    killedBy,
    title: 'has what an outlet sent',
  },
];
