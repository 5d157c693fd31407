/** The parts of kafkajs below its consumer, which would read with a group and an offset of the broker's. */

declare module 'kafkajs/src/cluster/index.js' {
  interface Connection {
    send<Decoded>(call: {
      readonly request: {
        readonly apiKey: number;
        readonly apiVersion: number;
        readonly apiName: string;
        encode(): Promise<unknown>;
      };
      readonly response: {
        /** It must be an object, as what every answer says of throttling is looked up in it. */
        decode(bytes: Buffer): Promise<{ readonly topic: Decoded }>;
        parse(decoded: { readonly topic: Decoded }): Promise<Decoded>;
      };
    }): Promise<Decoded>;
  }

  export interface Broker {
    readonly connectionPool: Connection;
    fetch(request: {
      readonly isolationLevel: 0 | 1;
      readonly maxWaitTime: number;
      readonly maxBytes: number;
      readonly topics: readonly {
        readonly topic: string;
        readonly partitions: readonly {
          readonly partition: number;
          readonly fetchOffset: string;
          readonly maxBytes: number;
        }[];
      }[];
    }): Promise<{
      readonly responses: readonly {
        readonly partitions: readonly import('kafkajs/src/consumer/batch.js').Fetched[];
      }[];
    }>;
  }

  export default class Cluster {
    constructor(options: {
      readonly logger: import('kafkajs').Logger;
      readonly socketFactory: import('kafkajs').ISocketFactory;
      readonly brokers: readonly string[];
      readonly clientId: string;
      readonly connectionTimeout: number;
      readonly metadataMaxAge: number;
      readonly allowAutoTopicCreation: boolean;
      readonly maxInFlightRequests: null;
      readonly retry: { readonly retries: number };
    });
    readonly brokerPool: {
      findConnectedBroker(): Promise<Broker>;
    };
    /** The topics of which metadata is read. */
    readonly targetTopics: Set<string>;
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    addTargetTopic(topic: string): Promise<void>;
    refreshMetadata(): Promise<void>;
    fetchTopicsOffset(
      topics: readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number }[];
        readonly fromBeginning: boolean;
      }[],
    ): Promise<
      readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
      }[]
    >;
    findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[];
    findLeaderForPartitions(
      topic: string,
      partitions: readonly number[],
    ): { readonly [node: string]: number[] };
    findBroker(place: { readonly nodeId: string }): Promise<Broker>;
  }
}

declare module 'kafkajs/src/consumer/batch.js' {
  interface Message {
    readonly offset: string;
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers?: { readonly [name: string]: Buffer | string | readonly (Buffer | string)[] };
    /** 1 where the broker's clock gave the timestamp, 0 where the producer's did. */
    readonly batchContext?: { readonly timestampType: 0 | 1 };
  }

  interface Fetched {
    readonly partition: number;
    readonly highWatermark: string;
    readonly messages: readonly Message[];
  }

  export default class Batch {
    constructor(topic: string, fetchOffset: string, fetched: Fetched);
    /** The records that readers see: those of transactions that were aborted are left out. */
    readonly messages: readonly Message[];
    isEmptyIncludingFiltered(): boolean;
    lastOffset(): string;
  }
}

declare module 'kafkajs/src/network/socketFactory.js' {
  export default function socketFactory(): import('kafkajs').ISocketFactory;
}

declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    writeInt8(value: number): this;
    writeBoolean(value: boolean): this;
    writeUVarInt(value: number): this;
    writeUVarIntString(text: string): this;
    writeBuffer(bytes: Buffer): this;
  }
}

declare module 'kafkajs/src/protocol/decoder.js' {
  export default class Decoder {
    constructor(bytes: Buffer);
    readInt16(): number;
    readInt32(): number;
    readBoolean(): boolean;
    readUVarIntString(): string | null;
    readUVarIntArray<Item>(read: (decoder: Decoder) => Item): Item[] | null;
    readBytes(length: number): Buffer;
    readTaggedFields(): unknown;
  }
}

declare module 'kafkajs/src/retry/index.js' {
  /** What is thrown is tried again, unless it says that it is not `retriable`; `bail` ends it with an error. */
  export default function createRetry(options: {
    readonly initialRetryTime: number;
    readonly maxRetryTime: number;
    readonly retries: number;
  }): <Result>(act: (bail: (error: Error) => void) => Promise<Result>) => Promise<Result>;
}
