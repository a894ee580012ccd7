/** Tests in a machine of their own, with other control groups than this one's; what they are is in `inside`. */
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runInMachine, whyNoMachine } from '../support/machine.ts';

const test = suite('native runtime: other machines');
const why = whyNoMachine();
if (why !== undefined) process.stderr.write(`SKIPPED: other machines: ${why}\n`);

async function runV2(): Promise<void> {
  const outcome = await runInMachine(fileURLToPath(new URL('inside/v2.ts', import.meta.url)), 'v2');
  if (outcome.kind === 'not-booted') {
    process.stderr.write(`SKIPPED: the kernel does not boot here\n${outcome.output}`);
    return;
  }
  assert.is(outcome.code, 0, outcome.output);
  // Whole suites that run nothing end with 0, too.
  assert.match(outcome.output, /Passed: {4}38\n/);
}

const TITLE = 'control groups of version 2 are used as those of version 1 are';
if (why === undefined) test(TITLE, runV2);
else test.skip(TITLE);

test.run();
