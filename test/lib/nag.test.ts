import { App, Stack } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import {
  AwsSolutionsChecks,
  HIPAASecurityChecks,
  NIST80053R4Checks,
  NIST80053R5Checks,
  PCIDSS321Checks,
} from 'cdk-nag';
import { Construct } from 'constructs';
import { describe, expect, it } from 'vitest';
import { ACKNOWLEDGED, acknowledgeFindings, acknowledgementsOf, findingsOf } from '../../lib/acknowledged.ts';
import { network, stacks } from '../e2e/stacks/app.ts';

const PACKS = [
  AwsSolutionsChecks,
  HIPAASecurityChecks,
  NIST80053R4Checks,
  NIST80053R5Checks,
  PCIDSS321Checks,
].map((Pack) => new Pack());

const findings = [...stacks, network].flatMap((stack) => PACKS.flatMap((pack) => findingsOf(stack, pack)));

describe('the rules of five packs of cdk-nag, over a stack of every source and sink', () => {
  it('are broken nowhere without a reason', () => {
    expect(findings.filter((finding) => acknowledgementsOf(finding).length === 0)).toEqual([]);
  });

  it('are broken for one reason each', () => {
    expect(findings.filter((finding) => acknowledgementsOf(finding).length > 1)).toEqual([]);
  });

  it('have no reason that nothing needs any more', () => {
    const needed = new Set(findings.flatMap(acknowledgementsOf));
    expect(ACKNOWLEDGED.filter((acknowledgement) => !needed.has(acknowledgement))).toEqual([]);
  });
});

describe('acknowledgeFindings', () => {
  it('leaves what is not of a pipeline to the pack, and what a pipeline breaks by mistake', () => {
    const pack = new NIST80053R4Checks();
    const app = new App();
    const stack = new Stack(app, 'Planted');
    new s3.Bucket(stack, 'Planted');
    new s3.Bucket(new Construct(new Stack(app, 'Named'), 'Results'), 'Default');
    const before = findingsOf(app, pack);
    acknowledgeFindings(app, pack);
    const left = findingsOf(app, pack);
    const of = (stack: string, among: typeof left) => among.filter(({ path }) => path.startsWith(stack));
    expect(of('Planted', left)).toEqual(of('Planted', before));
    expect(of('Named', before).length).toBeGreaterThan(of('Named', left).length);
    expect(of('Named', left)).toContainEqual({
      rule: 'NIST.800.53.R4-S3BucketSSLRequestsOnly',
      path: 'Named/Results/Default/Resource',
    });
  });

  it('leaves nothing of a pipeline', () => {
    const stack = stacks[0] as Stack;
    for (const pack of PACKS) {
      expect(findingsOf(stack, pack)).not.toEqual([]);
      acknowledgeFindings(stack, pack);
      expect(findingsOf(stack, pack)).toEqual([]);
    }
  });
});
