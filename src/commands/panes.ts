import { gunzipSync } from 'node:zlib';
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { readParquet } from '../engine/delivery/read-objects.ts';
import { PANES_PREFIX } from '../wiring/names.ts';

/** Returns every pane in a bucket as a line of JSON, object by object in the order of their names. */
export async function* paneLines(s3: S3Client, bucket: string): AsyncGenerator<string> {
  let after: string | undefined;
  do {
    const page = await s3.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: PANES_PREFIX,
        ...(after ? { StartAfter: after } : {}),
      }),
    );
    for (const { Key = '' } of page.Contents ?? []) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
      yield* await linesOf(Key, (await Body?.transformToByteArray()) ?? new Uint8Array());
    }
    after = page.IsTruncated ? page.Contents?.at(-1)?.Key : undefined;
  } while (after);
}

/** Returns the panes of an object as lines of JSON, in whichever format its name says it is. */
export async function linesOf(name: string, bytes: Uint8Array): Promise<string[]> {
  if (name.endsWith('.parquet')) return (await readParquet(bytes)).map(({ pane }) => JSON.stringify(pane));
  return gunzipSync(bytes)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
}
