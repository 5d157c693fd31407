import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { MillracePipeline, type MillracePipelineProps } from '../../lib/millrace-pipeline.ts';
import type { Pipeline } from '../../src/index.ts';
import type { AlarmProperties } from './cloudwatch.ts';

export const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:on-call';

/** Returns the template of a stack with a pipeline whose alarms tell a topic. */
export function templateOf(
  pipeline: Pipeline,
  entry: string,
  props: Partial<MillracePipelineProps> = {},
): Template {
  const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
  const stack = new Stack(app, 'Watched', { env: { account: '123456789012', region: 'eu-west-1' } });
  new MillracePipeline(stack, 'Default', { pipeline, entry, alarms: { topic: TOPIC }, ...props });
  return Template.fromStack(stack);
}

/** Returns the alarms of a template by their names, with names for what they are of. */
export function alarmsIn(template: Template): ReadonlyMap<string, AlarmProperties> {
  return new Map(
    Object.entries(template.findResources('AWS::CloudWatch::Alarm')).map(([id, { Properties }]) => [
      plain(id).replace(/^Watch/, ''),
      named(Properties) as AlarmProperties,
    ]),
  );
}

const plain = (id: string): string => id.replace(/[0-9A-F]{8}$/, '');

/** What tests call the resources that figures are of. */
const NAMES: Readonly<Record<string, string>> = {
  Handler: 'handler',
  Sweeper: 'sweeper',
  Projector: 'projector',
  State: 'state',
  SourceQueue: 'queue',
  SourceDeadLetters: 'dead',
  SourceStream: 'stream',
};

/** Puts names in the place of what is only known once it is deployed. */
function named(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(named);
  if (typeof value !== 'object' || value === null) return value;
  if ('Ref' in value && typeof value.Ref === 'string') return NAMES[plain(value.Ref)] ?? 'mapping';
  if ('Fn::GetAtt' in value) return NAMES[plain((value['Fn::GetAtt'] as [string])[0])];
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, named(inner)]));
}
