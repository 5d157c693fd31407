import type { ParcelOutcome } from './sender.ts';

/** Errors of a service that pass by themselves, beside those with a status of 500 and above. */
const PASSING = /Throttl|ThroughputExceeded|LimitExceeded|TooManyRequests|SlowDown|Unavailable|Timeout/;

/**
 * Returns the outcomes of a request. Where it failed and may succeed later, all parcels must come again: the
 * service may have taken them, and nobody knows.
 *
 * @throws the error of a request that would fail again
 */
export async function outcomesOf(
  count: number,
  request: () => Promise<readonly ParcelOutcome[]>,
): Promise<readonly ParcelOutcome[]> {
  try {
    return await request();
  } catch (error) {
    const { name, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    // An error without a status has not come from the service: the connection failed, or there was no answer.
    const isPassing = ($metadata?.httpStatusCode ?? 500) >= 500 || PASSING.test(name);
    if (!isPassing || isSettings(error as Error)) throw error;
    return Array.from({ length: count }, () => ({ again: name }));
  }
}

/** Credentials or a region that are not there are not found by waiting. */
const isSettings = ({ name, message }: Error): boolean =>
  name === 'CredentialsProviderError' || /region is missing/i.test(message);

/** What tells a client of AWS where a service is; by default the environment does. */
export interface ClientSettings {
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined;
}

/** Drops the settings that are undefined, and has the producer alone retry. */
export const settingsOf = ({ region, endpoint, credentials }: ClientSettings) => ({
  ...(region !== undefined && { region }),
  ...(endpoint !== undefined && { endpoint }),
  ...(credentials !== undefined && { credentials }),
  maxAttempts: 1,
});
