import { hashOf } from '../engine/group/key-group.ts';
import { decodeRecord } from '../engine/intake/decode.ts';
import { type Pane, type Pipeline, panesOf } from '../index.ts';
import type { Revisions } from '../pipeline/sources/panes.ts';
import type { SourceRecord } from '../ports/source.ts';
import { drawCase, drawVersions } from './draw.ts';
import { BAD, type Drawn, type DrawnReading, type Form } from './draw-source.ts';
import type { Random } from './random.ts';
import { panesIn, type Recording } from './recording.ts';
import type { Case, Lineage, Truth } from './truth.ts';

const KINDS: readonly Drawn[] = ['kinesis', 'sqs', 'kafka'];

/** Draws the pipeline whose panes are read, and the records of its source. */
export function drawFirst(random: Random): Case {
  const drawn = drawCase(random, random.pick(KINDS));
  const renamed = drawn.versions.map((pipeline) => ({ ...pipeline, name: 'up' }));
  return { ...drawn, versions: renamed as unknown as Case['versions'] };
}

const PLAIN: Form = {
  isPacked: false,
  isLines: false,
  isExpanded: false,
  isIdentified: false,
  readsFields: false,
};

/** Has a pipeline forget no key: a pane may come any time after its window, as the one that is read may stand still. */
const remembering = (pipeline: Pipeline): Pipeline => {
  const { rules } = pipeline;
  return { ...pipeline, rules: { ...rules, time: { ...rules.time, maxLateness: undefined } } };
};

/** Makes a reading of a pane, some of which throw as they are made or taken in. */
function readingOf({ key, end, revision, count, kind, window }: Pane): DrawnReading {
  if (count % 11 === 10) throw new Error('a pane that cannot be read');
  return {
    // Panes of several keys come to one.
    key: `${key.slice(0, 2)}${window.length % 2}`,
    at: Date.parse(end) - 1,
    value: count + revision,
    tag: count % 7 === 6 ? BAD : kind,
    skip: count % 5 === 4,
  };
}

/** Draws a pipeline that reads what another has recorded, in its versions, with the panes as records. */
export function drawReader(random: Random, of: Pipeline, recording: Recording): Case {
  const settles = of.rules.windows.filter(
    ({ operator }) => operator.identity !== 'none' && (operator.ordered || of.allowedLateness === 0),
  );
  const one = random.pick(of.rules.windows).name;
  const revisions: Revisions =
    settles.some(({ name }) => name === one) && random.chance(0.6) ? 'settled' : 'all';
  const window = revisions === 'all' && random.chance(0.4) ? undefined : one;
  const source = panesOf(of as Pipeline<Pane>, window, { revisions }).map(readingOf as never);
  const [first, ...later] = drawVersions(random, 'kafka', PLAIN, source).map(remembering);
  const versions = [first as Pipeline, ...later] as const;
  const truths = panesIn(recording, versions[0]).map(({ record }) => truthOf(versions, record));
  const lineages = new Map<string, Truth[]>();
  for (const truth of truths) lineages.set(truth.lineage, [...(lineages.get(truth.lineage) ?? []), truth]);
  return {
    versions,
    lineages: [...lineages].map(([name, own]): Lineage => ({ name, parents: [], truths: own })),
    recording,
    resent: () => {
      throw new Error('No pane goes to a dead-letter queue');
    },
  };
}

/** What each version makes of a pane: the same, but for the values that its windows read. */
function truthOf(versions: Case['versions'], record: SourceRecord): Truth {
  const decoded = versions.map((version) => decodeRecord(version, record));
  const [first] = decoded;
  const fate = first?.outcome as Truth['fate'];
  if (first?.outcome !== 'record') return { ...record, fate, hash: hashOf(record.partitionKey) };
  const values = decoded.map((one) => (one.outcome === 'record' ? one.record.values : []));
  return {
    ...record,
    fate,
    hash: hashOf(first.key),
    content: { key: first.key, at: first.record.at, values },
  };
}
