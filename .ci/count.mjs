// Prints how many tests of a report of Vitest's have passed and failed, and adds the names of those that failed
// to a file: node .ci/count.mjs <report.json> <file>. On standard error it says which files took longest.
import { appendFileSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const [, , report, failures] = process.argv;
const { numPassedTests, numFailedTests, success, testResults } = JSON.parse(readFileSync(report, 'utf8'));
for (const { name, status, assertionResults } of testResults) {
  const failed = assertionResults.filter((test) => test.status === 'failed').map(({ fullName }) => fullName);
  // A file that could not be loaded has no tests.
  if (status === 'failed') appendFileSync(failures, `  ${[name, ...failed].join('\n    ')}\n`);
}
const longest = testResults
  .map(({ name, startTime, endTime }) => ({ name, seconds: Math.round((endTime - startTime) / 1000) }))
  .sort((one, other) => other.seconds - one.seconds)
  .slice(0, 12);
for (const { name, seconds } of longest) console.error(`  ${seconds} s  ${relative('.', name)}`);
console.log(numPassedTests, numFailedTests || (success ? 0 : 1));
