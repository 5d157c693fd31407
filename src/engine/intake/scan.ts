import type { Plain } from '../../core/plain.ts';
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
 * Decodes records of one batch from their bytes, without parsing them, where a pipeline reads nothing but named fields:
 * into rows where its windows read numbers alone. It decodes a record as `decodeRecord` does, or leaves it to that: what
 * would be refused, and what fits none of the forms that it knows.
 */
export class Scanner {
  readonly #pipeline: Pipeline;
  readonly #fields: readonly string[];
  readonly #inputs: Pipeline['rules']['inputs']['all'];
  readonly #keys: Interned;
  #templates: Template[] = [];
  #tries = 0;

  private constructor(pipeline: Pipeline, fields: readonly string[]) {
    this.#pipeline = pipeline;
    this.#fields = fields;
    this.#inputs = pipeline.rules.inputs.all;
    if (KEYS.isFull) KEYS = new Interned();
    this.#keys = KEYS;
  }

  /** Returns undefined for a pipeline that reads more. */
  static of(pipeline: Pipeline): Scanner | undefined {
    const { reads, fields, rules } = pipeline;
    if (reads === undefined) return undefined;
    const named = [fields.key, fields.eventTime, ...rules.inputs.all.map(({ select }) => select)];
    return new Scanner(pipeline, named as readonly string[]);
  }

  /** Decodes the records `[from, to)`. It returns undefined for each that is left to others. */
  decode(records: readonly SourceRecord[], from: number, to: number): (DecodedRecord | undefined)[] {
    const { areNumbers, length } = this.#pipeline.rules.inputs;
    const rows = areNumbers ? new RecordRows(to - from, length) : undefined;
    const decoded = new Array<DecodedRecord | undefined>(to - from);
    for (let row = 0; row < decoded.length; row++)
      decoded[row] = this.#decodeAny(records[from + row] as SourceRecord, rows, row);
    return decoded;
  }

  #decodeAny(source: SourceRecord, rows: RecordRows | undefined, row: number): DecodedRecord | undefined {
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
    rows: RecordRows | undefined,
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
    if (rows === undefined) {
      const values = this.#valuesIn(template, bytes);
      const record = values && { at: at as EpochMillis, arrival, waited: false, values };
      return record && { outcome: 'record', key: key.text, interned: key, record, id: undefined };
    }
    const { numbers, width } = rows;
    const begin = row * width;
    numbers[begin] = at;
    numbers[begin + 1] = arrival;
    for (let field = INPUTS; field < width; field++) {
      if (template.isNumber(field)) numbers[begin + field] = template.number(field);
      else if (this.#isPassedOver(field - INPUTS)) numbers[begin + field] = Number.NaN;
      else return undefined;
    }
    return new ScannedRecord(rows, row, key);
  }

  /** Returns what the inputs are in the record that fits a template; undefined where it would be refused. */
  #valuesIn(template: Template, bytes: Buffer): readonly Plain[] | undefined {
    const values = new Array<Plain>(this.#inputs.length);
    for (let at = 0; at < values.length; at++) {
      const value = template.value(INPUTS + at, bytes);
      const isNumber = this.#inputs[at]?.kind === 'number';
      if (value !== undefined && (!isNumber || typeof value === 'number')) values[at] = value;
      else if (this.#isPassedOver(at)) values[at] = Number.NaN;
      else return undefined;
    }
    return values;
  }

  /** Tells whether NaN stands for an input that is missing or not of its kind: see `Invalid`. */
  #isPassedOver(input: number): boolean {
    return this.#inputs[input]?.invalid !== 'poison';
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
