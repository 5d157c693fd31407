import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { ObjectStore } from '../../ports/stores.ts';

/**
 * How often a create is tried that S3 answers with 409, which means that another one of the same name is
 * under way and that it may be tried again.
 */
const MAX_TRIES = 5;

/** Keeps objects in one S3 bucket, and creates each under the condition that its name is free. */
export const s3Objects = (client: S3Client, bucket: string): ObjectStore => ({
  async create(name, { body, contentType }) {
    const request = {
      Bucket: bucket,
      Key: name,
      Body: body,
      ContentType: contentType,
      IfNoneMatch: '*',
    };
    for (let tries = 1; ; tries++) {
      try {
        await client.send(new PutObjectCommand(request));
        return 'created';
      } catch (error) {
        if (statusOf(error) === 412) return 'exists';
        if (statusOf(error) !== 409 || tries === MAX_TRIES) throw error;
      }
    }
  },

  async exists(name) {
    try {
      await client.send(new HeadObjectCommand({ Bucket: bucket, Key: name }));
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw error;
    }
  },

  async read(name) {
    try {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
      return await Body?.transformToByteArray();
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  },
});

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
