import { isoTime } from '../core/time.ts';
import { type AuditProgress, type AuditReport, audit, type Finding } from '../engine/inspect/audit.ts';
import { auditPanes, type PanesAudit } from '../engine/inspect/audit-panes.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Sink } from '../pipeline/sinks.ts';
import { chainOf, upstreamOf } from '../pipeline/upstream.ts';
import { type LookOptions, withKept } from './kept.ts';
import { lateLines } from './screen.ts';
import { percent, plural, progressOn, span, tableText, thousands } from './text.ts';

/**
 * Audits what a pipeline keeps, and writes the report to standard output.
 *
 * @returns the exit code: 0 when there is no finding, 1 otherwise
 * @throws Error when the pipeline's data cannot be read
 */
export async function auditCommand(pipeline: Pipeline, { json, ...where }: LookOptions): Promise<number> {
  // A directory holds the whole chain, and a stack one pipeline.
  const links = where.data === undefined ? [pipeline] : chainOf(pipeline);
  const codes: number[] = [];
  for (const link of links) codes.push(await auditLink(link, { json, ...where }));
  return Math.max(...codes);
}

/** Audits a pipeline, and what it has taken in of the panes that it reads. */
async function auditLink(pipeline: Pipeline, { json, ...where }: LookOptions): Promise<number> {
  const progress = progressOn(process.stderr);
  const of = upstreamOf(pipeline);
  const report = await withKept(pipeline, where, async ({ ports, upstream }) => {
    const own = await audit(ports, pipeline, { onProgress: (done) => progress.tell(toldOf(done)) });
    const read = of && (await auditPanes(ports, upstream(of), pipeline));
    if (read === undefined) return own;
    const { findings, ...panesRead } = read;
    return { ...own, panesRead, ...joined(own, findings) };
  }).finally(progress.end);
  process.stdout.write(
    json ? `${JSON.stringify({ ...report, at: isoTime(report.at) }, null, 2)}\n` : reportText(report),
  );
  return report.findings.length === 0 ? 0 : 1;
}

type Report = AuditReport & { readonly panesRead?: Omit<PanesAudit, 'findings'> };

/** Adds findings to those of a report. */
function joined(
  { findings, counts }: Pick<AuditReport, 'findings' | 'counts'>,
  more: readonly Finding[],
): Pick<AuditReport, 'findings' | 'counts'> {
  const kinds = [...new Set(more.map(({ kind }) => kind))];
  const numberOf = (kind: Finding['kind']) => more.filter((finding) => finding.kind === kind).length;
  return {
    findings: [...findings, ...more],
    counts: {
      ...counts,
      ...Object.fromEntries(kinds.map((kind) => [kind, (counts[kind] ?? 0) + numberOf(kind)])),
    },
  };
}

/** The report's word for how far each kind of sink is covered. */
const PROJECTORS: { readonly [Kind in Sink['kind']]: (name: string) => string } = {
  table: () => 'row cursor',
  bucket: () => 'intents',
  notify: (name) => `sink "${name}"`,
  stream: (name) => `sink "${name}"`,
  push: (name) => `sink "${name}"`,
  sink: (name) => `sink "${name}"`,
};

/** Says how far an audit has come. */
const toldOf = ({ what, done, of }: AuditProgress): string =>
  `${thousands(done)}${of === undefined ? '' : ` of ${thousands(of)}`} ${what} read`;

function reportText(report: Report): string {
  const { panesRead, records, logs, objects, rows, projectors, findings, counts } = report;
  const { applied, lateForAll, poison, late } = records;
  const lines: (readonly [what: string, text: string])[] = [
    [
      'records',
      `${thousands(applied + lateForAll + poison)} taken in: ${thousands(applied)} applied, ${thousands(lateForAll)} late for every window, ${thousands(poison)} poison (duplicate and filtered ones are metrics, of which the logs know nothing)`,
    ],
    ...lateLines(late).map((line) => ['', line] as const),
    ...(panesRead
      ? [
          [
            'panes read',
            `${thousands(panesRead.read)} of the ${plural(panesRead.panes, 'pane')} that "${panesRead.upstream}" holds for it${panesRead.ageMillis === undefined ? '' : `, the oldest of the others ${span(panesRead.ageMillis)} old`}`,
          ] as const,
        ]
      : []),
    [
      'logs',
      `${plural(logs.groups, 'group')} of generation ${logs.generation}, ${plural(logs.entries, 'entry', 'entries')}, ${plural(logs.panes, 'pane')}${logs.cut > 0 ? `; entries of ${plural(logs.cut, 'log')} are gone` : ''}`,
    ],
    ...(logs.crowded.length > 0 ? [['crowded', crowdedText(logs.crowded)] as const] : []),
    ...(objects
      ? [
          [
            'objects',
            `${thousands(objects.objects)}, with ${plural(objects.panes, 'pane')}${unverified(objects.unverified, 'searched for doubles only')}`,
          ] as const,
        ]
      : []),
    ...(rows
      ? [['rows', `${thousands(rows.checked)}${unverified(rows.unverified, 'not looked into')}`] as const]
      : []),
    ...projectors.map(
      ({ sink, name, entries, ageMillis, unfinished, skipped }) =>
        [
          PROJECTORS[sink](name),
          `${ageMillis === undefined ? 'up to the logs' : `${plural(entries, 'entry', 'entries')} behind, the oldest ${span(ageMillis)} old`}${unfinished ? `; intent ${unfinished.ordinal} is unfinished for ${span(unfinished.ageMillis)}` : ''}${skippedText(skipped)}`,
        ] as const,
    ),
  ];
  const found = Object.values(counts).reduce((total, count) => total + count, 0);
  const more =
    found > findings.length ? `\nthe first ${thousands(findings.length)} of ${thousands(found)}` : '';
  return [
    `Audit of "${report.pipeline}" at ${isoTime(report.at)}\n`,
    tableText(['', ''], lines).trimStart(),
    found === 0
      ? '\nNothing found: every pane is where it belongs, once.\n'
      : `\n${plural(found, 'finding')}\n${tableText(['finding', 'where', 'what'], findings.map(rowOf))}${more}\n`,
  ].join('\n');
}

