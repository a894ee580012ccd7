import { existsSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('build checks, end to end'));

test('a build lists what checks find, and succeeds', async () => {
  await using lab = await Lab.open();
  const { stderr } = await lab.build('app', 'FROM busybox as app\nENV a $nope\nCMD run me\n');
  assert.match(stderr, ' 4 warnings found:\n');
  assert.match(stderr, " - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (");
  assert.match(stderr, / - UndefinedVar: Usage of undefined variable '\$nope' \(\S*Dockerfile:2\)\n/);
});

test('variables and shells of a base are known, also to --check', async () => {
  await using lab = await Lab.open();
  await lab.build('base', 'FROM busybox\nENV BASE=1\nSHELL ["/bin/sh", "-ec"]\n');
  const context = await lab.context('app', { Dockerfile: 'FROM base\nENV A=$BASE B=$OTHER\nCMD run me\n' });
  const { code, stdout } = await lab.run(['build', '--check', context]);
  assert.is(code, 1);
  assert.match(stdout, 'Check complete, 1 warning has been found!');
  assert.match(stdout, "Usage of undefined variable '$OTHER'");
});

test('error=true fails the build before anything runs', async () => {
  await using lab = await Lab.open();
  const context = await lab.context('app', {
    Dockerfile: '# check=error=true\nFROM busybox as app\nRUN echo ran\n',
  });
  const { code, stderr } = await lab.run(['build', '-t', 'app', context]);
  assert.is(code, 3);
  assert.match(stderr, ' 1 warning found:\n - FromAsCasing: ');
  assert.match(stderr, 'ERROR: failed to build: failed to solve: Lint violation found for rules: FromAsCasing\n');
  assert.not.match(stderr, '[2/2]');
});

test('a build that fails lists what checks had found', async () => {
  await using lab = await Lab.open();
  const context = await lab.context('app', { Dockerfile: 'FROM busybox\nENV A=$nope\nRUN exit 7\n' });
  const { code, stderr } = await lab.run(['build', context]);
  assert.is(code, 1);
  assert.match(stderr, " - UndefinedVar: Usage of undefined variable '$nope'");
});

test('--check, outline and targets make no store', async () => {
  await using lab = await Lab.open({ empty: true });
  const context = await lab.context('app', { Dockerfile: 'FROM no.such/image AS app\nARG x=1\n' });
  const store = `${lab.dir}/none`;
  for (const call of ['check', 'outline', 'targets']) await lab.ok(['--root', store, 'build', '--call', call, context]);
  assert.not.ok(existsSync(store));
});

test.run();
