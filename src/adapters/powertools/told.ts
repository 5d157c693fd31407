import { LOGGABLE } from '../../core/loggable.ts';

/** The part of an error that may be logged. */
export interface ToldError {
  readonly name: string;
  /** Only present for errors of our own. */
  readonly message?: string;
  /** The code of a system error, such as ECONNREFUSED. */
  readonly code?: string;
  /** The status with which a service answered. */
  readonly status?: number;
  readonly requestId?: string;
  /** Where the error was made, the innermost frame first. */
  readonly stack: readonly string[];
  readonly cause?: ToldError;
}

/** How many causes are followed: a longer chain is a ring. */
const MAX_CAUSES = 8;

/**
 * Returns an error without what may quote a payload or a key: without the message of an error that is not
 * ours, and without whatever else was put on it. For a thrown value that is no error it names the type.
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

/** Returns the same as an error, for the runtime, which logs all of it. */
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

/**
 * Returns the frames of a stack. The stack begins with the message, which is left out, whatever lines it has.
 */
function framesOf({ message, stack }: Error): readonly string[] {
  if (typeof stack !== 'string') return [];
  const at = stack.indexOf(message);
  const frames = at < 0 ? stack : stack.slice(at + message.length);
  return frames
    .split('\n')
    .filter((line) => FRAME.test(line))
    .map((line) => line.trim());
}
