/** A text of a source file, which is in it exactly once, and what stands in its place. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A rule of docs/protocol.md or docs/semantics.md, taken away or weakened. */
export interface Mutant extends Edit {
  readonly name: string;
  readonly rule: string;
  /** What else has to change for the code to do otherwise: a second check of the same, or a bound that schedules stay below. */
  readonly also?: readonly Edit[];
  /** Sources to begin with; the others follow. */
  readonly sources?: readonly string[];
  /** The test that finds it, where no schedule goes. */
  readonly killedBy?: string;
  /** Which one of that file, where it alone will do. */
  readonly title?: string;
}

/** Schedules are small: with bounds as small, they spill, cut commits, and stop within an entry. None breaks a rule. */
export const SMALL_BOUNDS: readonly Edit[] = [
  {
    file: 'src/ports/limits.ts',
    find: 'inline: 12_000,',
    replace: 'inline: 400,',
  },
  {
    file: 'src/engine/intake/commit-group.ts',
    find: 'let atMost = records.length;',
    replace: 'let atMost = 2;',
  },
  {
    file: 'src/ports/limits.ts',
    find: 'rowsStep: 16_000,',
    replace: 'rowsStep: 5,',
  },
  {
    file: 'src/ports/limits.ts',
    find: 'objectsStep: 20_000,',
    replace: 'objectsStep: 7,',
  },
  {
    file: 'src/engine/format/next-entry.ts',
    find: 'const MAX_TAIL_ENTRIES = 128;',
    replace: 'const MAX_TAIL_ENTRIES = 8;',
  },
];

