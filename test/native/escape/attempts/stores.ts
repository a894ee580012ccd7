/** What builds leave behind and share: secrets, the store, and a cache that another build has at the same time. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Lab } from '../../../support/e2e.ts';
import { picture } from '../support.ts';
import type { Described, Group } from './group.ts';

export interface LabAttempt extends Described {
  readonly run: (lab: Lab) => Promise<void>;
}

const ROUNDS = 3;

/** Every file of the store that has `text`, packed or not. */
function filesWith(dir: string, text: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(text))
    .map((entry) => join(entry.parentPath, entry.name));
}

async function hidesSecrets(lab: Lab): Promise<void> {
  const dockerfile = `FROM busybox
RUN --mount=type=secret,id=s,mode=0444 mount | grep secret; ls -l /run/secrets/s; cp -r /run/secrets /copied 2>/dev/null; rm -rf /copied
RUN --mount=type=secret,id=s,env=S [ -n "$S" ]
RUN find / -xdev -name s -path '*secrets*' 2>/dev/null | wc -l > /result
`;
  const outcome = await lab.build('secretive', dockerfile, {}, ['--secret', 'id=s,src=secret.txt']);
  assert.not.match(outcome.stderr + outcome.stdout, 'hidden-words');
  assert.equal(filesWith(lab.store, 'hidden-words'), []);
  assert.is((await lab.sh('secretive', 'cat /result')).trim(), '0');
}

async function keepsStrangersOut(lab: Lab): Promise<void> {
  const mode = execFileSync('stat', ['-c', '%a', lab.store], { encoding: 'utf8' }).trim();
  assert.is(Number.parseInt(mode, 8) & 0o007, 0, mode);
}

/** One build exchanges a directory of the cache for a link out, over and over, while others mount below it. */
async function racesForCache(lab: Lab): Promise<void> {
  const outside = join(lab.dir, 'raced');
  mkdirSync(outside);
  writeFileSync(join(outside, 'file'), 'canary\n');
  const before = picture(outside);
  const tool = join(lab.dir, 'exchange');
  mkdirSync(tool);
  const source = join(import.meta.dirname, '../exchange.c');
  execFileSync('gcc', ['-O1', '-static', '-Wall', '-Wextra', '-Werror', '-o', join(tool, 'program'), source]);
  const cache = '--mount=type=cache,id=raced,target=/c';
  const swap = await lab.context('swap', {
    Dockerfile: `FROM busybox
RUN --mount=from=tool,target=/tool ${cache} mkdir /c/a && ln -s ${'../'.repeat(12)}${outside} /c/b && touch /c/ready && \\
    { /tool/program /c/a /c/b | dd of=/c/swaps bs=1 2>/dev/null & while [ ! -e /c/stop ]; do sleep 0.02; done; [ -s /c/swaps ]; }
`,
  });
  const swapping = lab.ok(['build', '--build-context', `tool=${tool}`, swap]);
  const wait = 'while [ ! -e /c/ready ]; do sleep 0.02; done';
  await lab.build('waits', `FROM busybox\nRUN ${cache} ${wait}\n`);
  for (let round = 0; round < ROUNDS; round++) {
    const context = await lab.context(`race-${round}`, {
      Dockerfile: `FROM busybox
RUN ${cache} --mount=type=tmpfs,target=/c/a/${round} touch /c/a/${round}/x; grep -c ' /proc' /proc/self/mountinfo; \\
    ln /c/a/file /c/linked-${round}; cat /c/a/file; true
`,
    });
    const outcome = await lab.run(['build', '--progress', 'plain', '--no-cache', context]);
    assert.not.match(outcome.stderr.replaceAll(/^.*RUN.*$/gm, ''), 'canary');
    assert.equal(picture(outside), before);
  }
  await lab.build('stops', `FROM busybox\nRUN ${cache} touch /c/stop\n`);
  await swapping;
  assert.equal(picture(outside), before);
}

export const STORES: readonly Group<LabAttempt>[] = [
  {
    refusedBy: 'secrets, which are only ever in memory',
    attempts: [
      { name: 'find a secret in a layer, a record or a log of a build that prints its place', run: hidesSecrets },
    ],
  },
  {
    // CVE-2021-41091: set-user-ID programs of images, run by users of the machine.
    refusedBy: 'the store, which others than its owner cannot enter',
    attempts: [{ name: 'run a set-user-ID program of a layer as a user of the machine', run: keepsStrangersOut }],
  },
  {
    refusedBy: 'mount targets, which are resolved inside the root (openat2)',
    attempts: [{ name: 'a cache in which another build exchanges a directory for a link out', run: racesForCache }],
  },
];
