import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { UpstreamResources } from './constructs/panes-source.ts';
import { MillracePipeline, type MillracePipelineProps } from './millrace-pipeline.ts';

/** The tags and the permissions boundary are those of stacks. */
export interface PipelineStackProps extends StackProps, Omit<MillracePipelineProps, keyof StackProps> {}

/**
 * A stack of one pipeline, whose outputs name what it made.
 *
 * @throws RangeError as `MillracePipeline` does
 */
export class PipelineStack extends Stack {
  readonly millrace: MillracePipeline;

  constructor(scope: Construct, id: string, props: PipelineStackProps) {
    super(scope, id, props);
    // The stack itself heeds these two.
    const { tags: _tags, permissionsBoundary: _boundary, ...own } = props;
    // By this id CDK leaves the construct out of logical ids, so that they are the same as without it.
    this.millrace = new MillracePipeline(this, 'Default', own);
    for (const [name, value] of Object.entries(this.millrace.outputs)) new CfnOutput(this, name, { value });
  }

  /** Returns the resources by which the stack of another pipeline reads this one's panes: see `MillracePipeline`. */
  asUpstream(how: { readonly woken?: boolean } = {}): UpstreamResources {
    return this.millrace.asUpstream(how);
  }
}
