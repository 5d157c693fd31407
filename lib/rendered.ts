import {
  CfnResource,
  DefaultTokenResolver,
  type IResolvable,
  type IResolveContext,
  Reference,
  Stack,
  StringConcat,
  Tokenization,
} from 'aws-cdk-lib';
import * as kinesis from 'aws-cdk-lib/aws-kinesis';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { IConstruct } from 'constructs';

/** A resource with the properties that its template will have: after overrides, escape hatches and aspects. */
export interface Rendered {
  readonly path: string;
  readonly type: string;
  readonly properties: { readonly [name: string]: unknown };
  /** The resources of the app that a property refers to, through aliases, versions and consumers. */
  refersTo(property: string): readonly CfnResource[];
}

/** Returns a resource as its template will have it. */
export function rendered(resource: CfnResource): Rendered {
  // CDK renders a resource by this method, and declares no other way to learn what overrides make of its properties.
  const { _toCloudFormation } = resource as unknown as { _toCloudFormation(): object };
  const stack = Stack.of(resource);
  const raw = _toCloudFormation.call(resource);
  const { Resources } = stack.resolve(raw) as {
    readonly Resources: { readonly [id: string]: { readonly Properties?: Rendered['properties'] } };
  };
  const [{ Properties: properties = {} } = {}] = Object.values(Resources);
  return {
    path: resource.node.path,
    type: resource.cfnResourceType,
    properties,
    refersTo(property) {
      const name = `${property.charAt(0).toLowerCase()}${property.slice(1)}`;
      return referredBy((resource as unknown as { readonly [name: string]: unknown })[name], resource);
    },
  };
}

/** Returns the resources that a value refers to, and behind an alias, a version or a consumer what it stands for. */
function referredBy(value: unknown, scope: IConstruct): readonly CfnResource[] {
  const found = new Set<CfnResource>();
  const collector = new Collector((target) => {
    if (CfnResource.isCfnResource(target)) found.add(target);
  });
  Tokenization.resolve(value, { scope, resolver: collector, preparing: true });
  return [...found].flatMap((target) => [target, ...behind(target)]);
}

function behind(target: CfnResource): readonly CfnResource[] {
  if (target instanceof lambda.CfnAlias || target instanceof lambda.CfnVersion)
    return referredBy(target.functionName, target);
  if (target instanceof kinesis.CfnStreamConsumer) return referredBy(target.streamArn, target);
  return [];
}

/** Tells of every reference in what it resolves. */
class Collector extends DefaultTokenResolver {
  readonly #tell: (target: IConstruct) => void;

  constructor(tell: (target: IConstruct) => void) {
    super(new StringConcat());
    this.#tell = tell;
  }

  override resolveToken(
    token: IResolvable,
    context: IResolveContext,
    postProcessor: Parameters<DefaultTokenResolver['resolveToken']>[2],
  ): unknown {
    if (Reference.isReference(token)) this.#tell(token.target);
    return super.resolveToken(token, context, postProcessor);
  }
}
