import { type Explanation, explain, UnknownKeyError } from '../engine/inspect/explain.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type LookOptions, withKept } from './kept.ts';
import { percent, plural, shown, span, tableText, thousands } from './text.ts';

/**
 * Explains a key of a pipeline on standard output.
 *
 * @returns the exit code: 0, or 1 where there is no such key
 * @throws Error when the pipeline's data cannot be read
 */
export async function explainCommand(
  pipeline: Pipeline,
  key: string,
  { json, ...where }: LookOptions,
): Promise<number> {
  try {
    const explanation = await withKept(pipeline, where, ({ engine }) => explain(engine, pipeline, key));
    process.stdout.write(json ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation));
    return 0;
  } catch (error) {
    if (!(error instanceof UnknownKeyError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

function explanationText(explanation: Explanation): string {
  const { pipeline, key, group, watermark, ids, windows } = explanation;
  const byTime = windows.filter(({ waitsFor }) => waitsFor === 'watermark');
  const byRecords = windows.filter(({ waitsFor }) => waitsFor === 'records');
  const { silenceAddsMillis } = watermark;
  const rows = byTime.flatMap(({ window, first }) =>
    first.map(({ start, end, count, recordFrom, silenceUntil }) => [
      window,
      start,
      end,
      count,
      recordFrom,
      silenceUntil,
    ]),
  );
  return `${[
    `Key "${shown(key)}" of "${pipeline}" at ${explanation.at}`,
    `  in log ${group.log}, with ${plural(group.keys, 'key')}: ${plural(explanation.stateBytes, 'byte')} of state, of ${thousands(group.stateBytes)}`,
    `  the group is at ${percent(group.roomUsed)} of the weight from which on it takes in no records of new keys`,
    '',
    `Watermark ${watermark.now}`,
    `  the greatest event time is ${watermark.maxEventTime}, less outOfOrderness ${span(watermark.outOfOrdernessMillis)}`,
    `  the last record arrived ${watermark.lastArrival}; after ${span(watermark.idleAfterMillis)} of silence event time passes by itself`,
    ...(silenceAddsMillis > 0
      ? [`  silence would add ${span(silenceAddsMillis)} by now, if nothing waits at the source`]
      : []),
    ...(ids === undefined
      ? []
      : [
          '',
          `${plural(ids.count, 'record is', 'records are')} known by an id when they come again`,
          ids.count === 1
            ? `  the id is forgotten once the watermark reaches ${ids.firstUntil}`
            : `  the first id is forgotten once the watermark reaches ${ids.firstUntil}, the last at ${ids.lastUntil}`,
        ]),
    '',
    rows.length === 0
      ? 'No window waits for the watermark'
      : `Open windows, and what closes each: a record of that time or later, or silence until then\n${tableText(
          ['window', 'from', 'until', 'records', 'a record from', 'silence until'],
          rows,
        )}`,
    ...byTime.flatMap(({ window, open, first }) =>
      open > first.length ? [`  and ${thousands(open - first.length)} more of ${window}`] : [],
    ),
    ...(explanation.nextIdleClose === undefined
      ? []
      : [
          `Silence closes the next at ${explanation.nextIdleClose}, or within some 70 s of it, as the sweeper comes by`,
        ]),
    ...byRecords.map(({ window, first: [filling] }) =>
      filling === undefined
        ? `${window} waits for records, not for time`
        : `${window} waits for records, not for time: it holds ${thousands(filling.count)} so far`,
    ),
    '',
    'Last commits of the group',
    tableText(
      ['entry', 'at', 'applied', 'late', 'panes', 'bytes'],
      group.commits.map(({ ordinal, at, applied, late, panes, bytes }) => [
        ordinal,
        at,
        applied ?? '?',
        Object.entries(late)
          .map(([window, count]) => `${thousands(count)} for ${window}`)
          .join(', '),
        panes,
        thousands(bytes),
      ]),
    ),
  ].join('\n')}\n`;
}
