import { Packer } from '../adapters/kinesis/kpl.ts';
import { placeByContent } from '../adapters/rabbitmq/records.ts';
import type { EpochMillis } from '../core/time.ts';
import { hashOf } from '../engine/group/key-group.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Change } from '../pipeline/sources/dynamodb.ts';
import type { SourceRecord } from '../ports/source.ts';
import {
  BAD,
  type DrawnItem,
  type DrawnReading,
  type Extent,
  type Form,
  HABITS,
  holdsSeveral,
  READS_FIELDS,
} from './draw-source.ts';
import { lineageNamed, placeOf } from './place.ts';
import type { Random } from './random.ts';
import type { SentKind } from './shapes.ts';
import type { Case, Fate, Lineage, PartFate, Place, Truth } from './truth.ts';
import { drawWriter, type Write } from './writing.ts';

const START = Date.UTC(2026, 0, 5, 8) as EpochMillis;
const SECOND = 1_000;
const DAY = 86_400 * SECOND;

/** Returns a record as it is at another place, by which what has no key is spread over the groups. */
export function placedAt(truth: Truth, place: Place): Truth {
  const moved = <Of extends Fate>(fate: Of): Of =>
    fate.hash === hashOf(truth.partitionKey) ? { ...fate, hash: hashOf(place.partitionKey) } : fate;
  const there = { ...truth, ...moved(truth), ...place };
  return truth.parts ? { ...there, parts: truth.parts.map(moved) } : there;
}

/** A record before it has its place in a lineage. */
interface Sent {
  /** The shard, or other lineage, in which its key began. */
  readonly home: number;
  readonly arrival: EpochMillis;
  readonly reading: DrawnReading;
  /** What else its record holds where records hold several readings, of any keys of its home. */
  readonly more: readonly DrawnReading[];
}

/** The form of a source's records, and how their texts are written. */
interface Written extends Form {
  readonly write: Write;
}

/** Draws the records of some lineages, with disorder, silences, late records, filtered records and poison. */
export function drawLineages(
  random: Random,
  versions: Case['versions'],
  kind: SentKind,
  { homes, records }: Extent,
  form: Form,
): readonly Lineage[] {
  const fields = form.readsFields ? random.aside(READS_FIELDS) : undefined;
  const written = { ...form, write: fields ? drawWriter(fields, form) : JSON.stringify };
  const sent = drawSent(random, random.whole(1, homes), records, form, HABITS[kind].keepsKeys, fields);
  const draw = form.isPacked || form.isLines ? drawMembers : form.isExpanded ? drawExpanded : drawTruth;
  const paths =
    HABITS[kind].reshards && !holdsSeveral(form)
      ? reshard(random, sent)
      : sent.map((records): Path => ({ parents: [], sent: records }));
  let ordinal = 0;
  const messages = new Set<string>();
  return paths.map(
    ({ parents, sent: records }, at): Lineage => ({
      name: lineageNamed(kind, at),
      parents,
      truths: records.map((record, index) => {
        const place = placeOf(kind, at, index, ordinal++);
        const drawn = draw(random, versions, place, record, written);
        const truth = { ...drawn, data: SENT_AS[kind](drawn) };
        if (!HABITS[kind].lacksIds) return truth;
        if (form.isIdentified) return byContent(truth, messages);
        return random.chance(0.06) ? withoutId(truth) : truth;
      }),
    }),
  );
}

const asItIs = ({ data }: SourceRecord): Uint8Array => data;

/** What the source carries of a record: a table's stream has changes of items that hold it. */
const SENT_AS: { readonly [Kind in SentKind]: (record: SourceRecord) => Uint8Array } = {
  kinesis: asItIs,
  sqs: asItIs,
  fifo: asItIs,
  kafka: asItIs,
  rabbitmq: asItIs,
  dynamodb: ({ data, arrival, partitionKey }) => {
    const keys = Object.fromEntries(JSON.parse(partitionKey));
    const newImage: DrawnItem = { text: Buffer.from(data).toString() };
    const change: Change<DrawnItem> = { kind: 'INSERT', keys, newImage, changedAt: arrival, expired: false };
    return Buffer.from(JSON.stringify(change));
  },
};

