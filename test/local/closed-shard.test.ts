import { ListShardsCommand, PutRecordCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { afterEach, expect, it, vi } from 'vitest';
import { connect, disconnect } from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { createStream } from '../../src/local/sources/kinesis.ts';
import { readShard } from '../../src/local/sources/kinesis-shard.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it.each([0, 2])('a shard that was closed a minute after the last of %i records ends', async (count) => {
  const servers = await startServers({});
  const clients = connect(servers.endpoints);
  try {
    const { kinesis } = clients;
    await createStream(kinesis, 'readings');
    for (let at = 0; at < count; at++) {
      const Data = Buffer.from(String(at));
      await kinesis.send(new PutRecordCommand({ StreamName: 'readings', PartitionKey: 'a', Data }));
    }
    const now = Date.now;
    vi.spyOn(Date, 'now').mockImplementation(() => now() + 60_000);
    const ShardToSplit = 'shardId-000000000000';
    await kinesis.send(
      new SplitShardCommand({ StreamName: 'readings', ShardToSplit, NewStartingHashKey: String(2n ** 127n) }),
    );
    for (let shards = 1; shards < 3; ) {
      const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName: 'readings' }));
      shards = Shards.length;
    }
    const read: string[] = [];
    for await (const page of readShard(kinesis, 'readings', ShardToSplit))
      for (const { Data } of page) read.push(Buffer.from(Data ?? []).toString());
    expect(read).toEqual(['0', '1'].slice(0, count));
  } finally {
    disconnect(clients);
    await servers.close();
  }
});
