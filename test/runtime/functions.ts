import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Bundles, entryOf, type Role } from '../../lib/bundle.ts';
import { PipelineStack, type PipelineStackProps } from '../../lib/pipeline-stack.ts';
import type { Pipeline } from '../../src/index.ts';
import { serviceOf } from '../../src/pipeline/services.ts';

/** A pipeline, and the props of the stack that deploys it. */
export type Deployed = PipelineStackProps & { readonly entry: string };

/** A function as a stack deploys it. */
export interface DeployedFunction {
  readonly pipeline: Pipeline;
  readonly role: Role;
  /** The folder of its bundle. */
  readonly folder: string;
  /** The size of the bundle. */
  readonly bytes: number;
  readonly memoryMegabytes: number;
  /** Its variables; a value that CloudFormation makes is an object. */
  readonly environment: Readonly<Record<string, unknown>>;
}

interface FunctionResource {
  readonly Type: string;
  readonly Properties: {
    readonly Handler?: string;
    readonly MemorySize: number;
    readonly Environment: { readonly Variables: Readonly<Record<string, unknown>> };
  };
}

/**
 * Synthesizes the stack of a pipeline, and returns the functions in its template, each with the bundle that the stack would
 * upload.
 *
 * @param folder where bundles are written
 */
export function functionsOf(props: Deployed, folder: string): readonly DeployedFunction[] {
  const { pipeline, entry } = props;
  // A stack would load each bundle once. The functions that are started do the same.
  const app = new App({ outdir: join(folder, 'cdk.out'), postCliContext: { 'aws:cdk:bundling-stacks': [] } });
  const { artifactId } = new PipelineStack(app, 'Stack', props);
  const { Resources } = app.synth().getStackArtifact(artifactId).template as {
    readonly Resources: Readonly<Record<string, FunctionResource>>;
  };
  const functions = Object.entries(Resources).flatMap(([id, { Type, Properties }]) => {
    const role = /^(?:Handler|Sweeper|Projector|Query|Check)/.exec(id)?.[0].toLowerCase() as Role | undefined;
    if (Type !== 'AWS::Lambda::Function' || Properties.Handler !== 'index.handler' || !role) return [];
    return [[role, Properties] as const];
  });
  const bundles = new Bundles(
    entryOf(entry),
    functions.map(([role]) => role),
    pipeline.sinks.flatMap((sink) => serviceOf(sink) ?? []),
  );
  return functions.map(([role, { MemorySize, Environment }]) => {
    const bundle = join(folder, role);
    const { bytes } = bundles.write(role, bundle);
    return {
      pipeline,
      role,
      folder: bundle,
      bytes,
      memoryMegabytes: MemorySize,
      environment: Environment.Variables,
    };
  });
}