/** What arrives, by home, in order. */
function drawSent(
  random: Random,
  homes: number,
  most: number,
  form: Form,
  keepsKeys: boolean,
  fields: Random | undefined,
): readonly (readonly Sent[])[] {
  const backfill = random.pick([0, 0, 10 * DAY]);
  const lateness = random.pick([0, 0.1, 0.4]);
  const silences = random.pick([0.02, 0.1]);
  // What was sent, which may be sent again, by another lineage as well where a key's records may be in several.
  let readings: { readonly reading: DrawnReading; readonly arrival: number }[] = [];
  // Some pipelines receive no record for days, while entries expire.
  const pause = random.chance(0.1)
    ? { from: START + random.whole(20, 90) * SECOND, length: random.whole(2, random.pick([4, 12])) * DAY }
    : { from: Number.POSITIVE_INFINITY, length: 0 };
  return Array.from({ length: homes }, (_, home) => {
    const keys = Array.from({ length: random.whole(1, 3) }, (__, key) => `${home}/k${key}`);
    let passed = START as number;
    if (keepsKeys) readings = [];
    return Array.from({ length: random.whole(2, most) }, (__, index): Sent => {
      passed += random.chance(silences)
        ? random.whole(20, random.pick([28, 240])) * SECOND
        : random.whole(0, 4_000);
      const arrival = passed > pause.from ? passed + pause.length : passed;
      const drawReading = (tag: string): DrawnReading => {
        // A key that was forgotten meanwhile begins anew, and its ids are forgotten with it.
        const past = readings.filter(
          (sent) => sent.reading.at <= arrival && Math.abs(sent.arrival - arrival) < DAY,
        );
        if (form.isIdentified && random.chance(0.25) && past.length > 0) return random.pick(past).reading;
        const reading = drawNew(tag);
        readings.push({ reading, arrival });
        return reading;
      };
      const drawNew = (tag: string): DrawnReading => {
        const delay = random.chance(lateness) ? random.whole(20, 240) * SECOND : random.whole(0, 12_000);
        const exact = arrival - backfill - delay;
        return {
          key: random.pick(keys),
          // Whole seconds fall on the edges of windows.
          at: random.chance(0.5) ? exact : exact - (exact % SECOND),
          value: (random.next() - 0.5) * random.pick([1, 1e3, 1e16]),
          tag,
          ...(fields && drawNumbers(fields)),
          ...(form.isIdentified && { id: tag }),
        };
      };
      const reading = drawReading(`${home}-${index}`);
      const others = holdsSeveral(form) ? random.pick([0, 0, 1, 2, 4]) : 0;
      const more = Array.from({ length: others }, (___, at) => drawReading(`${home}-${index}-${at}`));
      return { home, arrival: arrival as EpochMillis, reading, more };
    });
  });
}

/** Draws numbers most of which are short enough to be read in their bytes. */
function drawNumbers(random: Random): Pick<DrawnReading, 'value' | 'more'> {
  const short = () => random.whole(-99_999, 99_999) / random.pick([1, 10, 1_000]);
  const long = () => (random.next() - 0.5) * 1e3;
  const odd = () => random.pick([0, -0, 1e21, 1e-7, 123_456_789_012_345, 2 ** 53 + 2]);
  const drawn = () => (random.chance(0.8) ? short() : random.pick([long, odd])());
  const more = random.pick([undefined, null, { second: null }, { second: drawn() }, { second: drawn() }]);
  return { value: drawn(), ...(more !== undefined && { more }) };
}

/**
 * Takes a record's id away, so that it is refused. Records that may be equal to others keep theirs, as they
 * could not be told apart.
 */
function withoutId(truth: Truth): Truth {
  const { lineage, arrival, data, parts } = truth;
  if (!(parts ?? [truth]).some(({ content }) => content !== undefined)) return truth;
  const place = placeByContent(data);
  const hash = hashOf(place.partitionKey);
  return { lineage, ...place, arrival, data, unidentified: true, hash, fate: 'poison' };
}

/**
 * Places a message by its bytes, as those are known by them that name no id. What a producer sends twice differs
 * in some blanks, as two messages of the same bytes would be one.
 */
function byContent(truth: Truth, messages: Set<string>): Truth {
  let { data } = truth;
  while (messages.has(placeByContent(data).position)) data = Buffer.concat([data, Buffer.from(' ')]);
  const place = placeByContent(data);
  messages.add(place.position);
  return placedAt({ ...truth, data }, { lineage: truth.lineage, ...place });
}

