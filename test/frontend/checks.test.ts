/**
 * Build checks against fixtures: `expected.txt` is what `docker build --check` prints for the Dockerfile beside it, except where
 * `difference.txt` says why it is not.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkText } from '../../src/cli/calls/check.ts';
import { checkBuild } from '../../src/engine/call.ts';
import type { CheckReport } from '../../src/engine/types.ts';
import { RULE_NAMES } from '../../src/parser/lint/rules.ts';

const FIXTURES = new URL('../../fixtures/lint/', import.meta.url).pathname;

const test = suite('checks');

function check(name: string): Promise<CheckReport> {
  const path = join(FIXTURES, name);
  return checkBuild(
    {
      context: { kind: 'directory', path },
      dockerfile: { kind: 'path', path: join(path, 'Dockerfile'), shown: 'Dockerfile' },
      buildArgs: new Map(buildArgs(path)),
      network: 'default',
    },
    { root: '/nonexistent', signal: new AbortController().signal },
  );
}

function buildArgs(path: string): [string, string][] {
  if (!readdirSync(path).includes('build-args.txt')) return [];
  const lines = readFileSync(join(path, 'build-args.txt'), 'utf8').trim().split('\n');
  return lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
}

const names = readdirSync(FIXTURES);

for (const name of names) {
  test(`finds in ${name} what it should`, async () => {
    const report = await check(name);
    assert.is(report.error, undefined);
    assert.is(checkText(report), readFileSync(join(FIXTURES, name, 'expected.txt'), 'utf8'));
  });
}

test('there is a case for every rule that needs no image, and one in which it finds nothing', () => {
  for (const rule of RULE_NAMES.filter((name) => name !== 'InvalidBaseImagePlatform')) {
    assert.ok(names.includes(rule), rule);
    assert.ok(readFileSync(join(FIXTURES, rule, 'expected.txt'), 'utf8').includes(`WARNING: ${rule} - `), rule);
    assert.not(
      readFileSync(join(FIXTURES, `${rule}-ok`, 'expected.txt'), 'utf8').includes(`WARNING: ${rule} - `),
      rule,
    );
  }
});

test.run();
