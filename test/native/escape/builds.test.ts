/** Dockerfiles, contexts and caches made to read or write outside: builds by the program itself, on a store of its own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome } from '../../support/e2e.ts';
import { Lab } from '../../support/e2e.ts';
import { privileged } from '../../support/privileged.ts';
import { makeKey } from '../../support/ssh.ts';
import { ARCHIVES } from './attempts/archives.ts';
import type { BuildAttempt } from './attempts/builds.ts';
import { BUILDS } from './attempts/builds.ts';
import { attemptsOf } from './attempts/group.ts';
import { STORES } from './attempts/stores.ts';
import { picture } from './support.ts';

/** Builds wait more than they compute. */
const AT_ONCE = 4;
const ATTEMPTS = attemptsOf([...BUILDS, ...ARCHIVES]);

interface Attempted {
  readonly outcome: Outcome;
  /** What is outside, before and after. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

const tests = suite('escapes: builds');
const test = privileged(tests);
const builds = new PQueue({ concurrency: AT_ONCE });
const attempted = new Map<BuildAttempt, Promise<Attempted>>();
let lab: Lab;

if (process.getuid?.() === 0) {
  tests.before(async () => {
    lab = await Lab.open();
    writeFileSync(join(lab.dir, 'secret.txt'), 'hidden-words');
    makeKey(join(lab.dir, 'key'));
    for (const [index, attempt] of ATTEMPTS.entries()) {
      const build = builds.add(() => carryOut(attempt, join(lab.dir, `attempt-${index}`)));
      // It is for the attempt's own test to fail.
      build.catch(() => {});
      attempted.set(attempt, build);
    }
  });
  tests.after(async () => {
    builds.clear();
    await builds.onIdle();
    await lab[Symbol.asyncDispose]();
  });
}

async function carryOut(attempt: BuildAttempt, base: string): Promise<Attempted> {
  const out = join(base, 'outside');
  const dir = join(base, 'context');
  for (const each of [out, dir, join(out, 'empty')]) mkdirSync(each, { recursive: true });
  writeFileSync(join(out, 'file'), 'canary\n');
  writeFileSync(join(out, 'passwd'), 'host:x:7:7::/:/bin/sh\n');
  // A file of ignore rules that would hide everything, were it read.
  writeFileSync(join(out, 'ignore'), '**\n');
  attempt.context?.(dir, out);
  const show = 'result' in attempt.want ? "RUN sed 's/^/result: /' /result\n" : '';
  writeFileSync(join(dir, 'Dockerfile'), attempt.dockerfile.replaceAll('OUT', out) + show);
  const before = picture(out);
  const outcome = await lab.run(['build', '--progress', 'plain', ...(attempt.args ?? []), dir]);
  return { outcome, before, after: picture(out) };
}

for (const attempt of ATTEMPTS) {
  test(attempt.name, async () => {
    const found = await attempted.get(attempt);
    assert.ok(found);
    assert.equal(found.after, found.before);
    const { code, stderr } = found.outcome;
    if ('fails' in attempt.want) {
      assert.is.not(code, 0, 'the build went well');
      assert.match(stderr, attempt.want.fails);
      return;
    }
    assert.is(code, 0, stderr);
    const result = [...stderr.matchAll(/ result: (.*)$/gm)].map(([, line]) => line).join('\n');
    assert.match(result, attempt.want.result);
    assert.not.match(result, 'canary');
  });
}

for (const attempt of attemptsOf(STORES)) test(attempt.name, () => attempt.run(lab));

tests.run();
