/** Checks that need a base image. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../../src/core/errors.ts';
import { compile } from '../../../src/frontend/build.ts';
import type { CompileOptions } from '../../../src/frontend/types.ts';
import type { Finding } from '../../../src/parser/lint/rules.ts';
import { parseDockerfile } from '../../../src/parser/parse.ts';
import { AMD64, fakeBases } from '../bases.ts';

const test = suite('checks of stages');

async function findings(text: string, options: Partial<CompileOptions> = {}): Promise<string[]> {
  const found: Finding[] = [];
  await compile(parseDockerfile({ name: 'Dockerfile', text }), {
    resolveBase: fakeBases().resolve,
    buildArgs: new Map(),
    targetPlatform: AMD64,
    buildPlatform: AMD64,
    noCache: false,
    network: 'default',
    labels: new Map(),
    onFinding: (finding) => found.push(finding),
    ...options,
  });
  return found.map(({ rule, message, range }) => `${range.start.line} ${rule}: ${message}`);
}

test('a base for another processor is named as it is written, with both platforms', async () => {
  const { resolve } = fakeBases();
  const resolveBase: CompileOptions['resolveBase'] = async (reference, platform) => {
    const base = await resolve(reference, platform);
    return { ...base, config: { ...base.config, architecture: 'arm64', variant: 'v8' } };
  };
  assert.equal(await findings('ARG B=busybox\nFROM $B', { resolveBase }), [
    '2 InvalidBaseImagePlatform: Base image busybox was pulled with platform "linux/arm64/v8", expected "linux/amd64" for current build',
  ]);
  const unknown: CompileOptions['resolveBase'] = async (...wanted) => ({
    ...(await resolveBase(...wanted)),
    isUnknown: true,
  });
  assert.equal(await findings('FROM busybox', { resolveBase: unknown }), []);
});

test('the environment and the shell of a base count', async () => {
  assert.equal(await findings('FROM full\nENV A=$BASE\nCMD run me'), []);
  assert.equal(await findings('FROM bare\nENV A=$BASE\nCMD run'), [
    "2 UndefinedVar: Usage of undefined variable '$BASE'",
    '3 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
  ]);
});

test('what a trigger of a base does is reported at FROM', async () => {
  const { resolve } = fakeBases();
  const resolveBase: CompileOptions['resolveBase'] = async (reference, platform) => {
    const base = await resolve(reference, platform);
    return { ...base, config: { ...base.config, config: { OnBuild: ['WORKDIR rel', 'ENV a $b'] } } };
  };
  assert.equal(await findings('\n\nFROM busybox\n', { resolveBase }), [
    '3 WorkdirRelativePath: Relative workdir "rel" can have unexpected results if the base image changes',
    "3 UndefinedVar: Usage of undefined variable '$b'",
    '3 LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format',
  ]);
});

test('a default that a build argument replaces is not looked at', async () => {
  const text = 'FROM scratch\nARG A=$nope\n';
  assert.is((await findings(text)).length, 1);
  assert.equal(await findings(text, { buildArgs: new Map([['A', 'x']]) }), []);
});

test('stages that the target does not need are looked at when asked for', async () => {
  const text = 'FROM scratch\nENV a b\nFROM scratch AS last\n';
  assert.equal(await findings(text), []);
  assert.is((await findings(text, { allStages: true })).length, 1);
});

test('error=true above an instruction makes its findings errors, with their places', async () => {
  try {
    await findings('FROM scratch as a\n# check=error=true\nENV a b\n');
    assert.unreachable();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    assert.is(error.code, 'check-failed');
    assert.is(error.message, 'Lint violation found for rules: LegacyKeyValueFormat');
    assert.equal(
      error.locations.map(({ start }) => start.line),
      [3],
    );
  }
});

test.run();
