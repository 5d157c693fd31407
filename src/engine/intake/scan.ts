import { RecordRows, RowRecord } from '../../core/record.ts';
import { after, type EpochMillis, isInstant, parseIsoTime } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { ColumnRecord, type SourceRecord } from '../../ports/source.ts';
import type { InternedKey } from '../group/batch-key.ts';
import type { DecodedRecord } from '../group/group.ts';
import { MAX_KEY_BYTES } from '../group/key-group.ts';
import { Interned } from './interned.ts';
import { MAX_RECORD_BYTES } from './json-bytes.ts';
import { Template } from './template.ts';

/** How many forms of records are known at a time, and for how many records a form is looked for. */
const MAX_TEMPLATES = 4;
const MAX_TRIES = 16;

/** The interned keys of this process. A batch keeps to those with which it began, as others number other keys. */
let KEYS = new Interned();

/** The places of key and event time among the fields that are read. The inputs follow. */
const KEY = 0;
const EVENT_TIME = 1;
const INPUTS = 2;

/** A record that was decoded into a row. */
class ScannedRecord extends RowRecord implements DecodedRecord {
  readonly interned: InternedKey;

  constructor(rows: RecordRows, row: number, key: InternedKey) {
    super(rows, row);
    this.interned = key;
  }

  get outcome(): 'record' {
    return 'record';
  }

  get key(): string {
    return this.interned.text;
  }

  get record(): RowRecord {
    return this;
  }

  get id(): undefined {
    return undefined;
  }
}

/**
 * Decodes records of one batch from their bytes into rows, without an object of each, where a pipeline reads nothing
 * but named fields, and numbers for its windows. It decodes a record as `decodeRecord` does, or leaves it to that: what
 * would be refused, and what fits none of the forms that it knows.
 */
export class Scanner {
  readonly #pipeline: Pipeline;
  readonly #fields: readonly string[];
  /** By input, whether NaN stands for what is no number: see `Invalid`. */
  readonly #passedOver: readonly boolean[];
  readonly #keys: Interned;
  #templates: Template[] = [];
  #tries = 0;

  private constructor(pipeline: Pipeline, fields: readonly string[], passedOver: readonly boolean[]) {
    this.#pipeline = pipeline;
    this.#fields = fields;
    this.#passedOver = passedOver;
    if (KEYS.isFull) KEYS = new Interned();
    this.#keys = KEYS;
  }

  /** Returns undefined for a pipeline that reads more. */
  static of(pipeline: Pipeline): Scanner | undefined {
    const { reads, fields, rules } = pipeline;
    const inputs = rules.inputs.all;
    if (reads === undefined || inputs.some(({ kind }) => kind === 'plain')) return undefined;
    const named = [fields.key, fields.eventTime, ...inputs.map(({ select }) => select)];
    const passedOver = inputs.map(({ invalid }) => invalid !== 'poison');
    return new Scanner(pipeline, named as readonly string[], passedOver);
  }

  /** Decodes the records `[from, to)`. It returns undefined for each that is left to others. */
  decode(records: readonly SourceRecord[], from: number, to: number): (DecodedRecord | undefined)[] {
    const rows = new RecordRows(to - from, this.#fields.length - INPUTS);
    const decoded = new Array<DecodedRecord | undefined>(to - from);
    for (let row = 0; row < decoded.length; row++)
      decoded[row] = this.#decodeAny(records[from + row] as SourceRecord, rows, row);
    return decoded;
  }

  #decodeAny(source: SourceRecord, rows: RecordRows, row: number): DecodedRecord | undefined {
    if (source instanceof ColumnRecord) {
      return this.#decode(source, source.columns.bytes, source.from, source.to, rows, row);
    }
    const { data } = source;
    const bytes = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return this.#decode(source, bytes, 0, bytes.length, rows, row);
  }

  #decode(
    source: SourceRecord,
    bytes: Buffer,
    from: number,
    to: number,
    rows: RecordRows,
    row: number,
  ): DecodedRecord | undefined {
    if (to - from > MAX_RECORD_BYTES || source.waitedSince !== undefined) return undefined;
    const template = this.#templateOf(bytes, from, to);
    if (template === undefined || !template.isText(KEY)) return undefined;
    const start = template.start(KEY);
    const end = template.end(KEY);
    if (start === end || end - start > MAX_KEY_BYTES) return undefined;
    const key = this.#keys.of(bytes, start, end);
    if (key === undefined) return undefined;
    const { arrival } = source;
    const at = timeIn(template, bytes);
    if (!this.#isTime(at, arrival)) return undefined;
    const { numbers, width } = rows;
    const begin = row * width;
    numbers[begin] = at;
    numbers[begin + 1] = arrival;
    for (let field = INPUTS; field < width; field++) {
      if (template.isNumber(field)) numbers[begin + field] = template.number(field);
      else if (this.#passedOver[field - INPUTS]) numbers[begin + field] = Number.NaN;
      else return undefined;
    }
    return new ScannedRecord(rows, row, key);
  }

  /** Tells whether a record may be of a time. */
  #isTime(at: number, arrival: EpochMillis): boolean {
    const { maxFutureSkew, maxPast } = this.#pipeline;
    return (
      isInstant(at) &&
      at <= after(arrival, maxFutureSkew) &&
      (maxPast === undefined || after(at, maxPast) >= arrival)
    );
  }

  /** Returns the template that a record fits. It is looked for first the next time. */
  #templateOf(bytes: Buffer, from: number, to: number): Template | undefined {
    const templates = this.#templates;
    for (let at = 0; at < templates.length; at++) {
      const template = templates[at] as Template;
      if (!template.fits(bytes, from, to)) continue;
      if (at > 0) [templates[0], templates[at]] = [template, templates[0] as Template];
      return template;
    }
    if (this.#tries === MAX_TRIES) return undefined;
    this.#tries++;
    const found = Template.of(bytes, from, to, this.#fields);
    if (!found?.fits(bytes, from, to)) return undefined;
    this.#templates = [found, ...templates.slice(0, MAX_TEMPLATES - 1)];
    return found;
  }
}

/** Returns the event time of the record that fits a template; NaN where it has none. */
function timeIn(template: Template, bytes: Buffer): number {
  if (template.isNumber(EVENT_TIME)) return template.number(EVENT_TIME);
  if (!template.isText(EVENT_TIME)) return Number.NaN;
  const text = bytes.toString('latin1', template.start(EVENT_TIME), template.end(EVENT_TIME));
  return parseIsoTime(text) ?? Number.NaN;
}
