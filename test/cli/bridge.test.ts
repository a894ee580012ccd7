import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cli } from './harness.ts';

const tests = suite('bridge settings');

async function bridgeWith(env: Readonly<Record<string, string>>): Promise<unknown> {
  const { status, stderr, engines } = await cli(['images'], { env, answers: { images: async () => [] } });
  assert.is(status, 0, stderr);
  return engines[0]?.bridge;
}

tests('leaves everything to the runtime when nothing is set', async () => {
  assert.is(await bridgeWith({}), undefined);
  assert.is(await bridgeWith({ TSBUILD_BRIDGE: '', TSBUILD_SUBNET: '' }), undefined);
});

tests('takes a name, a range, or both', async () => {
  assert.equal(await bridgeWith({ TSBUILD_BRIDGE: 'build.0' }), { name: 'build.0' });
  assert.equal(await bridgeWith({ TSBUILD_SUBNET: '172.20.16.0/20' }), { name: 'tsbuild0', subnet: '172.20.16.0/20' });
  for (const subnet of ['10.0.0.0/8', '192.168.255.240/28', '100.127.255.0/24'])
    assert.equal(await bridgeWith({ TSBUILD_BRIDGE: 'b', TSBUILD_SUBNET: subnet }), { name: 'b', subnet });
});

for (const [name, subnet] of [
  ['a/b', ''],
  ['-a', ''],
  ['sixteen-letters-', ''],
  ['a b', ''],
  ['', '10.0.0.1/8'],
  ['', '10.0.0.0/7'],
  ['', '10.0.0.0/29'],
  ['', '11.0.0.0/16'],
  ['', '172.32.0.0/16'],
  ['', '172.16.0.0/11'],
  ['', '10.0.0.0'],
  ['', '10.0.0.0/x'],
  ['', '010.0.0.0/8'],
  ['', 'fd00::/16'],
] as const) {
  tests(`refuses ${name === '' ? subnet : `the name "${name}"`}`, async () => {
    const { status, stderr } = await cli(['images'], { env: { TSBUILD_BRIDGE: name, TSBUILD_SUBNET: subnet } });
    assert.is(status, 2);
    assert.match(stderr, `Cannot use "${name === '' ? subnet : name}"`);
  });
}

tests.run();
