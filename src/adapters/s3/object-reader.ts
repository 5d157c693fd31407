import { GetObjectCommand, ListObjectsV2Command, NoSuchKey, type S3Client } from '@aws-sdk/client-s3';
import type { ObjectReader } from '../../ports/reading.ts';

/** Reads the objects of one S3 bucket. */
export const s3ObjectReader = (client: S3Client, bucket: string): ObjectReader => ({
  async *list(prefix) {
    let after: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          ...(after === undefined ? {} : { StartAfter: after }),
        }),
      );
      const names = (page.Contents ?? []).flatMap(({ Key }) => Key ?? []);
      yield* names;
      after = page.IsTruncated ? names.at(-1) : undefined;
    } while (after !== undefined);
  },

  async read(name) {
    try {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
      return (await Body?.transformToByteArray()) ?? new Uint8Array();
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  },
});
