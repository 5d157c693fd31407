/**
 * Errors whose message may be logged, as it is made of rules, sizes and the names of logs and sources alone. Any other message
 * may quote a payload or a key: a parser's, a service's, an author's, V8's.
 */
export const LOGGABLE = new WeakSet<Error>();

/** An error whose message quotes neither a payload nor a key, nor a part of one. */
export function loggable<Given extends Error>(error: Given): Given {
  LOGGABLE.add(error);
  return error;
}

export class LoggableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    loggable(this);
  }
}
