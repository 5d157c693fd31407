import { LOCAL_CREDENTIALS, LOCAL_REGION } from '../local/resources.ts';
import type { LocalRuntime } from '../local/runtime.ts';
import { ENVIRONMENT } from '../wiring/names.ts';

/** Says where the servers of a run are, what is in them, and what another program needs to use them. */
export function howToReach({ endpoints, names, places, source: { place } }: LocalRuntime): string {
  const { dynamodb, s3 } = endpoints;
  const exported = {
    AWS_REGION: LOCAL_REGION,
    AWS_DEFAULT_REGION: LOCAL_REGION,
    AWS_ACCESS_KEY_ID: LOCAL_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: LOCAL_CREDENTIALS.secretAccessKey,
    ...place.environment,
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb,
    AWS_ENDPOINT_URL_S3: s3,
    AWS_USE_FIPS_ENDPOINT: false,
    AWS_USE_DUALSTACK_ENDPOINT: false,
    [ENVIRONMENT.stateTable]: names.stateTable,
    [ENVIRONMENT.rowsTable]: names.rowsTable,
    [ENVIRONMENT.bucket]: names.bucket,
  };
  return [
    `${place.service.padEnd(8)}  ${place.endpoint}  ${place.resource}`,
    `DynamoDB  ${dynamodb}  tables ${names.stateTable}, ${names.rowsTable}`,
    `S3        ${s3}  bucket ${names.bucket}`,
    ...places.map(({ sink, resource }) => `${sink.padEnd(8)}  sends to ${resource}`),
    '',
    'The environment in which the AWS CLI, the SDKs and "millrace audit" find them:',
    '  unset AWS_PROFILE AWS_SESSION_TOKEN AWS_IGNORE_CONFIGURED_ENDPOINT_URLS',
    ...Object.entries(exported).map(([name, value]) => `  export ${name}=${value}`),
  ].join('\n');
}
