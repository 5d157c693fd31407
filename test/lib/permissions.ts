import type { Template } from 'aws-cdk-lib/assertions';

export interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Principal?: unknown;
  readonly Condition?: unknown;
}

/** A logical id without the hash that CDK appends. */
export const plain = (id: string): string => id.replace(/[0-9A-F]{8}$/, '');

/** `State`, `State.StreamArn`, `Results/panes/*`: what a reference in a template stands for. */
export function nameOf(reference: unknown): string {
  if (typeof reference === 'string') return reference;
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join } = reference as Record<string, unknown>;
  if (typeof Ref === 'string') return plain(Ref);
  if (Array.isArray(attribute))
    return attribute[1] === 'Arn' ? plain(attribute[0]) : `${plain(attribute[0])}.${attribute[1]}`;
  return (join as [string, unknown[]])[1].map(nameOf).join('');
}

/** What each function's role allows, one line for each action and resource. */
export function permissionsOf(template: Template): Record<string, string[]> {
  const many = <Item>(oneOrMore: Item | readonly Item[]): readonly Item[] => [oneOrMore].flat() as Item[];
  const policies = Object.values(template.findResources('AWS::IAM::Policy')).map(({ Properties }) => {
    const allowed = (Properties.PolicyDocument.Statement as Statement[]).flatMap(({ Action, Resource }) =>
      many(Action).flatMap((action) => many(Resource).map((resource) => `${action} ${nameOf(resource)}`)),
    );
    return [nameOf(Properties.Roles[0]).replace(/Role$/, ''), allowed.sort()] as const;
  });
  return Object.fromEntries(policies);
}