export const MUTANTS: readonly Mutant[] = [
  // Time.
  {
    name: 'watermark falls',
    rule: 'The watermark never falls',
    file: 'src/core/key.ts',
    find: 'watermarks[AFTER] = Math.max(met, at - outOfOrderness);',
    replace: 'watermarks[AFTER] = at - outOfOrderness;',
    also: [
      {
        file: 'src/core/key.ts',
        find: 'if ((watermarks[AFTER] as number) > met) this.#advance(watermarks[AFTER] as number, panes);',
        replace: 'this.#advance(watermarks[AFTER] as number, panes);',
      },
    ],
  },
  {
    name: 'silence waits for the sweeper',
    rule: 'Before a record is applied the watermark advances as if now were its arrival',
    file: 'src/core/key.ts',
    find: 'this.pass(this.reachedBy(arrival), undefined, panes);',
    replace: '',
  },
  {
    name: 'silence closes at whatever time it is seen',
    rule: 'Where silence closed a window, its pane carries the watermark `end`',
    file: 'src/core/key.ts',
    find: 'this.#advance(shown, panes);',
    replace: 'this.#advance(shown ?? watermark, panes);',
  },
  {
    name: 'an earlier arrival ends a silence',
    rule: 'A key is silent from its last arrival on',
    file: 'src/core/key.ts',
    find: 'if (arrival > this.#lastArrival) this.#lastArrival = arrival;',
    replace: 'this.#lastArrival = arrival;',
    sources: ['sqs'],
  },
  {
    name: 'a key is forgotten with what it keeps',
    rule: 'Only a key that keeps no records begins anew',
    file: 'src/core/key.ts',
    find: 'return this.#windows.every((window) => window.isEmpty(this.watermark));',
    replace: 'return true;',
  },
  {
    name: 'only the sweeper forgets',
    rule: 'A forgotten key begins anew whether or not the sweeper came by',
    file: 'src/core/key.ts',
    find: 'if (maxLateness !== undefined && this.#isForgotten(arrival)) this.#begin();',
    replace: '',
    killedBy: 'test/engine/intake/engine.test.ts',
    title: 'takes its next record in the same way',
  },
  {
    name: 'the frontier is not asked',
    rule: 'Silence is only silence if nothing is waiting',
    file: 'src/engine/intake/sweep.ts',
    find: 'return frontier && before(Math.min(now, frontier) as EpochMillis, MARGIN);',
    replace: 'return before(now, MARGIN);',
  },
  {
    name: 'no margin for clocks',
    rule: "The sweeper's now is 10 s before the earlier of the clock and the frontier",
    file: 'src/engine/intake/sweep.ts',
    find: "const MARGIN = millis('10s');",
    replace: "const MARGIN = millis('0s');",
  },
  {
    name: 'an unknown frontier is now',
    rule: 'Where the frontier is unknown, event time does not pass by itself',
    file: 'src/engine/intake/sweep.ts',
    find: 'return undefined;\n  }\n}',
    replace: 'return now;\n  }\n}',
  },
  {
    name: 'the future is taken in',
    rule: 'An event time more than `maxFutureSkew` ahead of its arrival is refused',
    file: 'src/engine/intake/decode.ts',
    find: 'if (at > after(arrival, pipeline.maxFutureSkew)) {',
    replace: 'if (false) {',
  },
  {
    name: 'late records are not listed',
    rule: 'The commit that moves past a late record lists it',
    file: 'src/engine/intake/fold.ts',
    find: 'late.push({ key, at: time, lineage, position, watermark, windows, applied });',
    replace:
      'if (late.length === 0) late.push({ key, at: time, lineage, position, watermark, windows, applied });',
  },
  {
    name: 'a record that one window takes is late for none',
    rule: 'Each window counts what it refuses by itself',
    file: 'src/engine/intake/fold.ts',
    find: 'if (refusing > 0) {',
    replace: 'if (!applied) {',
  },
  {
    name: 'a late record is late for all windows',
    rule: 'The commit that moves past a late record lists the windows that refused it',
    file: 'src/engine/intake/fold.ts',
    find: 'const windows = panes.refusing.slice(0, refusing).map((place) => nameIn(rules, place));',
    replace: 'const windows = rules.windows.map(({ name }) => name);',
  },

  // Commit: one write under one condition.
  {
    name: 'a lost race counts as won',
    rule: 'The ordinal is taken: another writer was first',
    file: 'src/engine/intake/commit-group.ts',
    find: "if ((await logs.append(index, next)) === 'conflict') {",
    replace: "if ((await logs.append(index, next)) === ('never' as string)) {",
  },
  {
    name: 'the winner is not adopted',
    rule: 'Its entry is adopted, the records that it covers are dropped, the rest is folded again',
    file: 'src/engine/intake/commit-group.ts',
    find: 'group = await logs.load(index);\n        continue;',
    replace: 'group = { ...group, ordinal: group.ordinal + 1 };\n        continue;',
  },
  {
    name: 'what is in is not dropped',
    rule: 'Records that an entry covers are dropped',
    file: 'src/engine/group/taken.ts',
    find: 'if (!isNew) return false;',
    replace: '',
  },
  {
    name: 'positions are texts',
    rule: 'Positions compare as the whole numbers they are',
    file: 'src/core/position.ts',
    find: 'a.length === b.length ? a > b : a.length > b.length;',
    replace: 'a > b;',
  },
  {
    name: 'a batch moves its last lineage alone',
    rule: 'A position per lineage says which records are in',
    file: 'src/engine/group/taken.ts',
    find: 'if (records[at + 1]?.lineage !== lineage) reached.set(',
    replace: 'if (at === records.length - 1) reached.set(',
    sources: ['fifo', 'kafka'],
  },
  {
    name: 'a lineage forgets a record between others',
    rule: 'A position per lineage says which records are in',
    file: 'src/engine/group/taken.ts',
    find: 'last = reached.get(lineage);\n',
    replace: '\n',
    sources: ['fifo', 'kafka'],
  },
  {
    name: 'a commit that fails is done',
    rule: 'The handler answers with what is left to do',
    file: 'src/engine/intake/commit-group.ts',
    find: "return { outcome: 'stopped', uncommitted, cause };",
    replace: "return { outcome: 'committed' };",
  },
  {
    name: 'one batch at a time is kept',
    rule: 'An environment may be given several batches at once: what one is about is its own',
    file: 'src/handlers.ts',
    find: 'const records = recordsOf(event, ports.clock.now(), pipeline.source);',
    replace: 'records = recordsOf(event, ports.clock.now(), pipeline.source);',
    also: [
      {
        file: 'src/handlers.ts',
        find: 'return async (event: unknown, invocation: InvocationContext)',
        replace:
          'let records: readonly SourceRecord[];\n  return async (event: unknown, invocation: InvocationContext)',
      },
    ],
  },
  {
    name: 'a failed start is kept',
    rule: 'An environment that met a fault at its start asks again',
    file: 'src/handlers.ts',
    find: 'if (value === finding) forget();',
    replace: '',
  },
  {
    name: 'a batch asks for its generation once',
    rule: 'However often the generation changes while a batch is taken in, the batch goes on with the last',
    file: 'src/engine/intake/process-batch.ts',
    find: 'if (found === undefined || isSameDeployment(tried, found.deployment)) break;',
    replace: 'if (found === undefined || tried !== deployment) break;',
    killedBy: 'test/engine/log/rescale.test.ts',
    title: 'though the groups change twice in the middle of their batch',
  },
  {
    name: 'a stopped group gives one record back',
    rule: 'A group that cannot be committed stops there: its later records are never applied before an earlier one',
    file: 'src/engine/intake/commit-group.ts',
    find: "return { outcome: 'stopped', uncommitted, cause };",
    replace: "return { outcome: 'stopped', uncommitted: uncommitted.slice(0, 1), cause };",
    sources: ['fifo', 'sqs'],
  },
  {
    name: 'a stopped group gives its last record back',
    rule: 'A group that cannot be committed stops there',
    file: 'src/engine/intake/commit-group.ts',
    find: "return { outcome: 'stopped', uncommitted, cause };",
    replace: "return { outcome: 'stopped', uncommitted: uncommitted.slice(-1), cause };",
  },
  {
    name: 'a commit without an answer is done',
    rule: 'A commit that has no answer by the deadline: its records are asked for again',
    file: 'src/engine/intake/process-batch.ts',
    find: "(): GroupOutcome => ({ outcome: 'stopped', uncommitted, cause: TIME_IS_UP }),",
    replace: "(): GroupOutcome => ({ outcome: 'committed' }),",
  },
  {
    name: 'the rest of a cut batch is left out',
    rule: 'Half of the records are tried, the rest follows in the next entry',
    file: 'src/engine/intake/commit-group.ts',
    find: 'uncommitted = uncommitted.slice(taken);',
    replace: 'uncommitted = [];',
    also: SMALL_BOUNDS,
  },
  {
    name: 'progress is noted past what stopped',
    rule: 'The frontier: the arrival time before which everything has been committed',
    file: 'src/engine/intake/process-batch.ts',
    find: 'for (const { lineage } of unfinished) lasts.delete(lineage);',
    replace: '',
    sources: ['kinesis'],
  },
  {
    name: 'progress that was not noted is let go',
    rule: 'Where noting fails the last record is asked for again',
    file: 'src/engine/intake/process-batch.ts',
    find: 'again.add(last);',
    replace: '',
    sources: ['kinesis'],
  },

  // Room in an entry, in a step and in a group.
  {
    name: 'a full group takes in new keys',
    rule: 'From a weight on records of new keys are refused, so that those which are there go on',
    file: 'src/engine/intake/fold.ts',
    find: 'if (weight >= newKeys) {',
    replace: 'if (weight === Number.POSITIVE_INFINITY) {',
    killedBy: 'test/engine/group/room.test.ts',
  },
  {
    name: 'a step is bounded in panes alone',
    rule: 'A step of a projector takes no more panes than there is memory for',
    file: 'src/engine/delivery/stretch.ts',
    find: 'panes <= 0 || bytes <= 0;',
    replace: 'panes <= 0 && bytes <= Number.POSITIVE_INFINITY;',
    killedBy: 'test/engine/delivery/resume.test.ts',
  },
  {
    name: 'a gap of one group stops the others',
    rule: 'A projector delivers what the other groups have where entries of one have expired',
    file: 'src/engine/delivery/stretch.ts',
    find: 'if (!(error instanceof LogLostError)) throw error;',
    replace: 'throw error;',
    killedBy: 'test/engine/delivery/resume.test.ts',
  },
  {
    name: 'a restored log names objects as before',
    rule: 'The names of objects say which incarnation of the logs decided them',
    file: 'src/engine/group/incarnation.ts',
    find: 'incarnation === 0 ?',
    replace: 'incarnation >= 0 ?',
    killedBy: 'test/engine/delivery/restore.test.ts',
  },
  {
    name: 'any source is read',
    rule: 'Records of another source than the pipeline reads are refused',
    file: 'src/engine/group/sources.ts',
    find: 'if (present === next && version <= before.version) return before;',
    replace: 'return before;',
    killedBy: 'test/engine/group/source-identity.test.ts',
  },
  {
    name: 'a renewal waits for the source',
    rule: 'What must not expire is renewed whatever the source does',
    file: 'src/engine/intake/sweep.ts',
    find: 'let group = await renewed(ports, logs, index, loaded);\n  const now = (await silence) ?? NEVER;',
    replace:
      'const now = (await silence) ?? NEVER;\n  let group = await renewed(ports, logs, index, loaded);',
    killedBy: 'test/engine/intake/deadlines.test.ts',
  },
  {
    name: 'a session closes at its end',
    rule: 'A session closes only once nothing that would join it is on time',
    file: 'src/core/windows/session.ts',
    find: 'return this.#end(row) + 1;',
    replace: 'return this.#end(row);',
    killedBy: 'test/core/windows.test.ts',
  },
  // Time that a service or a handler has.
  {
    name: 'no time is left for the answer',
    rule: 'No commit is begun in the last two seconds of an invocation',
    file: 'src/handlers.ts',
    find: 'const ANSWER_MARGIN = 2_000;',
    replace: 'const ANSWER_MARGIN = 0;',
    killedBy: 'test/engine/intake/deadlines.test.ts',
  },
  {
    name: 'a sweep goes on past its deadline',
    rule: 'A sweep visits no group at or after its deadline',
    file: 'src/engine/intake/sweep.ts',
    find: 'if (ports.clock.now() >= deadline) return { open: 0, panes: 0 };',
    replace: '',
    killedBy: 'test/engine/intake/deadlines.test.ts',
  },
  {
    name: 'every sweep begins with the first group',
    rule: 'A sweep that runs out of time begins with another group the next minute',
    file: 'src/engine/intake/sweep.ts',
    find: 'const first = Math.floor(clock / EVERY) % groups;',
    replace: 'const first = 0;',
    killedBy: 'test/engine/intake/deadlines.test.ts',
  },
  {
    name: 'an alarm is never given up',
    rule: 'What waits for a deadline holds nothing in memory once there is an answer',
    file: 'src/ports/clock.ts',
    find: 'work.finally(giveUp).then(',
    replace: 'work.then(',
    killedBy: 'test/engine/intake/deadlines.test.ts',
  },
  {
    name: 'an empty page is the end of its shard',
    rule: 'Pages that hold nothing are usual on a sparse shard',
    file: 'src/adapters/kinesis/arrivals.ts',
    find: 'if (read.MillisBehindLatest === 0) return now;',
    replace: 'return now;',
    killedBy: 'test/adapters/kinesis-arrivals.test.ts',
  },
  {
    name: 'an expired iterator is an error',
    rule: 'Where an iterator has expired the shard is searched anew',
    file: 'src/adapters/kinesis/arrivals.ts',
    find: 'if (error instanceof ExpiredIteratorException) return undefined;',
    replace: '',
    killedBy: 'test/adapters/kinesis-arrivals.test.ts',
  },
  {
    name: '403 is taken for 404',
    rule: 'An object that may not be looked at may be there',
    file: 'src/adapters/s3/objects.ts',
    find: 'if (statusOf(error) === 404) return false;',
    replace: 'if (statusOf(error) === 404 || statusOf(error) === 403) return false;',
    killedBy: 'test/adapters/ports.contract.test.ts',
  },

  // Commit: deltas, snapshots, what is in memory.
  {
    name: 'a delta leaves out what is new of a lineage',
    rule: 'A delta holds the lineages that moved',
    file: 'src/engine/format/next-entry.ts',
    find: 'before.get(lineage)?.position === position ? []',
    replace: 'before.has(lineage) ? []',
    sources: ['fifo', 'kafka'],
  },
  {
    name: 'a delta drops nothing at the front',
    rule: 'A delta holds how many rows each table lost at the front',
    file: 'src/engine/format/next-entry.ts',
    find: 'cuts.numbers[at] = drop;',
    replace: 'cuts.numbers[at] = 0;',
  },
  {
    name: 'a delta keeps keys that are gone',
    rule: 'A delta holds what differs from the entry before',
    file: 'src/engine/format/next-entry.ts',
    find: 'gone.push(place);',
    replace: '',
  },
  {
    name: 'a delta counts refused ids where they came',
    rule: 'A delta names keys by their places',
    file: 'src/engine/format/read-group.ts',
    find: 'const names = [...this.#tables.keys()].toSorted((a, b) => Number(a === REFUSED) - Number(b === REFUSED));',
    replace: 'const names = [...this.#tables.keys()];',
    sources: ['sqs'],
  },
  {
    name: 'a base is the entry before',
    rule: 'Every entry names its base, the last snapshot: reading begins there',
    file: 'src/engine/format/next-entry.ts',
    find: '? writeState(deployment, before, folded, keys, base.ordinal,',
    replace: '? writeState(deployment, before, folded, keys, before.ordinal,',
  },
  {
    name: 'a snapshot never grows old',
    rule: 'A snapshot is due when the last is a quarter of an entry’s life old',
    file: 'src/engine/format/next-entry.ts',
    find: 'mustRenew(base.committedAt, now) ||',
    replace: '',
  },
  {
    name: 'the sweeper renews nothing',
    rule: 'The sweeper visits every group and writes a snapshot where the last is older than two days',
    file: 'src/engine/intake/sweep.ts',
    find: 'if (group.base === undefined || !mustRenew(group.base.committedAt, now)) return group;',
    replace: 'return group;',
  },
  {
    name: 'what is in memory is the group',
    rule: 'Warm environments read what was appended since',
    file: 'src/engine/log/group-logs.ts',
    find: 'const entries = await entriesAfter(log, name, cached.ordinal);',
    replace: 'const entries: readonly LogEntry[] = [];',
  },
  {
    name: 'a lost race stays in memory',
    rule: 'Warm environments keep groups as they were appended',
    file: 'src/engine/log/group-logs.ts',
    find: "if (outcome === 'committed') this.#cache?.set(",
    replace: 'this.#cache?.set(',
  },
  {
    name: 'an answer is the whole tail',
    rule: 'Reading goes on to the last entry, in as many answers as it takes',
    file: 'src/engine/log/group-logs.ts',
    find: 'last = end.ordinal;\n  }',
    replace: 'return entries;\n  }',
  },
  {
    name: 'a tail without its snapshot is read',
    rule: 'A base that is gone is an error',
    file: 'src/engine/log/group-logs.ts',
    find: 'if (entries[0]?.ordinal !== base) {',
    replace: 'if (false) {',
    killedBy: 'test/engine/log/log.test.ts',
  },
  {
    name: 'an old memory is trusted',
    rule: 'What was kept for more than an eighth of an entry’s life is read anew',
    file: 'src/engine/log/group-cache.ts',
    find: 'after(cached.readAt, MAX_CACHED_AGE) <= now',
    replace: 'false',
    killedBy: 'test/engine/log/log.test.ts',
  },
  {
    name: 'what does not follow is gone on from',
    rule: 'What does not follow is read anew from the last snapshot',
    file: 'src/engine/log/group-logs.ts',
    find: 'return follows ? readGroup(deployment, cached, entries) : undefined;',
    replace: 'return follows ? readGroup(deployment, cached, entries) : cached;',
    killedBy: 'test/engine/log/log.test.ts',
  },

  // Commit: bodies beside the log.
  {
    name: 'the entry before its object',
    rule: 'A body that spills is created as an object, and the entry names it',
    file: 'src/engine/log/spill.ts',
    find: "await objects.create(object, { body, contentType: 'application/octet-stream' });",
    replace:
      "void Promise.resolve().then(() => objects.create(object, { body, contentType: 'application/octet-stream' })).catch(() => {});",
    also: SMALL_BOUNDS,
  },
  {
    name: 'one name for every body of an ordinal',
    rule: 'A name is never used for other bytes',
    file: 'src/engine/log/spill.ts',
    find: '{hashOf(body)}`',
    replace: "{''}`",
    also: [
      ...SMALL_BOUNDS,
      {
        file: 'src/engine/log/spill.ts',
        find: 'body === undefined || !name.endsWith(hashOf(body))',
        replace: 'body === undefined',
      },
    ],
  },

  {
    name: 'a body keeps its age',
    rule: 'A body beside the log is created on the day of its commit, and so outlives the entry that names it',
    file: 'src/engine/log/spill.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    find: '${place.ordinal}-${day}-${hashOf(body)}',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    replace: '${place.ordinal}-${hashOf(body)}',
    sources: ['kafka'],
  },

  // Commit: ids of a queue.
  {
    name: 'ids that are in are not asked for',
    rule: 'Each key keeps the ids of its records until no window would take them in again',
    file: 'src/engine/group/taken.ts',
    find: 'if (taken.has(place) || refused.has(place)) return false;',
    replace: 'if (refused.has(place)) return false;',
    sources: ['sqs'],
  },
  {
    name: 'refused ids are not asked for',
    rule: 'Ids of refused records are kept',
    file: 'src/engine/group/taken.ts',
    find: 'if (taken.has(place) || refused.has(place)) return false;',
    replace: 'if (taken !== refused && taken.has(place)) return false;',
    sources: ['sqs'],
  },
  {
    name: 'an id is let go with its first window',
    rule: 'Each key keeps the ids of its records until no window would take them in again',
    file: 'src/engine/group/taken.ts',
    find: 'const last = Math.max(...rules.windows.map(',
    replace: 'const last = Math.min(...rules.windows.map(',
    sources: ['sqs'],
  },
  {
    name: 'an id is let go a millisecond early',
    rule: 'Each key keeps the ids of its records until no window would take them in again',
    file: 'src/engine/group/taken.ts',
    find: '(until as number) > passed',
    replace: '(until as number) > passed + 1',
    killedBy: 'test/engine/intake/unordered.test.ts',
    title: 'to the last millisecond',
  },
  {
    name: 'a refused id is let go at once',
    rule: 'Ids of refused and of late records are kept for the queue’s longest retention',
    file: 'src/engine/group/taken.ts',
    find: 'record.arrival + (retention ?? Number.POSITIVE_INFINITY)',
    replace: 'record.arrival',
    sources: ['sqs'],
  },
  {
    name: 'late ids are not kept',
    rule: 'Ids of late records are kept for the queue’s longest retention',
    file: 'src/engine/intake/fold.ts',
    find: 'lateForAll++;\n      ids?.refuse(groupRecord);',
    replace: 'lateForAll++;',
    sources: ['sqs'],
  },
  {
    name: 'a message is what it says',
    rule: 'Moved back by a redrive, a message is a new one',
    file: 'src/engine/group/taken.ts',
    find: 'const placeOf = ({ lineage, position }: GroupRecord)',
    replace:
      "const placeOf = ({ lineage, position: own, source, content }: GroupRecord, position = content.outcome === 'record' ? source.data : own)",
    sources: ['sqs'],
  },
  {
    name: 'a record twice in one batch is two',
    rule: 'The records that a group has not taken in, each once',
    file: 'src/engine/group/taken.ts',
    find: 'taken.add(place);',
    replace: '',
    sources: ['sqs'],
  },

  // Projectors.
  {
    name: 'the cursor before its rows',
    rule: 'Rows are written before the cursor that covers them',
    file: 'src/engine/delivery/project-rows.ts',
    find: `await ports.rows.put(rowsOf(deployment.pipeline, stretch.panes));
  await cover(last.ordinal + 1, coveredWith(covered, stretch, deployment, ports.clock.now()));`,
    replace: `await cover(last.ordinal + 1, coveredWith(covered, stretch, deployment, ports.clock.now()));
  await ports.rows.put(rowsOf(deployment.pipeline, stretch.panes));`,
  },
  {
    name: 'every row is settled',
    rule: 'Rows are written only over older ones',
    file: 'src/engine/delivery/project-rows.ts',
    find: 'revision === 0 && !revisable;',
    replace: 'true;',
  },
  {
    name: 'a row of several is the first',
    rule: '`latest` per key and window is the pane that ends last',
    file: 'src/engine/delivery/project-rows.ts',
    find: 'if (rival === undefined || isNewer(row, rival)) rows.set(place, row);',
    replace: 'if (rival === undefined) rows.set(place, row);',
  },
  {
    name: 'rows forget where they were',
    rule: 'How far a projector has come is a log, which must not expire',
    file: 'src/engine/delivery/project-rows.ts',
    find: 'if (!step.moved && !mustRenew(last.committedAt, ports.clock.now())) return step;',
    replace: 'if (!step.moved) return step;',
  },
  {
    name: 'objects forget where they were',
    rule: 'How far a projector has come is a log, which must not expire',
    file: 'src/engine/delivery/project-objects.ts',
    find: 'if (!step.moved && !mustRenew(last.committedAt, now)) return step;',
    replace: 'if (!step.moved) return step;',
  },
  {
    name: 'a cursor of one group alone',
    rule: 'A cursor per group',
    file: 'src/engine/delivery/stretch.ts',
    find: 'return new Map([...covered, ...to].filter(',
    replace: 'return new Map([...to].filter(',
  },
  {
    name: 'a cursor without its pane',
    rule: 'A cursor is an ordinal and a pane within it',
    file: 'src/engine/delivery/stretch.ts',
    find: 'if (isWhole) [ordinal, done] = [entry.ordinal, 0];',
    replace: '[ordinal, done] = [entry.ordinal, 0];',
    also: SMALL_BOUNDS,
  },
  {
    name: 'an entry is stepped over',
    rule: 'A step takes entries of a log in their order, those of a clock that is ahead among them',
    file: 'src/engine/delivery/stretch.ts',
    find: 'part.taken.slice(0, firstAfter)',
    replace: 'part.taken.filter(({ committedAt }) => committedAt <= bound)',
    also: SMALL_BOUNDS,
  },
  {
    name: 'a gap is read over',
    rule: 'A gap where a projector reads is an error',
    file: 'src/engine/delivery/stretch.ts',
    find: 'if (entry.ordinal !== ordinal + 1) {',
    replace: 'if (false) {',
    killedBy: 'test/engine/delivery/projectors.test.ts',
    title: 'before an entry that is missing',
  },
  {
    name: 'objects before their intent',
    rule: 'An intent is appended; then the objects are created',
    file: 'src/engine/delivery/project-objects.ts',
    find: "if ((await decide(ordinal, next)) === 'conflict') return TO_BE_REPEATED;\n  await carryOut(target, pipeline, next, folders);",
    replace:
      "await carryOut(target, pipeline, next, folders);\n  if ((await decide(ordinal, next)) === 'conflict') return TO_BE_REPEATED;",
  },
  {
    name: 'an intent that lost is carried out',
    rule: 'What a step writes is decided once, by appending it',
    file: 'src/engine/delivery/project-objects.ts',
    find: "if ((await decide(ordinal, next)) === 'conflict') return TO_BE_REPEATED;",
    replace: 'await decide(ordinal, next);',
  },
  {
    name: 'an unfinished intent is left',
    rule: 'Whoever finds an intent unfinished finishes it',
    file: 'src/engine/delivery/project-objects.ts',
    find: 'if (!(await isDone(target, intent))) {',
    replace: 'if (false) {',
  },
  {
    name: 'an intent is done with its first object',
    rule: 'The next intent comes only after the last object of this one',
    file: 'src/engine/delivery/project-objects.ts',
    find: 'const last = names.at(-1);\n  return last',
    replace: 'const last = names[0];\n  return last',
  },
  {
    name: 'the last object beside the others',
    rule: 'The last of its objects is created when all others are',
    file: 'src/engine/delivery/project-objects.ts',
    find: 'await inParallel(names.slice(0, -1), create);',
    replace: 'await inParallel(names, create);',
  },
  {
    name: 'objects of one name',
    rule: 'Listing the bucket gives every pane exactly once',
    file: 'src/engine/group/incarnation.ts',
    find: "String(ordinal).padStart(12, '0')",
    replace: "'0'.padStart(12, '0')",
  },

  // Parts of records.
  {
    name: 'children share a position',
    rule: 'Each child of a record has a position of its own',
    file: 'src/engine/intake/process-batch.ts',
    find: 'new GroupRecord(ordered, source, 0, child, hash, content, expanded)',
    replace: 'new GroupRecord(ordered, source, 0, Math.min(child, 0), hash, content, expanded)',
  },
  {
    name: 'children from the last to the first',
    rule: 'The children of a record are taken in in their order',
    file: 'src/engine/intake/process-batch.ts',
    find: 'let child = 0; child < parts.length; child++',
    replace: 'let child = parts.length - 1; child >= 0; child--',
  },
  {
    name: 'children counted once filtered',
    rule: 'A child’s place is counted before any child is filtered',
    file: 'src/engine/intake/decode.ts',
    find: 'return decoded.children.length === 0 ? [FILTERED] : decoded.children;',
    replace:
      "const left = decoded.children.filter(({ outcome }) => outcome !== 'filtered');\n  return left.length === 0 ? [FILTERED] : left;",
  },
  {
    name: 'a narrow position',
    rule: 'A position in the logs is as wide where member and child are 0',
    file: 'src/core/position.ts',
    find: '? FIRST_OF_ALL',
    replace: "? ''",
  },
  {
    name: 'an answer names a child',
    rule: 'Answers name the records of the source, never their children',
    file: 'src/engine/intake/process-batch.ts',
    find: 'unfinished: records.filter((record, at) => at >= decoded || pending.has(record)),',
    replace:
      'unfinished: records.filter((record, at) => at >= decoded || pending.has(record)).map((record) => ({ ...record, position: subPositionOf(ordered, record.position, 0, 0) as never })),',
    also: [
      {
        file: 'src/engine/intake/process-batch.ts',
        find: '  const { pipeline } = logs.deployment;\n',
        replace: '  const { pipeline } = logs.deployment;\n  const { ordered } = pipeline.source.lineage;\n',
      },
    ],
  },
  {
    name: 'a record is left for its first child alone',
    rule: 'A record comes again as long as one of its children is not in',
    file: 'src/engine/intake/process-batch.ts',
    find: '      pending.set(source, parts.add(position));',
    replace:
      "      if (position.endsWith(pipeline.source.lineage.ordered ? '000000' : '.0')) pending.set(source, parts.add(position));",
  },
  {
    name: 'children are counted again',
    rule: 'Within an invocation no child of a record is counted twice',
    file: 'src/engine/intake/process-batch.ts',
    find: 'pending: new Map([...before, ...pending]),',
    replace: 'pending: new Map(),',
    sources: ['kafka'],
  },
  {
    name: 'the bytes of a record for each child',
    rule: 'The bytes of a record of which several children are refused are kept once',
    file: 'src/engine/intake/poison.ts',
    find: '...(source === records[at - 1]?.source',
    replace: '...(source === undefined',
  },

  // Bad input.
  {
    name: 'poison is kept beside the commit',
    rule: 'Poison is kept before the commit that moves past it',
    file: 'src/engine/intake/commit-group.ts',
    find: 'poison.length > 0 ? keepRefused(ports.objects, log, ordinal, poison) : undefined,',
    replace:
      "poison.length > 0 ? keepRefused({ create: async (...given) => { void ports.objects.create(...given).catch(() => {}); return 'created'; } }, log, ordinal, poison) : undefined,",
  },
  {
    name: 'late records are kept beside the commit',
    rule: 'Late records are kept before the commit that moves past them',
    file: 'src/engine/intake/commit-group.ts',
    find: 'keepLate(ports.objects, log',
    replace:
      "keepLate({ create: async (...given) => { void ports.objects.create(...given).catch(() => {}); return 'created'; } }, log",
  },
  {
    name: 'only records that no window took are kept as late',
    rule: 'Every late record that an entry lists is kept, with the windows that refused it',
    file: 'src/engine/intake/fold.ts',
    find: 'lateRecords.push(groupRecord);',
    replace: 'if (!applied) lateRecords.push(groupRecord);',
  },
  {
    name: 'poison is not moved past',
    rule: 'The commit that moves past poison lists it, and the rest of the batch goes on',
    file: 'src/engine/intake/fold.ts',
    find: 'const positions = source.lineage.ordered ? reachedBy(group, records.slice(0, taken)) : group.positions;',
    replace:
      "const positions = source.lineage.ordered ? reachedBy(group, records.slice(0, taken).filter(({ content }) => content.outcome === 'record')) : group.positions;",
  },
  {
    name: 'poison has no group',
    rule: 'What has no key is counted in the group of its partition key',
    file: 'src/engine/intake/process-batch.ts',
    find: "const key = content.outcome === 'record' ? content.key : source.partitionKey;",
    replace: "const key = content.outcome === 'record' ? content.key : '';",
  },
  {
    name: 'a function that throws refuses the batch',
    rule: 'A record on which an author’s function throws is poison; the batch is folded again without it',
    file: 'src/engine/intake/fold.ts',
    find: 'const tried = refuseThrowing(deployment.pipeline, group, admitted, limits, isOver);',
    replace: "const tried = admitted.map((one) => one.refused('fold', ''));",
  },

  {
    name: 'a known key is refused for room',
    rule: 'Above the high-water mark new keys alone are refused',
    file: 'src/engine/intake/fold.ts',
    find: "if (content.outcome === 'poison' || group.keys.has(content.key) || added.has(content.key)) return record;",
    replace: "if (content.outcome === 'poison') return record;",
  },

  // Changing a definition.
  {
    name: 'the definition expires',
    rule: 'Nothing that is needed may expire',
    file: 'src/engine/log/definition-log.ts',
    find: 'if (last && before && mustRenew(last.committedAt, now)) {',
    replace: 'if (false) {',
  },
  {
    name: 'older code goes on',
    rule: 'Older code refuses what newer wrote',
    file: 'src/engine/log/definition-log.ts',
    find: 'if (version < before.version) throw',
    replace: 'if (false) throw',
  },
  {
    name: 'older code reads on',
    rule: 'Older code refuses what newer wrote',
    file: 'src/engine/format/read-group.ts',
    find: 'if (version > pipeline.version) {',
    replace: 'if (false) {',
  },
  {
    name: 'windows change under a version',
    rule: 'Windows that differ under the same version are refused at the start',
    file: 'src/engine/log/definition-log.ts',
    find: 'if (differing !== undefined) throw',
    replace: "if (differing === '') throw",
  },
  {
    name: 'an altered window keeps its ids',
    rule: 'A window that begins anew under a name there was before is told apart by that version',
    file: 'src/engine/log/definition-log.ts',
    find: 'return before.names.includes(window) ? version : 0;',
    replace: 'return 0;',
  },
  {
    name: 'a window that was gone has its state again',
    rule: 'Back to an earlier definition: an altered window begins anew once more',
    file: 'src/engine/format/read-group.ts',
    find: 'if (signature !== operator.signature || epoch !== epochs[at]) return undefined;',
    replace: 'if (signature !== operator.signature) return undefined;',
  },
  {
    name: 'newer code goes on with deltas',
    rule: 'Newer code reads what older wrote, and first writes a snapshot',
    file: 'src/engine/format/next-entry.ts',
    find: 'version !== present ||',
    replace: '',
  },

  // Generations.
  {
    name: 'a generation begins without a seal',
    rule: 'A last, sealed entry is appended to each group of the generation before',
    file: 'src/engine/log/group-logs.ts',
    find: 'parts.push(await this.#sealed(earlier, group));',
    replace: 'parts.push(await this.read(earlier, group));',
  },
  {
    name: 'a sealed group goes on',
    rule: 'Nobody appends to a sealed group',
    file: 'src/engine/log/group-logs.ts',
    find: 'if (group.sealed) {',
    replace: 'if (false) {',
  },
  {
    name: 'an environment keeps its generation',
    rule: 'An environment that knows the old generation reads the definition’s log again and goes on',
    file: 'src/handlers.ts',
    find: 'logs.forget();\n      try {',
    replace: 'try {',
  },
  {
    name: 'what groups had taken in is forgotten',
    rule: 'The new group keeps each one’s positions, for the keys that were its, until it is past them all',
    file: 'src/engine/group/taken.ts',
    find: 'return !isInherited(group.inherited, record);',
    replace: 'return true;',
  },
  {
    name: 'joined groups begin at the first one’s positions',
    rule: 'Groups that become one begin at the least of their positions',
    file: 'src/engine/group/takeover.ts',
    find: 'else if (isAfter(reached.position, candidate.position)) least.set(lineage, candidate);',
    replace: '',
    killedBy: 'test/engine/log/rescale.test.ts',
  },
  {
    name: 'joined groups begin where one has met a lineage',
    rule: 'Groups that become one begin at the least of their positions',
    file: 'src/engine/group/takeover.ts',
    find: 'if (candidate === undefined) least.delete(lineage);',
    replace: 'if (candidate === undefined) continue;',
    killedBy: 'test/engine/log/rescale.test.ts',
  },
  {
    name: 'every part takes the counters',
    rule: 'The counters of a group that falls apart go to the first part',
    file: 'src/engine/group/takeover.ts',
    find: 'const isFirst = (index * earlier.groups) % generation.groups === 0;',
    replace: 'const isFirst = true;',
  },
  {
    name: 'every part takes every key',
    rule: 'A group begins with the keys that are its own',
    file: 'src/engine/group/takeover.ts',
    find: 'filter(([key]) => groupOf(hashOf(key), generation.groups) === index)',
    replace: 'filter(() => true)',
  },
  {
    name: 'refused ids do not move',
    rule: 'Ids of refused records are known in the groups that their keys move to',
    file: 'src/engine/group/takeover.ts',
    find: 'if (refused.rows > 0) ids.set(REFUSED, refused);',
    replace: '',
  },
  {
    name: 'only the present generation is delivered',
    rule: 'The panes of both generations are delivered, each once',
    file: 'src/engine/group/deployment.ts',
    find: 'logsOf(deployment, (generation) => !isGone(deployment, generation, now));',
    replace: 'logsOf(deployment, (generation) => generation === present(deployment));',
  },
];