interface Path {
  readonly parents: readonly number[];
  readonly sent: readonly Sent[];
}

/** Splits one shard in two or merges two shards, now and then, while records come. */
function reshard(random: Random, homes: readonly (readonly Sent[])[]): readonly Path[] {
  const paths = homes.map((sent): Path => ({ parents: [], sent }));
  const at = random.whole(0, homes.length - 1);
  const draw = random.next();
  if (draw < 0.3) {
    const { before, since } = cutAt(random, paths[at] as Path);
    paths[at] = before;
    const isLeft = (record: Sent): boolean => record.reading.key.endsWith('0');
    for (const half of [since.filter(isLeft), since.filter((record) => !isLeft(record))]) {
      paths.push({ parents: [at], sent: half });
    }
  } else if (draw < 0.5 && homes.length > 1) {
    const neighbour = (at + 1) % homes.length;
    const cuts = [at, neighbour].map((shard) => ({ shard, ...cutAt(random, paths[shard] as Path) }));
    for (const { shard, before } of cuts) paths[shard] = before;
    const sent = cuts.flatMap(({ since }) => since).sort((a, b) => a.arrival - b.arrival);
    paths.push({ parents: [at, neighbour], sent });
  }
  return paths;
}

function cutAt(
  random: Random,
  { parents, sent }: Path,
): { readonly before: Path; readonly since: readonly Sent[] } {
  const cut = random.whole(0, sent.length);
  return { before: { parents, sent: sent.slice(0, cut) }, since: sent.slice(cut) };
}

/**
 * Draws a record of several readings, each with a fate of its own. Some records hold none, and some none that
 * can be told apart.
 */
function drawExpanded(
  random: Random,
  versions: Case['versions'],
  place: Place,
  { home, arrival, reading, more }: Sent,
  written: Written,
): Truth {
  const whole = { ...place, arrival, hash: hashOf(place.partitionKey) };
  if (random.chance(0.05)) {
    const data = random.pick([`{"of": [`, '{"of": null}', '{"of": "none"}', '{"of": 7}', 'null']);
    return { ...whole, data: Buffer.from(data), fate: 'poison' };
  }
  const children = (random.chance(0.05) ? [] : [reading, ...more]).map((child) => {
    const sent = { home, arrival, reading: child, more: [] };
    const { data, ...drawn } = drawTruth(random, versions, place, sent, written);
    // What is no JSON would be the fault of the whole record.
    const text = Buffer.from(data).toString();
    return { ...drawn, text: isJson(text) ? text : '{}' };
  });
  const data = Buffer.from(`{"of": [${children.map(({ text }) => text).join(', ')}]}`);
  const parts = children.map(({ hash, fate, content }, child) => ({ hash, fate, content, member: 0, child }));
  return { ...whole, data, fate: 'record', parts };
}

/**
 * Draws a record of several members, each of which holds one reading or a list of them. Some records hold
 * none, and some none that can be told apart.
 */
