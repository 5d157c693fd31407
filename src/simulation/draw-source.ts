import type { Duration } from '../core/time.ts';
import { dynamodbStream, jsonLines, kafka, kinesis, type Pipeline, rabbitmq, sqs } from '../index.ts';
import { SOURCE_NAME } from './place.ts';
import type { Random } from './random.ts';
import type { SentKind } from './shapes.ts';

/** What a record of a drawn pipeline holds. */
export interface DrawnReading {
  readonly key: string;
  readonly at: number;
  readonly value: number;
  readonly tag: string;
  readonly skip?: boolean;
  /** A number that a record may lack. */
  readonly more?: { readonly second: number | null } | null;
  /** What it is known by, where a producer may send it twice. */
  readonly id?: string;
}

/** The tag that makes the aggregate `tags` throw, which joins the tags of a window to one text. */
export const BAD = 'bad';

/** Several readings in one record. */
interface Packed {
  readonly of: readonly DrawnReading[];
}

/** An item of a table that holds a record as text. */
export interface DrawnItem {
  readonly text: string;
}

/** Reads the record in an item. Where it is no JSON this throws, so that the change is refused. */
const inRow = ({ newImage }: { readonly newImage?: DrawnItem }) => JSON.parse(newImage?.text ?? '');

/** The sources of records that hold one reading each. */
export const SOURCES = {
  kinesis: kinesis<DrawnReading>(),
  sqs: sqs<DrawnReading>(),
  fifo: sqs<DrawnReading>({ fifo: true }),
  kafka: kafka<DrawnReading>({ topic: SOURCE_NAME }),
  rabbitmq: rabbitmq<DrawnReading>({ queue: SOURCE_NAME }),
  dynamodb: dynamodbStream<DrawnItem>({ table: SOURCE_NAME }).map((change): DrawnReading => inRow(change)),
} satisfies { readonly [Kind in SentKind]: Pipeline['source'] };

/** The same, of records that hold several readings; one that holds no list of them throws. */
const EXPANDED = {
  kinesis: kinesis<Packed>().expand(({ of }) => of.slice()),
  sqs: sqs<Packed>().expand(({ of }) => of.slice()),
  fifo: sqs<Packed>({ fifo: true }).expand(({ of }) => of.slice()),
  kafka: kafka<Packed>({ topic: SOURCE_NAME }).expand(({ of }) => of.slice()),
  rabbitmq: rabbitmq<Packed>({ queue: SOURCE_NAME }).expand(({ of }) => of.slice()),
  dynamodb: dynamodbStream<DrawnItem>({ table: SOURCE_NAME })
    .map((change): Packed => inRow(change))
    .expand(({ of }) => of.slice()),
} satisfies { readonly [Kind in SentKind]: Pipeline['source'] };

/** What a reading is known by. Whoever throws for a reading without one makes it poison. */
const id = ({ id }: DrawnReading): string => id as string;

/** Sources whose producers may send a reading twice, whole or with others beside it. */
const IDENTIFIED = {
  kinesis: kinesis({ id }),
  sqs: sqs({ id }),
  fifo: sqs({ fifo: true, id }),
  kafka: kafka({ topic: SOURCE_NAME, id }),
  rabbitmq: rabbitmq({ queue: SOURCE_NAME, id }),
  dynamodb: dynamodbStream<DrawnItem>({ table: SOURCE_NAME, id: (change) => id(inRow(change)) }).map(
    (change): DrawnReading => inRow(change),
  ),
} satisfies { readonly [Kind in SentKind]: Pipeline['source'] };

const EXPANDED_AND_IDENTIFIED = {
  kinesis: kinesis<Packed>().expand(({ of }) => of.slice(), { id }),
  sqs: sqs<Packed>().expand(({ of }) => of.slice(), { id }),
  fifo: sqs<Packed>({ fifo: true }).expand(({ of }) => of.slice(), { id }),
  kafka: kafka<Packed>({ topic: SOURCE_NAME }).expand(({ of }) => of.slice(), { id }),
  rabbitmq: rabbitmq<Packed>({ queue: SOURCE_NAME, id: 'content' }).expand(({ of }) => of.slice(), { id }),
  dynamodb: dynamodbStream<DrawnItem>({ table: SOURCE_NAME })
    .map((change): Packed => inRow(change))
    .expand(({ of }) => of.slice(), { id }),
} satisfies { readonly [Kind in SentKind]: Pipeline['source'] };

