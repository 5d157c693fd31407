import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, RemovalPolicy } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { afterAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { PipelineStack, type PipelineStackProps } from '../../lib/pipeline-stack.ts';
import { plain } from './permissions.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-rollout-'));
afterAll(() => rmSync(scratch, { recursive: true }));

interface Resource {
  readonly Type: string;
  readonly DependsOn?: readonly string[];
  readonly Properties: { readonly [name: string]: unknown };
}

const stackOf = (props: Partial<PipelineStackProps> = {}): PipelineStack =>
  new PipelineStack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'Flights', {
    pipeline: flights,
    ...props,
  });

const resourcesOf = (stack: PipelineStack): Readonly<Record<string, Resource>> =>
  Template.fromStack(stack).toJSON()['Resources'];

const namesOf = (resources: Readonly<Record<string, Resource>>, type: string): readonly string[] =>
  Object.entries(resources).flatMap(([id, { Type }]) => (Type === type ? [id] : []));

describe('the step before functions change', () => {
  const resources = resourcesOf(stackOf({ queryApi: true }));
  const [step = ''] = namesOf(resources, 'AWS::CloudFormation::CustomResource');

  it('is called whenever the code has changed, and knows version and source', () => {
    expect(resources[step]?.Properties).toEqual({
      ServiceToken: { 'Fn::GetAtt': [expect.stringMatching(/^Check/), 'Arn'] },
      ServiceTimeout: 120,
      version: '1',
      source: { 'Fn::GetAtt': [expect.stringMatching(/^SourceStream/), 'Arn'] },
      code: expect.stringMatching(/\.zip$/),
    });
  });

  it('comes before every other function, and after what its own may do', () => {
    for (const id of namesOf(resources, 'AWS::Lambda::Function')) {
      const waits = resources[id]?.DependsOn ?? [];
      expect(waits.includes(step), id).toBe(plain(id) !== 'Check');
    }
    expect(resources[step]?.DependsOn?.map(plain)).toEqual(
      expect.arrayContaining(['CheckRoleDefaultPolicy', 'CheckLogs']),
    );
  });
});

describe('a rollout', () => {
  const late = (stack: PipelineStack) =>
    new cloudwatch.Alarm(stack, 'Late', {
      metric: stack.millrace.metric('late'),
      threshold: 1,
      evaluationPeriods: 1,
    });
  const rolledOut = (version: number) => {
    const { folder: entry } = writeEntry(join(scratch, String(version)), 'delays');
    const pipeline = { ...flights, version, name: 'delays' };
    return resourcesOf(stackOf({ pipeline, entry, rollout: {} }));
  };

  it('gives each function an alias, to which its mappings and its schedule lead', () => {
    const resources = rolledOut(3);
    const aliases = namesOf(resources, 'AWS::Lambda::Alias');
    expect(aliases.map(plain).toSorted()).toEqual(['HandlerLiveV3', 'ProjectorLiveV3', 'SweeperLiveV3']);
    for (const id of aliases) expect(resources[id]?.Properties['Name']).toBe('v3');
    const alias = { Ref: expect.stringMatching(/^(Handler|Projector|Sweeper)LiveV3/) };
    const mappings = namesOf(resources, 'AWS::Lambda::EventSourceMapping');
    expect(mappings).toHaveLength(2);
    for (const id of mappings) expect(resources[id]?.Properties['FunctionName']).toEqual(alias);
    for (const id of namesOf(resources, 'AWS::Scheduler::Schedule'))
      expect(resources[id]?.Properties['Target']).toMatchObject({ Arn: alias });
  });

  it('is taken back where an invocation fails', () => {
    const resources = rolledOut(3);
    const groups = namesOf(resources, 'AWS::CodeDeploy::DeploymentGroup');
    expect(groups).toHaveLength(3);
    for (const id of groups) {
      expect(resources[id]?.Properties).toMatchObject({
        DeploymentConfigName: 'CodeDeployDefault.LambdaCanary10Percent5Minutes',
        AlarmConfiguration: { Alarms: [{ Name: { Ref: expect.stringMatching(/Failing/) } }], Enabled: true },
        AutoRollbackConfiguration: {
          Enabled: true,
          Events: expect.arrayContaining(['DEPLOYMENT_STOP_ON_ALARM']),
        },
      });
    }
  });

  it('looks at each failure of the alias, and at nothing else', () => {
    const resources = rolledOut(3);
    const alarms = namesOf(resources, 'AWS::CloudWatch::Alarm').filter((id) => id.includes('Failing'));
    expect(alarms).toHaveLength(3);
    for (const id of alarms) {
      expect(resources[id]?.Properties).toMatchObject({
        MetricName: 'Errors',
        Dimensions: [
          { Name: 'FunctionName', Value: { Ref: expect.any(String) } },
          { Name: 'Resource', Value: { 'Fn::Join': ['', [expect.anything(), ':v3']] } },
        ],
        Statistic: 'Sum',
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        Threshold: 1,
        EvaluationPeriods: 1,
        TreatMissingData: 'notBreaching',
      });
    }
  });

  it('heeds the alarms that it is given, too', () => {
    const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
    const watched = new PipelineStack(app, 'Watched', { pipeline: flights, alarms: 'none' });
    const stack = new PipelineStack(app, 'Flights', {
      pipeline: flights,
      alarms: 'none',
      rollout: { alarms: [late(watched)] },
    });
    Template.fromStack(stack).allResourcesProperties('AWS::CodeDeploy::DeploymentGroup', {
      AlarmConfiguration: { Alarms: [Match.anyValue(), Match.anyValue()] },
    });
  });

  it('of another version makes another alias, and leaves the mappings as they are', () => {
    const [before, after] = [rolledOut(3), rolledOut(4)];
    const type = 'AWS::Lambda::Alias';
    expect(namesOf(after, type).filter((id) => namesOf(before, type).includes(id))).toEqual([]);
    const mappings = 'AWS::Lambda::EventSourceMapping';
    expect(namesOf(after, mappings)).toEqual(namesOf(before, mappings));
  });

  it('is none where nobody asks for one', () => {
    const template = Template.fromStack(stackOf());
    template.resourceCountIs('AWS::Lambda::Alias', 0);
    template.resourceCountIs('AWS::CodeDeploy::DeploymentGroup', 0);
  });
});

describe('what destroying a stack does to data', () => {
  it('is said while it is synthesized', () => {
    const said = (removalPolicy: RemovalPolicy) => {
      const all = Annotations.fromStack(stackOf({ removalPolicy }));
      return [...all.findInfo('*', Match.anyValue()), ...all.findWarning('*', Match.anyValue())].map(
        ({ entry }) => String(entry.data),
      );
    };
    expect(said(RemovalPolicy.RETAIN)).toContainEqual(
      expect.stringContaining('Destroying this stack keeps what it made to hold data'),
    );
    expect(said(RemovalPolicy.DESTROY)).toContainEqual(
      expect.stringContaining('Destroying this stack destroys the source with its records'),
    );
  });
});
