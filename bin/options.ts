import { InvalidArgumentError, Option } from 'commander';
import { instantOf } from '../src/commands/refused.ts';
import { LOCAL_KINDS } from '../src/local/sources/index.ts';

// The options that several commands have, and what reads the values of options.

/**
 * Refuses an empty text: a shell puts it in the place of a variable that is not set, and it names no file.
 */
export function notEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

export const BROKER =
  'a broker that runs already, where the source has one: host:port for kafka, amqp://user:password@host:port for rabbitmq (default: the run starts its own)';

export const sourceOption = (): Option =>
  new Option(
    '--source <kind>',
    'what carries the records; windows that need its order are left out over sqs (default: what the definition reads)',
  ).choices(LOCAL_KINDS);

export function separatorOption(): Option {
  return new Option(
    '--separator <character>',
    'read the input as CSV with this between its cells, \\t for a tab (default: found in the header of a .csv)',
  ).argParser((text) => {
    const separator = text === '\\t' ? '\t' : text;
    if (!/^[\t -~]$/.test(separator) || separator === '"') {
      throw new InvalidArgumentError('It must be one ASCII character, and no quote.');
    }
    return separator;
  });
}

export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

export function instant(text: string): number {
  const value = instantOf(text);
  if (value === undefined)
    throw new InvalidArgumentError('It must be a date, or a date and time with a zone, in ISO 8601.');
  return value;
}

export function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

export function batchSize(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000) {
    throw new InvalidArgumentError(
      'It must be a whole number from 1 to 10,000, as many as Lambda hands over.',
    );
  }
  return value;
}

export function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_532)
    throw new InvalidArgumentError('It must be a whole number from 1 to 65,532.');
  return value;
}