function drawMembers(
  random: Random,
  versions: Case['versions'],
  place: Place,
  { home, arrival, reading, more }: Sent,
  written: Written,
): Truth {
  const { isPacked, isLines, isExpanded, readsFields } = written;
  // A producer packs no reading that is alone.
  if (readsFields && isPacked && !isLines && !isExpanded && more.length === 0)
    return drawTruth(random, versions, place, { home, arrival, reading, more }, written);
  const whole = { ...place, arrival, hash: hashOf(place.partitionKey) };
  const readings = random.chance(0.05) ? [] : [reading, ...more];
  const parts: PartFate[] = [];
  let member = 0;
  const drawText = ({ partitionKey }: { partitionKey: string }): string => {
    const [reading, ...more] = readings.splice(0, isExpanded ? random.whole(1, 2) : 1);
    const sent = { home, arrival, reading: reading as DrawnReading, more };
    const draw = isExpanded ? drawExpanded : drawTruth;
    const { data, ...drawn } = draw(random, versions, { ...place, partitionKey }, sent, written);
    const { hash, fate, content } = drawn;
    const filtered = { hash, fate: 'filtered' as const, child: 0 };
    const alone = { hash, fate, content, child: 0 };
    const fates = drawn.parts?.length === 0 ? [filtered] : (drawn.parts ?? [alone]);
    parts.push(...fates.map((part) => ({ ...part, member })));
    member++;
    return Buffer.from(data).toString();
  };
  const drawTexts = (at: { partitionKey: string }): string => {
    if (!isLines) return drawText(at);
    let lines = random.pick(['', '', '\n', ' \r\n']);
    for (
      let most = isPacked ? random.whole(0, 3) : readings.length;
      most > 0 && readings.length > 0;
      most--
    ) {
      lines += drawText(at) + random.pick(['\n', '\n', '\r\n', '\n\n']);
    }
    return lines;
  };
  if (!isPacked) return { ...whole, data: Buffer.from(drawTexts(place)), fate: 'record', parts };
  const packer = new Packer();
  while (readings.length > 0) {
    const partitionKey = `${place.partitionKey}/u${random.whole(0, 3)}`;
    packer.add({ partitionKey, data: Buffer.from(drawTexts({ partitionKey })) });
  }
  const data = packer.pack();
  if (isLines || random.chance(0.95)) return { ...whole, data, fate: 'record', parts };
  // A record that only begins like packed records is an ordinary one, and no JSON.
  return { ...whole, data: data.with(-1, ~(data.at(-1) as number)), fate: 'poison' };
}

function drawTruth(
  random: Random,
  versions: Case['versions'],
  place: Place,
  { arrival, reading }: Sent,
  { readsFields, write }: Written,
): Truth {
  const fate = random.chance(0.08) ? 'poison' : random.chance(0.08) && !readsFields ? 'filtered' : 'record';
  const throws = fate === 'poison' && versions.every(isBrittle) && random.chance(0.4);
  const sent = throws
    ? // It is no repetition of what was taken in, which no window would see.
      write({ ...reading, tag: BAD, ...(reading.id && { id: `${reading.id}!` }) })
    : fate === 'poison'
      ? random.pick([...SPOILED, ...(readsFields ? SPOILED_NUMBERS : [])])(reading, arrival, write)
      : write(fate === 'filtered' ? { ...reading, skip: true } : reading);
  const key = fate === 'record' || throws ? reading.key : place.partitionKey;
  return {
    ...place,
    arrival,
    data: Buffer.from(sent),
    hash: hashOf(key),
    fate,
    ...(fate === 'record' ? { content: contentOf(versions, reading, sent) } : {}),
  };
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

function contentOf(versions: Case['versions'], reading: DrawnReading, sent: string): Fate['content'] {
  const value = JSON.parse(sent);
  return {
    key: reading.key,
    at: reading.at as EpochMillis,
    id: reading.id,
    values: versions.map(({ rules }) => rules.inputs.read(value)),
  };
}

/**
 * Says whether every record's tag is read while it is folded. A session reads no tag of a record that is late
 * for it.
 */
const isBrittle = ({ rules }: Pipeline): boolean =>
  rules.windows.some(({ name, operator }) => name !== 'session' && operator.signature.includes('=tags('));

type Spoil = (reading: DrawnReading, arrival: EpochMillis, write: Write) => string;

const SPOILED: readonly Spoil[] = [
  ({ key }) => `{"key": "${key}", "at": `,
  (reading, _, write) => write({ ...reading, value: 'high' }),
  (reading, _, write) => write({ ...reading, key: '' }),
  // This event time stays in the future however late the record arrives once more.
  (reading, arrival, write) => write({ ...reading, at: arrival + 365 * DAY }),
  (reading, _, write) => write({ ...reading, at: 'yesterday' }),
  () => 'null',
];

/** More of those that look like others in their bytes. */
const SPOILED_NUMBERS: readonly Spoil[] = [
  ...['01', '1.', '-', '+1', '1e400', 'tru', '[1]'].map(
    (value): Spoil =>
      (reading, _, write) =>
        write({ ...reading, value: '?' }).replaceAll('"?"', value),
  ),
  ({ value: _, ...reading }, __, write) => write(reading),
  ({ key: _, ...reading }, __, write) => write(reading),
  (reading, _, write) => write({ ...reading, value: null }),
  (reading, _, write) => write({ ...reading, key: 7 }),
  (reading, _, write) => write({ ...reading, at: reading.at + 0.5 }),
];
