import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Duration } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, describe, expect, it } from 'vitest';
import { PipelineStack, type PipelineStackProps } from '../../lib/pipeline-stack.ts';
import { count, definePipeline, kinesis, panesOf, table, tumbling } from '../../src/index.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-panes-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const windows = { minute: tumbling({ size: '1m' }, { n: count() }) };
const first = definePipeline('readings', kinesis<{ id: string; at: number }>(), {
  key: ({ id }) => id,
  eventTime: ({ at }) => at,
  windows,
}).to(table());
const following = (name: string) =>
  definePipeline(name, panesOf(first), { key: () => 'all', eventTime: ({ start }) => start, windows }).to(
    table(),
  );

const stackOf = (app: App, name: string, more: Partial<PipelineStackProps>) => {
  const pipeline = name === 'readings' ? first : following(name);
  const { folder: entry } = writeEntry(join(scratch, name), name);
  return new PipelineStack(app, name, { pipeline, alarms: 'none', entry, ...more });
};
const newApp = () => new App({ context: { 'aws:cdk:bundling-stacks': [] } });

/** What a function's role may do to what another stack has. */
const allowed = (template: Template, name: string, isOther: (resource: string) => boolean) =>
  Object.entries(template.findResources('AWS::IAM::Policy'))
    .filter(([id]) => id.startsWith(`${name}RoleDefaultPolicy`))
    .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
    .filter(({ Resource }) => isOther(JSON.stringify(Resource)))
    .flatMap(({ Action }) => Action)
    .toSorted();

describe('the stack of a pipeline that reads the panes of another', () => {
  const app = newApp();
  const upstream = stackOf(app, 'readings', {}).asUpstream();
  const template = Template.fromStack(
    stackOf(app, 'lines', { upstream, batchingWindow: Duration.seconds(3) }),
  );

  it('is woken by the commits of the other pipeline, and once a minute', () => {
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::ImportValue': Match.stringLikeRegexp('StateStream|StreamArn') },
      FunctionName: { Ref: Match.stringLikeRegexp('^Handler') },
      MaximumBatchingWindowInSeconds: 3,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      FilterCriteria: {
        Filters: [
          {
            Pattern: JSON.stringify({
              eventName: ['INSERT'],
              dynamodb: { Keys: { pk: { S: [{ prefix: 'readings/' }] } } },
            }),
          },
        ],
      },
    });
    template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(1 minute)',
      Target: Match.objectLike({ Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Handler'), 'Arn'] } }),
    });
  });

  it('may read logs of the other pipeline and the bodies of their entries, and nothing else of it', () => {
    const isOther = (resource: string) => /ImportValue.*readings|readings.*ImportValue/i.test(resource);
    const stream = ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator'];
    expect(allowed(template, 'Handler', isOther)).toEqual(
      [...stream, 'dynamodb:Query', 's3:GetObject'].toSorted(),
    );
    expect(allowed(template, 'Sweeper', isOther)).toEqual([
      'dynamodb:GetItem',
      'dynamodb:Query',
      's3:GetObject',
    ]);
    expect(allowed(template, 'Projector', isOther)).toEqual([]);
    expect(JSON.stringify(template.findResources('AWS::IAM::Policy'))).toContain('/state/*');
  });

  it('names the stores of the other pipeline to its functions', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: Match.objectLike({
          [ENVIRONMENT.upstreamTable]: { 'Fn::ImportValue': Match.anyValue() },
          [ENVIRONMENT.upstreamBucket]: { 'Fn::ImportValue': Match.anyValue() },
        }),
      },
    });
  });

  it('takes the names of another app as they are', () => {
    const names = {
      stateTable: 'readings-state',
      resultsBucket: 'readings-results',
      stateStream:
        'arn:aws:dynamodb:eu-central-1:123456789012:table/readings-state/stream/2026-01-05T12:00:00.000',
    };
    const alone = Template.fromStack(stackOf(newApp(), 'lines', { upstream: names }));
    alone.hasResourceProperties('AWS::Lambda::EventSourceMapping', { EventSourceArn: names.stateStream });
    const isOther = (resource: string) => resource.includes('readings-');
    expect(allowed(alone, 'Sweeper', isOther)).toEqual([
      'dynamodb:GetItem',
      'dynamodb:Query',
      's3:GetObject',
    ]);
  });

  it('reads once a minute alone where it is not woken, of which there may be many', () => {
    const app = newApp();
    const first = stackOf(app, 'readings', {});
    const stacks = ['lines', 'plants'].map((name) =>
      stackOf(app, name, { upstream: first.asUpstream({ woken: false }) }),
    );
    // The projector's own.
    for (const stack of stacks)
      Template.fromStack(stack).resourceCountIs('AWS::Lambda::EventSourceMapping', 1);
  });

  it('is refused a stream that has two readers, and stores that nobody names', () => {
    const app = newApp();
    const first = stackOf(app, 'readings', {});
    stackOf(app, 'lines', { upstream: first.asUpstream() });
    expect(() => stackOf(app, 'plants', { upstream: first.asUpstream() })).toThrow(
      new RangeError(
        'Cannot wake "plants" by the stream of the state table of "readings" as such a stream serves two readers, its own projector and one pipeline more: "lines" is that one; leave stateStream out, and it reads once a minute',
      ),
    );
    expect(() => stackOf(newApp(), 'lines', {})).toThrow(
      new RangeError(
        'Cannot make a stack of "lines" as the resources of "readings", whose panes it reads, must be known: give the stack an upstream',
      ),
    );
  });
});
