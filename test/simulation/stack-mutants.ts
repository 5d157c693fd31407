import type { Mutant } from './protocol-mutants.ts';

const RULES = { file: 'lib/rules.ts', killedBy: 'test/lib/rules.test.ts' };
const ALARMS = { file: 'src/watch/alarms.ts', killedBy: 'test/watch/alarms.test.ts' };
const RUNG = { file: 'src/watch/alarms.ts', killedBy: 'test/watch/alarms.sim.test.ts' };
const CHECK = {
  file: 'src/engine/inspect/check-step.ts',
  killedBy: 'test/engine/inspect/check-step.test.ts',
};
const STEP = { file: 'lib/constructs/check-step.ts', killedBy: 'test/lib/safe-deployments.test.ts' };
const ROLLOUT = { file: 'lib/constructs/rollout.ts', killedBy: 'test/lib/safe-deployments.test.ts' };

/** What docs/safe-deployments.md and docs/operations.md say of stacks and their alarms, taken away sentence by sentence. */
export const STACK_MUTANTS: readonly Mutant[] = [
  // What synthesis refuses.
  {
    name: 'nobody asks for partial answers',
    rule: 'A mapping sets ReportBatchItemFailures',
    ...RULES,
    find: "!(types as readonly unknown[]).includes('ReportBatchItemFailures')",
    replace: 'types === undefined',
  },
  {
    name: 'two batches of a shard at once',
    rule: 'Batches of one shard are taken in one after the other',
    ...RULES,
    find: 'factor > 1 ?',
    replace: 'factor > 2 ?',
  },
  {
    name: 'a mapping begins with what comes next',
    rule: 'A mapping begins with the oldest record',
    ...RULES,
    find: "position === 'LATEST' ?",
    replace: "position === 'AT_TIMESTAMP' ?",
  },
  {
    name: 'a FIFO queue is told by its ARN alone',
    rule: 'A batch of a FIFO queue has ten messages at most',
    ...RULES,
    find: "source?.properties['FifoQueue'] === true || (typeof arn",
    replace: '(typeof arn',
  },
  {
    name: 'a queue that says nothing hides batches for long',
    rule: 'A queue hides a batch for six times as long as an invocation may take',
    ...RULES,
    find: "numberIn(source, 'VisibilityTimeout', UNSAID.visibility)",
    replace: "numberIn(source, 'VisibilityTimeout', Number.POSITIVE_INFINITY)",
  },
  {
    name: 'silence needs no retention',
    rule: 'A source keeps its records for allowedLateness and idleAfter together',
    ...RULES,
    find: 'pipeline.allowedLateness + pipeline.rules.time.idleAfter',
    replace: 'pipeline.allowedLateness',
  },
  {
    name: 'a stream that says nothing keeps records for long',
    rule: 'A source keeps its records for allowedLateness and idleAfter together',
    ...RULES,
    find: "(['RetentionPeriodHours', UNSAID.streamHours, HOUR] as const)",
    replace: "(['RetentionPeriodHours', Number.POSITIVE_INFINITY, HOUR] as const)",
  },
  {
    name: 'a function needs a megabyte less',
    rule: 'A function has the memory that the bounds of the engine let it use',
    ...RULES,
    find: 'memory < floor ?',
    replace: 'memory < floor - 1 ?',
  },
  {
    name: 'an invocation needs two seconds',
    rule: 'An invocation has ten seconds at least',
    ...RULES,
    find: 'const LEAST_TIMEOUT = 10;',
    replace: 'const LEAST_TIMEOUT = 2;',
  },
  {
    name: 'a bundle runs anywhere',
    rule: 'A bundle runs on Node.js 20 or later, from index.handler',
    ...RULES,
    find: "Number(major ?? 0) >= 20 && handler === 'index.handler'",
    replace: "handler === 'index.handler'",
  },
  {
    name: 'a bundle begins anywhere',
    rule: 'A bundle runs on Node.js 20 or later, from index.handler',
    ...RULES,
    find: "Number(major ?? 0) >= 20 && handler === 'index.handler'",
    replace: 'Number(major ?? 0) >= 20',
  },
  {
    name: 'a sweeper comes now and then',
    rule: 'The sweeper is called once a minute',
    ...RULES,
    find: "schedule.properties['ScheduleExpression'] === 'rate(1 minute)' &&",
    replace: '',
  },
  {
    name: 'a state table without a stream',
    rule: 'A state table has a stream',
    ...RULES,
    find: "(stream === undefined ? ['it has no stream'] : [])",
    replace: '(stream === undefined ? [] : [])',
  },
  {
    name: 'expiry may be disabled',
    rule: 'A state table expires items',
    ...RULES,
    find: 'enabled === true && attribute',
    replace: '(enabled ?? true) !== undefined && attribute',
  },
  {
    name: 'what a bucket does not say is private',
    rule: 'A bucket blocks all public access',
    ...RULES,
    find: '(block as { readonly [name: string]: unknown })[one] !== true',
    replace: '(block as { readonly [name: string]: unknown })[one] === false',
  },
  // Alarms.
  {
    name: 'a source is watched until all of it is lost',
    rule: 'RetentionRunsOut leaves half of the time',
    ...ALARMS,
    find: 'threshold: kept / 2 / unit,',
    replace: 'threshold: kept / unit,',
  },
  {
    name: 'nobody looks at dead letters of a FIFO queue',
    rule: 'DeadLetters is of both kinds of queue',
    ...ALARMS,
    find: 'fifo: queue,',
    replace:
      "fifo: () => ({ readsLogs: false, alarms: queue().alarms.filter(({ name }) => name !== 'DeadLetters') }),",
  },
  {
    name: 'a bucket is behind while it gathers',
    rule: 'SinkBehind allows for as long as a bucket gathers',
    ...ALARMS,
    find: 'threshold: LATE + gathers,',
    replace: 'threshold: LATE,',
  },
  {
    name: 'nobody looks at what a table gives up',
    rule: 'GivenUp is of the streams of tables as well',
    ...RUNG,
    title: 'GivenUp goes off',
    find: '[...shards(LEAST_KEPT), GIVEN_UP]',
    replace: 'shards(LEAST_KEPT)',
  },
  {
    name: 'what is kept is not given up',
    rule: 'GivenUp counts what the failures bucket received, and what nobody has',
    ...RUNG,
    title: 'GivenUp goes off',
    find: "'FILL(dropped, 0) + FILL(kept, 0)'",
    replace: "'dropped + kept'",
  },
  {
    name: 'no data is a sweep',
    rule: 'SweepStalled goes off where the schedule is disabled',
    ...RUNG,
    title: 'SweepStalled goes off',
    find: `      threshold: 1,
      missing: 'bad',
      means: 'No sweep`,
    replace: `      threshold: 1,
      missing: 'good',
      means: 'No sweep`,
  },
  {
    name: 'a handler that takes nothing in is not behind',
    rule: 'Behind goes off where records wait and none is taken in',
    ...RUNG,
    title: 'Behind goes off by a handler that does not run',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    find: '(${FILLED}), 1440), 0)`',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    replace: '(${FILLED}), 0), 0)`',
  },
  {
    name: 'an empty pipeline has a share',
    rule: 'A share is 0 where there were no records',
    ...RUNG,
    title: 'of shares are quiet',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    find: 'IF(${total} > 0, 100 * ${metric} / (${total}), 0)',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    replace: 'IF(${total} > 0, 100 * ${metric} / (${total}), 100)',
  },
  {
    name: 'few conflicts are most of few',
    rule: 'Conflicts looks at more than a few appends',
    ...RUNG,
    title: 'Conflicts goes off',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    find: 'IF(commits + conflicts > ${FEW}, 100 * conflicts / (commits + conflicts), 0)',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    replace: 'IF(commits > ${FEW}, 100 * conflicts / (commits + conflicts), 0)',
  },
  {
    name: 'errors of the handler alone are seen',
    rule: 'Errors looks at every function',
    ...RUNG,
    title: 'Errors goes off',
    find: "math('Errors', sumOf(functions), eachOf(functions, 'Errors'), {",
    replace: "math('Errors', sumOf(functions.slice(0, 1)), eachOf(functions.slice(0, 1), 'Errors'), {",
  },
  // The check step.
  {
    name: 'a roll-back fails',
    rule: 'A stack that goes back is let through',
    ...CHECK,
    find: 'if (refused === undefined || !goesBack) return refused;',
    replace: 'if (!goesBack || refused !== undefined) return refused;',
  },
  {
    name: 'whatever was there goes back',
    rule: 'A definition that goes on is refused where handlers would',
    ...CHECK,
    find: 'const goesBack = before !== undefined &&',
    replace: 'const goesBack = before !== undefined ||',
  },
  {
    name: 'versions are texts',
    rule: 'A stack goes back from version 10 to 9',
    ...CHECK,
    find: 'Number(ResourceProperties.version) < Number(before)',
    replace: 'ResourceProperties.version < before',
  },
  {
    name: 'a stack cannot be removed',
    rule: 'Removing the stack is never refused',
    ...CHECK,
    find: "RequestType === 'Delete' ? undefined : await refusalOf(request)",
    replace: 'await refusalOf(request)',
  },
  {
    name: 'a reason is as long as it is',
    rule: 'CloudFormation reads an answer of 4,096 bytes at most',
    ...CHECK,
    find: 'refused.slice(0, MAX_REASON)',
    replace: 'refused',
  },
  {
    name: 'a check is another resource each time',
    rule: 'The resource keeps its physical id, or CloudFormation removes the former one',
    ...CHECK,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    find: 'PhysicalResourceId: PhysicalResourceId ?? `${pipeline.name}-check`',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    replace: 'PhysicalResourceId: `${pipeline.name}-check`',
  },
  {
    name: 'the step says what an error says',
    rule: 'A reason holds nothing of an error, which may quote records',
    ...CHECK,
    find: 'so that nothing was deployed: the log of this function says why`',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    replace: 'so that nothing was deployed: ${error}`',
  },
  {
    name: 'the step does not look at the source',
    rule: 'A source of the same name elsewhere is refused',
    ...CHECK,
    find: 'checkDefinition({ log }, pipeline, ResourceProperties.source)',
    replace: 'checkDefinition({ log }, pipeline, undefined)',
  },
  {
    name: 'functions change before the step',
    rule: 'All other functions wait for the answer of the step',
    ...STEP,
    find: 'for (const each of changing) each.node.addDependency(step);',
    replace: '',
  },
  {
    name: 'the step comes before its permissions',
    rule: 'What the function may do is there before it is called',
    ...STEP,
    find: 'step.node.addDependency(fn, ...(fn.role ? [fn.role] : []), fn.logGroup);',
    replace: '',
  },
  {
    name: 'the step holds a stack for an hour',
    rule: 'A deployment fails where the step does not answer within two minutes',
    ...STEP,
    find: 'ANSWER_TIMEOUT.toSeconds()',
    replace: '3_600',
  },
  {
    name: 'the step is called once',
    rule: 'The step is called whenever the code has changed',
    ...STEP,
    find: 'Stack.of(this).resolve((fn.node.defaultChild as CfnFunction).code).s3Key',
    replace: 'fn.node.path',
  },
  {
    name: 'the step cannot read large entries',
    rule: 'The function may read state/ of the results bucket',
    ...STEP,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    find: "fn.permit(['s3:GetObject'], results.arnForObjects(`${STATE_PREFIX}*`));",
    replace: '',
    killedBy: 'test/lib/stack.test.ts',
  },
  {
    name: 'the step cannot decrypt',
    rule: 'The function may decrypt what a key of the user encrypts',
    ...STEP,
    find: 'key?.grantDecrypt(fn);',
    replace: '',
    killedBy: 'test/lib/key.test.ts',
  },
  // A rollout.
  {
    name: 'versions share an alias',
    rule: 'A higher version is not rolled out by shares',
    ...ROLLOUT,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    find: '`LiveV${version}`',
    replace: "'Live'",
  },
  {
    name: 'a rollout heeds itself alone',
    rule: 'Alarms that are given take a deployment back',
    ...ROLLOUT,
    find: 'alarms: [failing, ...alarms],',
    replace: 'alarms: [failing],',
  },
  {
    name: 'a rollout heeds others alone',
    rule: 'An invocation that fails takes a deployment back',
    ...ROLLOUT,
    find: 'alarms: [failing, ...alarms],',
    replace: 'alarms: [...alarms],',
  },
  {
    name: 'a rollout bears a failure',
    rule: 'An invocation that fails takes a deployment back',
    ...ROLLOUT,
    find: 'threshold: 1,',
    replace: 'threshold: 2,',
  },
  {
    name: 'a rollout without invocations is taken back',
    rule: 'Nothing but a failure takes a deployment back',
    ...ROLLOUT,
    find: 'TreatMissingData.NOT_BREACHING',
    replace: 'TreatMissingData.BREACHING',
  },
  {
    name: 'a rollout looks at whatever fails',
    rule: 'A failure of the alias takes a deployment back',
    ...ROLLOUT,
    find: 'alias.metricErrors(',
    replace: 'fn.metricErrors(',
  },
  {
    name: 'new code takes all at once',
    rule: 'New code takes a tenth for five minutes, and then all',
    ...ROLLOUT,
    find: 'LambdaDeploymentConfig.CANARY_10PERCENT_5MINUTES',
    replace: 'LambdaDeploymentConfig.ALL_AT_ONCE',
  },
];
