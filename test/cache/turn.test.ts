import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { takeTurn } from '../../src/cache/turn.ts';
import { BuildError } from '../../src/core/errors.ts';
import { currentOwner, ownedName } from '../../src/core/owner.ts';
import { tempDir } from './rig.ts';

const test = suite('takeTurn()');

test('one at a time, each after the other', async () => {
  using dir = tempDir();
  let working = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    using _turn = await takeTurn(dir.path, { purpose: 'work' });
    most = Math.max(most, ++working);
    await new Promise((resolve) => setImmediate(resolve));
    working--;
  };
  await Promise.all([work(), work(), work()]);
  assert.is(most, 1);
  assert.equal(readdirSync(dir.path), []);
});

test('gives up on one that takes too long', async () => {
  using dir = tempDir();
  using _turn = await takeTurn(dir.path, { purpose: 'work' });
  try {
    await takeTurn(dir.path, { purpose: 'clean up', patienceMs: 0 });
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof BuildError);
    assert.is(error.code, 'store-busy');
    assert.match(error.message, /^Cannot clean up: /);
  }
  assert.is(readdirSync(dir.path).length, 1);
});

test('the turn of a process that died is over', async () => {
  using dir = tempDir();
  writeFileSync(join(dir.path, ownedName('ab', { ...currentOwner(), startTime: '1' })), '');
  {
    using _turn = await takeTurn(dir.path, { purpose: 'work', patienceMs: 0 });
    assert.is(readdirSync(dir.path).length, 1);
  }
  assert.equal(readdirSync(dir.path), []);
});

test.run();
