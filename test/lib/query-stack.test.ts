import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, describe, expect, it } from 'vitest';
import { PipelineStack } from '../../lib/pipeline-stack.ts';
import { bucket, count, definePipeline, kinesis, type Pipeline, table, tumbling } from '../../src/index.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-query-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const readings = definePipeline('readings', kinesis<{ id: string; at: number }>(), {
  key: ({ id }) => id,
  eventTime: ({ at }) => at,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
});

const stackOf = (pipeline: Pipeline, queryApi?: boolean) => {
  const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
  const { folder: entry } = writeEntry(join(scratch, pipeline.name), pipeline.name);
  return Template.fromStack(
    new PipelineStack(app, 'Readings', {
      pipeline,
      alarms: 'none',
      entry,
      ...(queryApi === undefined ? {} : { queryApi }),
    }),
  );
};

/** What the function that answers questions may do, each as the action and the names in its resource. */
const allowedIn = (template: Template): readonly string[] =>
  Object.entries(template.findResources('AWS::IAM::Policy'))
    .filter(([id]) => id.startsWith('QueryRoleDefaultPolicy'))
    .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
    .flatMap(({ Action, Resource }: { Action: string | string[]; Resource: unknown }) =>
      [Action]
        .flat()
        .map(
          (action) =>
            `${action} ${[...JSON.stringify(Resource).matchAll(/"(State|Rows|Results|QueryLogs)[0-9A-F]+"|"(\/[^"]*)"/g)].map(([, name, path]) => name ?? path).join('')}`,
        ),
    )
    .toSorted();

const variablesIn = (template: Template): Record<string, unknown> => {
  const [fn] = Object.entries(template.findResources('AWS::Lambda::Function')).filter(([id]) =>
    id.startsWith('Query'),
  );
  return fn?.[1].Properties.Environment.Variables;
};

describe('the query API of a stack', () => {
  const template = stackOf(readings.to(table(), bucket()), true);

  it('is a function with a URL that asks for a signature of AWS, and the stack tells the URL', () => {
    template.hasResourceProperties('AWS::Lambda::Url', {
      AuthType: 'AWS_IAM',
      TargetFunctionArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Query'), 'Arn'] },
      Cors: Match.absent(),
    });
    // No policy of the function's own lets anyone in.
    template.resourceCountIs('AWS::Lambda::Permission', 0);
    template.hasOutput('QueryUrl', {
      Value: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Query'), 'FunctionUrl'] },
    });
  });

  it('may read the logs, the rows and large bodies, and nothing else', () => {
    expect(allowedIn(template)).toEqual([
      'dynamodb:Query Rows',
      'dynamodb:Query State',
      'logs:CreateLogStream QueryLogs',
      'logs:PutLogEvents QueryLogs',
      's3:GetObject Results/state/*',
    ]);
  });

  it('signs pages with a secret that CloudFormation makes, which no other function has', () => {
    template.hasResourceProperties('AWS::SecretsManager::Secret', {
      GenerateSecretString: { PasswordLength: 64, ExcludePunctuation: true },
    });
    const { NODE_OPTIONS: _, ...variables } = variablesIn(template);
    expect(Object.keys(variables).toSorted()).toEqual(
      [
        ENVIRONMENT.bucket,
        ENVIRONMENT.pageSecret,
        ENVIRONMENT.pipeline,
        ENVIRONMENT.rowsTable,
        ENVIRONMENT.stateTable,
      ].toSorted(),
    );
    expect(JSON.stringify(variables[ENVIRONMENT.pageSecret])).toContain('{{resolve:secretsmanager:');
    for (const [id, { Properties }] of Object.entries(template.findResources('AWS::Lambda::Function')))
      if (!id.startsWith('Query'))
        expect(Object.keys(Properties.Environment.Variables)).not.toContain(ENVIRONMENT.pageSecret);
  });

  it('reads no rows where there are none', () => {
    const bare = stackOf(readings.to(bucket()), true);
    expect(allowedIn(bare)).not.toContain('dynamodb:Query Rows');
    expect(Object.keys(variablesIn(bare))).not.toContain(ENVIRONMENT.rowsTable);
  });

  it('is not there unless it is asked for', () => {
    for (const without of [stackOf(readings.to(table())), stackOf(readings.to(table()), false)]) {
      without.resourceCountIs('AWS::Lambda::Url', 0);
      without.resourceCountIs('AWS::SecretsManager::Secret', 0);
    }
  });
});
