// Prints how many tests of a report of Vitest's have passed and failed, and adds the names of those that failed
// to a file: node .ci/count.mjs <report.json> <file>.
import { appendFileSync, readFileSync } from 'node:fs';

const [, , report, failures] = process.argv;
const { numPassedTests, numFailedTests, success, testResults } = JSON.parse(readFileSync(report, 'utf8'));
for (const { name, status, assertionResults } of testResults) {
  const failed = assertionResults.filter((test) => test.status === 'failed').map(({ fullName }) => fullName);
  // A file that could not be loaded has no tests.
  if (status === 'failed') appendFileSync(failures, `  ${[name, ...failed].join('\n    ')}\n`);
}
console.log(numPassedTests, numFailedTests || (success ? 0 : 1));