/** Says what a sink has lost, as its projector skipped it when it was resumed. */
const skippedText = (skipped: AuditReport['projectors'][number]['skipped']): string =>
  skipped
    .map(
      ({ log, from, to }) => `; entries ${from + 1} to ${to} of log ${log} were skipped by "millrace resume"`,
    )
    .join('');

/** Names the groups that will soon refuse records of new keys, the fullest first. */
function crowdedText(crowded: AuditReport['logs']['crowded']): string {
  const fullest = crowded.toSorted((a, b) => b.roomUsed - a.roomUsed).slice(0, 3);
  const shares = fullest.map(({ log, roomUsed }) => `${log} at ${percent(roomUsed)}`);
  return `${plural(crowded.length, 'group')} of half the weight at which records of new keys are refused, or more: ${shares.join(', ')}; "millrace rescale" makes more groups`;
}

const unverified = (count: number, what: string): string =>
  count > 0 ? `; ${thousands(count)} more hold what the logs no longer tell of: ${what}` : '';

/** Returns the row of a finding: its kind, where it is, and what is wrong there. */
function rowOf(finding: Finding): readonly [kind: string, where: string, what: string] {
  const [where, what] = describe(finding);
  return [finding.kind, where, what];
}

function describe(finding: Finding): readonly [where: string, what: string] {
  switch (finding.kind) {
    case 'gap':
      return [finding.log, `no entries after ${finding.after} until ${finding.next}`];
    case 'lost-log':
      return [finding.log, 'it was written to, and has no entries'];
    case 'lost-base':
      return [
        `${finding.log} ${finding.ordinal}`,
        `it holds what changed since entry ${finding.base}, which is gone`,
      ];
    case 'unreadable-entry':
      return [`${finding.log} ${finding.ordinal}`, finding.reason];
    case 'counters':
      return [
        `${finding.log} ${finding.ordinal}`,
        `${finding.counter} moved by ${finding.counted}, where the entry accounts for ${finding.listed}`,
      ];
    case 'position-fell':
      return [`${finding.log} ${finding.ordinal}`, `the position of ${finding.lineage} went back`];
    case 'watermark-fell':
      return [`${finding.log} ${finding.ordinal}`, `the watermark of key ${finding.key} went back`];
    case 'revision':
      return [
        `${finding.log} ${finding.ordinal}`,
        `pane ${finding.pane}, where ${finding.expected} was next`,
      ];
    case 'definition':
      return [`${finding.log} ${finding.ordinal}`, 'a version, or a generation, was taken back'];
    case 'seal':
      return [
        `${finding.log} ${finding.ordinal}`,
        {
          followed: 'it follows the entry that ends the log',
          missing: 'the entry that ends the log must follow, as a later generation has its keys',
          unexpected: 'it ends the log, and no later generation goes on',
        }[finding.fault],
      ];
    case 'takeover':
      return [finding.log, 'it does not begin with what the groups of the generation before came to'];
    case 'unbegun-group':
      return [finding.log, `its generation began ${span(finding.ageMillis)} ago, and it did not`];
    case 'cursor':
      return [`${finding.log} ${finding.ordinal}`, `log ${finding.of} does not go on where it ended before`];
    case 'missing-poison':
    case 'missing-late':
      return [
        `${finding.log} ${finding.ordinal}`,
        `${plural(finding.records, finding.kind === 'missing-late' ? 'late record' : 'refused record')} not kept in ${finding.object}`,
      ];
    case 'missing-pane':
    case 'differing-pane':
    case 'unknown-pane':
    case 'misfiled-pane':
      return [finding.object, finding.pane];
    case 'doubled-pane':
      return [finding.object, `${finding.pane}, which is in ${finding.other}, too`];
    case 'missing-object':
      return [finding.object, `named by intent ${finding.intent}`];
    case 'stray-object':
      return [finding.object, 'no intent names it'];
    case 'unreadable-object':
      return [finding.object, finding.reason];
    case 'unfinished-intent':
      return [`${finding.log} ${finding.ordinal}`, `for ${span(finding.ageMillis)}`];
    case 'missing-row':
    case 'differing-row':
    case 'unknown-row':
      return [finding.partition, finding.row];
    case 'unread-pane':
      return [finding.log, `pane ${finding.position} of log ${finding.lineage} was read, and is not in`];
    case 'pane-count':
      return [
        finding.log,
        `${thousands(finding.counted)} records were taken in, where there are ${plural(finding.expected, 'pane')} to take in`,
      ];
    case 'trailing-projector':
      return [
        finding.log,
        `${plural(finding.entries, 'entry', 'entries')} behind, the oldest ${span(finding.ageMillis)} old`,
      ];
  }
}
