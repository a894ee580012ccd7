import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../../src/core/errors.ts';
import { checkOptionsAbove, checkOptionsOf, isChecked } from '../../../src/parser/lint/options.ts';
import type { CheckOptions } from '../../../src/parser/lint/options.ts';
import { RULE_NAMES, ruleNamed } from '../../../src/parser/lint/rules.ts';
import { parseDockerfile } from '../../../src/parser/parse.ts';

const test = suite('options of checks');

const NONE = checkOptionsAbove(undefined);

/** The options of a file that begins with the directive, with or without the build argument. */
function optionsOf(directive: string, argument?: string): CheckOptions {
  const text = `# check=${directive}\nFROM scratch\n`;
  const { directives } = parseDockerfile({ name: 'Dockerfile', text });
  return checkOptionsOf(directives, new Map(argument === undefined ? [] : [['BUILDKIT_DOCKERFILE_CHECK', argument]]));
}

function refused(run: () => unknown): BuildError {
  try {
    run();
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error('Nothing was refused');
}

test('the directive skips rules, by name or all', () => {
  const some = optionsOf('skip=FromAsCasing, UndefinedVar ;error=true');
  assert.is(some.error, true);
  assert.not.ok(isChecked('FromAsCasing', some, NONE));
  assert.not.ok(isChecked('UndefinedVar', some, NONE));
  assert.ok(isChecked('StageNameCasing', some, NONE));
  assert.not.ok(isChecked('StageNameCasing', optionsOf('skip=all'), NONE));
});

test('experimental rules are made when asked for, whatever is skipped', () => {
  assert.not.ok(isChecked('CopyIgnoredFile', NONE, NONE));
  assert.ok(isChecked('CopyIgnoredFile', optionsOf('skip=all;experimental=CopyIgnoredFile'), NONE));
  assert.not.ok(isChecked('CopyIgnoredFile', optionsOf('experimental=InvalidDefinitionDescription'), NONE));
  assert.ok(isChecked('CopyIgnoredFile', optionsOf('experimental=all'), NONE));
});

test('the build argument replaces the directive', () => {
  const options = optionsOf('skip=all;error=true', 'skip=FromAsCasing');
  assert.is(options.error, false);
  assert.ok(isChecked('UndefinedVar', options, NONE));
  assert.not.ok(isChecked('FromAsCasing', options, NONE));
  assert.ok(isChecked('FromAsCasing', optionsOf('skip=all', ''), NONE));
});

test('options that do not exist are refused where they are', () => {
  const error = refused(() => optionsOf('skipp=all'));
  assert.is(error.code, 'invalid-directive');
  assert.is(
    error.message,
    'Cannot use the directive "check": unknown option "skipp=all": want skip=, error= or experimental=',
  );
  assert.is(error.locations[0]?.start.line, 1);
  assert.match(refused(() => optionsOf('error=maybe')).message, '"maybe" is no value for "error"');
  assert.match(refused(() => optionsOf('all')).message, 'unknown option "all"');
  const usage = refused(() => optionsOf('skip=all', 'foo'));
  assert.is(usage.code, 'usage');
  assert.match(usage.message, 'BUILDKIT_DOCKERFILE_CHECK');
});

test('a comment above an instruction holds options, or is only a comment', () => {
  const above = checkOptionsAbove('about it\ncheck=skip=UndefinedVar;error=true');
  assert.not.ok(isChecked('UndefinedVar', NONE, above));
  assert.ok(isChecked('FromAsCasing', NONE, above));
  assert.is(above.error, true);
  assert.equal(checkOptionsAbove('check=out this'), NONE);
});

test('each rule has the page that Docker has', () => {
  assert.is(ruleNamed('JSONArgsRecommended').url, 'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/');
  assert.is(
    ruleNamed('SecretsUsedInArgOrEnv').url,
    'https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/',
  );
  assert.is(ruleNamed('InvalidBaseImagePlatform').url, undefined);
  assert.is(new Set(RULE_NAMES.map((name) => ruleNamed(name).url)).size, RULE_NAMES.length);
});

test.run();
