import { checkOptions } from '../core/options.ts';

/**
 * The cluster that holds a topic: one of Amazon MSK, by its ARN, or brokers of your own. It also says how Lambda gets
 * there, so that only the stack of a pipeline reads it.
 */
export type Cluster = MskCluster | OwnCluster;

interface MskCluster {
  /** The ARN of a cluster of Amazon MSK, in the region of the stack. */
  readonly msk: string;
  /** Default `'iam'`. */
  readonly auth?: 'iam' | 'none' | { readonly [Way in 'scram' | 'mtls']: Secret<Way> }['scram' | 'mtls'];
}

interface OwnCluster {
  /** `host:port` of some brokers. */
  readonly brokers: readonly string[];
  /** Default `'none'`, which needs `subnets`. */
  readonly auth?: 'none' | { readonly [Way in SecretWay]: Secret<Way> }[SecretWay];
  /** The ARN of a secret with the certificate authority of the brokers, where it is a private one. */
  readonly rootCa?: string;
  /** The ids of the VPC's subnets in which the brokers can be reached; without them, they are on the internet. */
  readonly subnets?: readonly string[];
  readonly securityGroups?: readonly string[];
}

/** How a client proves who it is with what a secret of Secrets Manager holds. */
export type SecretWay = 'scram' | 'scram256' | 'plain' | 'mtls';

/** The ARN of a secret by the way in which it is used, and of the KMS key of the customer that encrypts it, if any. */
type Secret<Way extends SecretWay> = { readonly [Used in Way]: string } & { readonly key?: string };

const MSK_WAYS: readonly string[] = ['scram', 'mtls'];
const OWN_WAYS: readonly string[] = ['scram', 'scram256', 'plain', 'mtls'];

const MSK_ARN = /^arn:aws[a-z-]*:kafka:[a-z0-9-]+:\d{12}:cluster\/[\w-]{1,64}\/[\w-]+$/;
const SECRET_ARN = /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+$/;
const KEY_ARN = /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/\S+$/;
const BROKER = /^[\w.-]{1,255}:\d{1,5}$/;

/**
 * Checks where a cluster is said to be.
 *
 * @throws RangeError or TypeError for a cluster that no mapping could read
 */
export function checkCluster(cluster: Cluster): void {
  if ('msk' in cluster === 'brokers' in cluster) {
    const state = 'msk' in cluster ? 'it has both' : 'it has neither';
    throw new RangeError(
      `Cannot read a cluster as it must have msk, the ARN of a cluster, or brokers, a list of host:port: ${state}`,
    );
  }
  if ('msk' in cluster) {
    checkOptions('read a cluster of MSK', cluster, ['msk', 'auth']);
    checkText('the cluster', 'msk', cluster.msk, MSK_ARN, MSK_FORM);
    if (cluster.auth !== 'iam') checkAuth(cluster.auth, ['iam', 'none'], MSK_WAYS);
    return;
  }
  const { brokers, auth = 'none', rootCa, subnets = [], securityGroups = [] } = cluster;
  checkOptions('read brokers', cluster, ['brokers', 'auth', 'rootCa', 'subnets', 'securityGroups']);
  if (!Array.isArray(brokers) || brokers.length === 0) {
    throw new RangeError(
      'Cannot read a cluster as brokers must be a list of at least one host:port: it has none',
    );
  }
  for (const broker of brokers) checkText('the broker', 'it', broker, BROKER, 'host:port');
  checkAuth(auth, ['none'], OWN_WAYS);
  if (rootCa !== undefined)
    checkText('brokers by the certificate', 'rootCa', rootCa, SECRET_ARN, SECRET_FORM);
  if (subnets.length > 0 !== securityGroups.length > 0) {
    throw new RangeError(
      `Cannot read brokers in a VPC as subnets and securityGroups must both be given: there are ${subnets.length} subnets and ${securityGroups.length} security groups`,
    );
  }
  if (auth === 'none' && subnets.length === 0) {
    throw new RangeError(
      'Cannot read brokers without authentication as they must then be in a VPC: give subnets and securityGroups, or auth',
    );
  }
}

const MSK_FORM = 'arn:aws:kafka:<region>:<account>:cluster/<name>/<id>';
const SECRET_FORM = 'arn:aws:secretsmanager:<region>:<account>:secret:<name>';
const KEY_FORM = 'arn:aws:kms:<region>:<account>:key/<id>';

function checkText(what: string, name: string, text: unknown, form: RegExp, shown: string): void {
  if (typeof text === 'string' && form.test(text)) return;
  throw new RangeError(`Cannot read ${what} "${text}" as ${name} must be like ${shown}`);
}

function checkAuth(auth: unknown, words: readonly string[], ways: readonly string[]): void {
  if (auth === undefined || words.includes(auth as string)) return;
  const secret = (typeof auth === 'object' && auth !== null ? auth : {}) as Record<string, unknown>;
  const { key, ...used } = secret;
  const [way = '', ...more] = Object.keys(used);
  if (!ways.includes(way) || more.length > 0) {
    throw new RangeError(
      `Cannot read a cluster as its auth must be ${words.join(' or ')}, or name a secret by one of ${ways.join(', ')}: it is ${typeof auth === 'object' ? `{ ${Object.keys(secret).join(', ')} }` : auth}`,
    );
  }
  checkText('a cluster by the secret', way, secret[way], SECRET_ARN, SECRET_FORM);
  if (key !== undefined) checkText('a secret by the key', 'key', key, KEY_ARN, KEY_FORM);
}
