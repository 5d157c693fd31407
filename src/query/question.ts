import { type Position, positionOf } from '../core/position.ts';
import { type EpochMillis, parseIsoTime } from '../core/time.ts';
import { MAX_KEY_BYTES } from '../engine/group/key-group.ts';
import type { CommitPlace, RecordPlace } from '../engine/inspect/key-reader.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { DEFAULT_LIMIT, type Endpoint, isListed, MAX_LIMIT, type Parameter } from './endpoints.ts';
import { MAX_TOKEN_LENGTH } from './page-token.ts';
import { badRequest } from './problem.ts';

/** The parameters of a question, each as its kind says. */
export interface Question {
  readonly key: string;
  /** The text of a parameter, or undefined where it was not given. */
  text(name: string): string | undefined;
  time(name: string): EpochMillis | undefined;
  readonly limit: number;
  readonly atLeast: CommitPlace | RecordPlace | undefined;
}

/**
 * Reads the query of a URL as an endpoint describes it.
 *
 * @throws Problem for a parameter that is missing, unknown, given twice or not what it must be
 */
export function questionOf(pipeline: Pipeline, endpoint: Endpoint, search: string): Question {
  const parameters = new Map(endpoint.parameters.map((parameter) => [parameter.name, parameter]));
  const texts = new Map<string, string>();
  for (const part of search.replace(/^\?/, '').split('&').filter(Boolean)) {
    const at = part.indexOf('=');
    const name = decoded(at < 0 ? part : part.slice(0, at));
    const parameter = parameters.get(name);
    if (parameter === undefined)
      throw badRequest(
        `Cannot answer as each parameter must be one of this question: it has ${[...parameters.keys()].join(', ') || 'none'}`,
      );
    if (texts.has(name)) throw badRequest(`Cannot answer as ${name} must be given once: it is given twice`);
    const text = at < 0 ? '' : decoded(part.slice(at + 1));
    check(pipeline, parameter, text);
    texts.set(name, text);
  }
  for (const { name, required } of parameters.values())
    if (required && !texts.has(name)) throw badRequest(`Cannot answer as ${name} must be given: it is not`);
  const time = (name: string) => {
    const text = texts.get(name);
    return text === undefined ? undefined : parseIsoTime(text);
  };
  const atLeast = texts.get('atLeast');
  return {
    key: texts.get('key') ?? '',
    text: (name) => texts.get(name),
    time,
    limit: Number(texts.get('limit') ?? DEFAULT_LIMIT),
    atLeast: atLeast === undefined ? undefined : placeOf(atLeast),
  };
}

/** Reads a part of a query, in which a plus sign stands for a space. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw badRequest('Cannot answer as the query must be percent-encoded UTF-8: a part of it is not');
  }
}

const bytesAllowed = (least: number, text: string): boolean =>
  text.length >= least && Buffer.byteLength(text) <= MAX_KEY_BYTES;

function check(pipeline: Pipeline, { name, kind }: Parameter, text: string): void {
  const refuse = (rule: string, state: string): never => {
    throw badRequest(`Cannot answer as ${name} must be ${rule}: it is ${state}`);
  };
  switch (kind) {
    case 'key':
      if (!bytesAllowed(1, text))
        refuse(`1 to ${MAX_KEY_BYTES} bytes of UTF-8`, `${Buffer.byteLength(text)} bytes`);
      break;
    case 'prefix':
      if (!bytesAllowed(0, text))
        refuse(`at most ${MAX_KEY_BYTES} bytes of UTF-8`, `${Buffer.byteLength(text)} bytes`);
      break;
    case 'window':
    case 'listed': {
      const windows = pipeline.rules.windows.filter((window) => kind === 'window' || isListed(window));
      const names = windows.map((window) => window.name);
      if (!names.includes(text)) refuse(`one of ${names.join(', ')}`, 'none of them');
      break;
    }
    case 'time':
      if (parseIsoTime(text) === undefined)
        refuse('an ISO 8601 date-time with a zone, such as 2026-01-05T12:00:00Z', 'none');
      break;
    case 'order':
      if (text !== 'asc' && text !== 'desc') refuse('asc or desc', 'neither');
      break;
    case 'limit':
      if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > MAX_LIMIT)
        refuse(`a whole number from 1 to ${MAX_LIMIT}`, 'not');
      break;
    case 'page':
      if (text.length > MAX_TOKEN_LENGTH) refuse('the "next" of an answer', 'longer than any of them');
      break;
    case 'atLeast':
      if (placeOf(text) === undefined)
        refuse('the "token" of an answer, or the lineage of a record, "@" and its position', 'neither');
      else if (text.includes('@') && !pipeline.source.lineage.ordered)
        refuse('the "token" of an answer, as records of this source have no positions', 'a record');
      break;
  }
}

/** Longer than any lineage: that of a message group may be percent-encoded. */
const MAX_LINEAGE_LENGTH = 4_096;

const TOKEN = /^(\d{1,15})-(\d{1,6})-(\d{1,4})-(\d{1,15})$/;

/** Writes a commit as a token. */
export const tokenOf = ({ incarnation, generation, index, ordinal }: CommitPlace): string =>
  `${incarnation}-${generation}-${index}-${ordinal}`;

/** Reads a token, or the place of a record; undefined for any other text. */
function placeOf(text: string): CommitPlace | RecordPlace | undefined {
  const token = TOKEN.exec(text);
  if (token !== null) {
    const [incarnation, generation, index, ordinal] = token.slice(1).map(Number) as [
      number,
      number,
      number,
      number,
    ];
    return { incarnation, generation, index, ordinal };
  }
  const at = text.lastIndexOf('@');
  if (at < 1 || at > MAX_LINEAGE_LENGTH) return undefined;
  let position: Position;
  try {
    position = positionOf(text.slice(at + 1));
  } catch {
    return undefined;
  }
  return { lineage: text.slice(0, at), position };
}
