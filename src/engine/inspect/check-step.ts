import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { checkDefinition } from './check.ts';

/** The properties of the resource, as texts, since CloudFormation makes texts of all of them. */
interface StepProperties {
  readonly version: string;
  /** What the pipeline's records come from, where the stack knows it. */
  readonly source?: string;
}

/**
 * What CloudFormation calls the function of a custom resource with.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
 */
export interface StepRequest {
  readonly RequestType: 'Create' | 'Update' | 'Delete';
  /** Where the answer goes. Whoever knows it can answer, so that it must not be logged. */
  readonly ResponseURL: string;
  readonly StackId: string;
  readonly RequestId: string;
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId?: string;
  readonly ResourceProperties: StepProperties;
  readonly OldResourceProperties?: StepProperties;
}

/** The largest answer that CloudFormation reads is 4,096 bytes. */
const MAX_REASON = 1_000;

/**
 * Makes the step of a deployment that comes before the functions of a pipeline change: it compares the definition
 * that is deployed with what has committed, and fails the deployment where handlers would refuse it. Then nothing
 * has changed yet, and CloudFormation takes back the little that has.
 *
 * A stack that goes back to a lower version is let through, with a warning: CloudFormation does so when it rolls
 * back a deployment, and a roll-back that fails leaves a stack that nothing can be deployed to. Removing the stack
 * is never refused.
 *
 * @param answer puts the answer where CloudFormation waits for it; it waits until it has one, so that the step
 * answers whatever happens
 */
export const checkStep =
  (
    { log, telemetry }: Pick<EnginePorts, 'log' | 'telemetry'>,
    pipeline: Pipeline,
    answer: (url: string, body: string) => Promise<void>,
  ) =>
  async (request: StepRequest): Promise<void> => {
    const { RequestType, ResponseURL, StackId, RequestId, LogicalResourceId, PhysicalResourceId } = request;
    const refused = RequestType === 'Delete' ? undefined : await refusalOf(request);
    await answer(
      ResponseURL,
      JSON.stringify({
        Status: refused === undefined ? 'SUCCESS' : 'FAILED',
        ...(refused !== undefined && { Reason: refused.slice(0, MAX_REASON) }),
        PhysicalResourceId: PhysicalResourceId ?? `${pipeline.name}-check`,
        StackId,
        RequestId,
        LogicalResourceId,
      }),
    );

    async function refusalOf({ ResourceProperties, OldResourceProperties }: StepRequest) {
      try {
        const { refused } = await checkDefinition({ log }, pipeline, ResourceProperties.source);
        const before = OldResourceProperties?.version;
        const goesBack = before !== undefined && Number(ResourceProperties.version) < Number(before);
        if (refused === undefined || !goesBack) return refused;
        telemetry.warn(`Deployed all the same, as the stack goes back from version ${before}: ${refused}`);
        return undefined;
      } catch (error) {
        telemetry.fault('look at what has committed', error);
        return `Cannot look at what "${pipeline.name}" has committed, so that nothing was deployed: the log of this function says why`;
      }
    }
  };
