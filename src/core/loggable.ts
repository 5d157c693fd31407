/**
 * Holds the errors whose message may be logged, as it is made only of rules, sizes and the names of logs and
 * sources. Any other message may quote a payload or a key: a parser's, a service's, a user's, V8's.
 */
export const LOGGABLE = new WeakSet<Error>();

/** Marks an error whose message quotes neither a payload nor a key, nor a part of either. */
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