/** What records are drawn for: a kind of source, or a stream whose records a producer packs (KPL). */
export type Drawn = SentKind | 'kpl';

/** What is simulated: the same, or a pipeline that reads the panes of another, which is simulated first. */
export type Simulated = Drawn | 'panes';

export const SIMULATED: readonly Simulated[] = [...(Object.keys(SOURCES) as SentKind[]), 'kpl', 'panes'];

export const kindOf = (drawn: Drawn): SentKind => (drawn === 'kpl' ? 'kinesis' : drawn);

/**
 * What definitions read, and how a record holds several readings: packed by its producer, as lines, as a list, or some of
 * these at once.
 */
export interface Form {
  readonly isPacked: boolean;
  readonly isLines: boolean;
  readonly isExpanded: boolean;
  /** Whether each reading has an id, and may be sent twice. */
  readonly isIdentified: boolean;
  /** Whether definitions read nothing but named fields, so that records may be read in their bytes. */
  readonly readsFields: boolean;
}

/** What is drawn of named fields alone is drawn aside, so that all else is drawn as it would be without them. */
export const READS_FIELDS = 0x550c_7dc3;

export function drawForm(random: Random, simulated: Drawn): Form {
  const aside = random.aside(READS_FIELDS);
  const readsFields = aside.chance(0.5);
  // A change of a table is a value, whatever the bytes are.
  const isChange = simulated === 'dynamodb';
  // Only a record of one reading without an id is read in its bytes.
  const isPlain = readsFields && !isChange && aside.chance(0.7);
  const draw = random.next();
  const isIdentified = random.chance(0.3);
  return {
    isPacked: simulated === 'kpl',
    isLines: !isPlain && !isChange && draw >= 0.35 && draw < 0.5,
    isExpanded: !isPlain && draw < 0.4,
    isIdentified: !isPlain && isIdentified,
    readsFields,
  };
}

export const holdsSeveral = ({ isPacked, isLines, isExpanded }: Form): boolean =>
  isPacked || isLines || isExpanded;

export function drawnSource(kind: SentKind, { isLines, isExpanded, isIdentified }: Form): Pipeline['source'] {
  const plain = isIdentified ? IDENTIFIED : SOURCES;
  const expanded = isIdentified ? EXPANDED_AND_IDENTIFIED : EXPANDED;
  return { ...(isExpanded ? expanded : plain)[kind], ...(isLines ? { decoder: jsonLines } : {}) };
}

export const isOrdered = (kind: SentKind): boolean => SOURCES[kind].lineage.ordered;

/** How many lineages a case begins with at most, and how many records each has at most. */
export interface Extent {
  readonly homes: number;
  readonly records: number;
}

/** What is drawn for a kind of source. */
interface Habits extends Extent {
  readonly maxLateness: Duration;
  /** Whether its lineages may end, with others following them. */
  readonly reshards: boolean;
  /** Whether all records of a key are in one lineage. */
  readonly keepsKeys: boolean;
  /** Whether producers may leave out the id of a record. */
  readonly lacksIds?: true;
}

export const HABITS: { readonly [Kind in SentKind]: Habits } = {
  kinesis: { homes: 3, records: 22, maxLateness: '1d', reshards: true, keepsKeys: false },
  sqs: { homes: 3, records: 20, maxLateness: '14d', reshards: false, keepsKeys: false },
  // A record that is moved back from a dead-letter queue comes after all that are there.
  fifo: { homes: 6, records: 10, maxLateness: '14d', reshards: false, keepsKeys: false },
  kafka: { homes: 4, records: 16, maxLateness: '1d', reshards: false, keepsKeys: true },
  rabbitmq: {
    homes: 3,
    records: 20,
    maxLateness: '14d',
    reshards: false,
    keepsKeys: false,
    lacksIds: true,
  },
  dynamodb: { homes: 3, records: 16, maxLateness: '1d', reshards: true, keepsKeys: false },
};

/** So few records that every fault can be tried at every step. */
export const SMALL: Extent = { homes: 2, records: 4 };
