import { SignatureV4 } from '@smithy/signature-v4';
import type { Clock } from '../../ports/clock.ts';

/** By whom requests are signed: the `config` of any client of AWS has it. */
export type Identity = Pick<
  ConstructorParameters<typeof SignatureV4>[0],
  'credentials' | 'region' | 'sha256'
>;

/**
 * Makes what gets an address that asks for a signature of AWS, version 4.
 *
 * @param service the name of the service in the signature, such as `lambda` for the URL of a function
 */
export function signedGet(
  identity: Identity,
  service: string,
  clock: Clock,
): (address: URL, signal: AbortSignal) => Promise<Response> {
  const signer = new SignatureV4({ ...identity, service });
  return async (address, signal) => {
    const { protocol, hostname, host, origin, pathname, searchParams } = address;
    const query = Object.fromEntries(searchParams);
    const { headers } = await signer.sign(
      { method: 'GET', protocol, hostname, path: pathname, query, headers: { host } },
      { signingDate: new Date(clock.now()) },
    );
    const parts = Object.entries(query).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
    const sent = `${origin}${pathname}${parts.length === 0 ? '' : `?${parts.join('&')}`}`;
    // Whoever is redirected to would get the signature.
    return fetch(sent, { headers, signal, redirect: 'error' });
  };
}

/** Encodes as what is signed does, in which a space is %20: not everybody reads a plus sign as one. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
