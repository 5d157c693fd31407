import { Duration, Names, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { PipelineFunction } from './pipeline-function.ts';

/** The event of the functions that run on the schedule. */
const TICK = { source: 'millrace.schedule' };

export interface EveryMinuteProps {
  /** What the calls are for. */
  readonly description: string;
  /** The functions that are called, by the ids of their schedules. */
  readonly functions: { readonly [id: string]: PipelineFunction };
}

/**
 * Calls functions once a minute, each by a schedule of its own in one group of EventBridge Scheduler.
 *
 * The scheduler calls with a role that may call these functions alone, and that it can assume for this group alone. A
 * call that Lambda does not take, as where it is throttled or the role was changed, is not tried again, as the next is
 * a minute away: it goes to a queue, so that it is seen.
 */
export class EveryMinute extends Construct {
  /** The calls that Lambda did not take, for 14 days. */
  readonly lost: sqs.Queue;
  /** The name of the group that holds the schedules. */
  readonly groupName: string;

  constructor(scope: Construct, id: string, { description, functions }: EveryMinuteProps) {
    super(scope, id);
    // Names are at most 64 characters, and are of one account and region, as those of stacks are.
    this.groupName = Names.uniqueResourceName(this, { maxLength: 64, separator: '-' });
    const group = new scheduler.CfnScheduleGroup(this, 'Group', { name: this.groupName });
    const groupArn = Stack.of(this).formatArn({
      service: 'scheduler',
      resource: 'schedule-group',
      resourceName: this.groupName,
    });
    this.lost = new sqs.Queue(this, 'Lost', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Stack.of(this).account, 'aws:SourceArn': groupArn },
        },
      }),
    });
    const arns = Object.values(functions).map(({ live }) => live.functionArn);
    role.addToPolicy(new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: arns }));
    role.addToPolicy(
      new iam.PolicyStatement({ actions: ['sqs:SendMessage'], resources: [this.lost.queueArn] }),
    );
    for (const [id, fn] of Object.entries(functions)) {
      const schedule = new scheduler.CfnSchedule(this, id, {
        description,
        groupName: this.groupName,
        scheduleExpression: 'rate(1 minute)',
        flexibleTimeWindow: { mode: 'OFF' },
        target: {
          arn: fn.live.functionArn,
          roleArn: role.roleArn,
          input: JSON.stringify(TICK),
          retryPolicy: { maximumEventAgeInSeconds: 60, maximumRetryAttempts: 0 },
          deadLetterConfig: { arn: this.lost.queueArn },
        },
      });
      // From its first call on, the scheduler must be allowed to make it.
      schedule.node.addDependency(group, role);
    }
  }
}
