import { writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocalTree } from '../../src/context/local.ts';
import { resolveOwner } from '../../src/executor/owner.ts';
import type { Owner } from '../../src/solver/op.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('owners');

const PASSWD = 'root:x:5:6:::\napp:x:1000:1001::/:\nshort:x:7\nword:x:many:9\n99999999999:x:12:13::/:\n';
const GROUP = 'root:x:9:\nstaff:x:50:\nbare:x\n';

/** What BuildKit gives a file with `--chown`; a name that is not found is in `unknown`. */
const CASES: readonly (readonly [Owner, ids: string, unknown?: string])[] = [
  [{ user: 'app' }, '1000:1001'],
  [{ user: 'app', group: 'staff' }, '1000:50'],
  [{ user: 'app', group: '0' }, '1000:0'],
  [{ user: '5' }, '5:5'],
  [{ user: '010', group: '+9' }, '10:9'],
  [{ user: 'root', group: 'root' }, '0:0'],
  [{ user: 'short', group: 'bare' }, '7:0'],
  [{ user: 'word' }, '0:9'],
  [{ user: '99999999999' }, '12:13'],
  [{ user: '2147483647' }, '2147483647:2147483647'],
  [{ user: '-1', group: '-2' }, '0:4294967294'],
  [{ user: '4294967294' }, '0:0', '4294967294'],
  [{ user: '0x10' }, '0:0', '0x10'],
  [{ user: 'app', group: 'nogroup' }, '1000:1001', 'nogroup'],
];

for (const [owner, ids, unknown] of CASES) {
  test(`${owner.user}${owner.group === undefined ? '' : `:${owner.group}`} is ${ids}`, async () => {
    await using temp = await tempDir();
    mkdirSync(join(temp.path, 'etc'));
    writeFileSync(join(temp.path, 'etc/passwd'), PASSWD);
    writeFileSync(join(temp.path, 'etc/group'), GROUP);
    const told: string[] = [];
    const { uid, gid } = resolveOwner(new LocalTree(temp.path), owner, (name) => told.push(name));
    assert.is(`${uid}:${gid}`, ids);
    assert.equal(told, unknown === undefined ? [] : [unknown]);
  });
}

test.run();
