import { LOGGABLE } from '../../core/loggable.ts';

/** What may be written of an error. */
export interface ToldError {
  readonly name: string;
  /** Of errors of our own alone. */
  readonly message?: string;
  /** The system's, such as ECONNREFUSED. */
  readonly code?: string;
  /** What a service answered with. */
  readonly status?: number;
  readonly requestId?: string;
  /** Where it was made, the innermost frame first. */
  readonly stack: readonly string[];
  readonly cause?: ToldError;
}

/** More causes than that are a ring. */
const MAX_CAUSES = 8;

/**
 * An error without what may quote a payload or a key: the message of one that is not ours, and whatever else was put on it. Of what
 * is no error its type is told.
 */
export function told(thrown: unknown, causes = MAX_CAUSES): ToldError {
  if (!(thrown instanceof Error)) return { name: typeof thrown, stack: [] };
  const { name, message, cause } = thrown;
  const { code, errno, $metadata } = thrown as SystemError & ServiceError;
  return {
    name: NAME.test(name) ? name : 'Error',
    ...(LOGGABLE.has(thrown) && { message }),
    ...(typeof errno === 'number' && typeof code === 'string' && { code }),
    ...($metadata?.httpStatusCode !== undefined && { status: $metadata.httpStatusCode }),
    ...($metadata?.requestId !== undefined && { requestId: $metadata.requestId }),
    stack: framesOf(thrown),
    ...(cause !== undefined && causes > 0 && { cause: told(cause, causes - 1) }),
  };
}

/** The same as an error, for who writes all of it that is to be seen. */
export function tellable(thrown: unknown): Error {
  const { name, message, stack, ...rest } = told(thrown);
  const said = message ?? rest.code ?? LEFT_OUT;
  return Object.assign(new Error(said), { name, stack: [`${name}: ${said}`, ...stack].join('\n    ') }, rest);
}

const LEFT_OUT = 'what it says is left out, as it may quote a record';

interface SystemError {
  readonly code?: unknown;
  readonly errno?: unknown;
}

interface ServiceError {
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

const NAME = /^[A-Za-z_]\w{0,99}$/;
const FRAME = /^ {4}at .+(?::\d+:\d+|<anonymous>|native|index \d+)\)?$/;

/** The frames of a stack, which begins with the message: whatever that holds is no frame. */
function framesOf({ message, stack }: Error): readonly string[] {
  if (typeof stack !== 'string') return [];
  const at = stack.indexOf(message);
  const frames = at < 0 ? stack : stack.slice(at + message.length);
  return frames
    .split('\n')
    .filter((line) => FRAME.test(line))
    .map((line) => line.trim());
}
