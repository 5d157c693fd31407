import { DeleteObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ObjectRemover } from '../../ports/stores.ts';

/** Removes objects of one S3 bucket. */
export const s3ObjectRemover = (client: S3Client, bucket: string): ObjectRemover => ({
  async remove(name) {
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: name }));
  },
});
