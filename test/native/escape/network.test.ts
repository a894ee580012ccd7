/** Attempts of containers on the bridge to reach the host and each other. */
import { suite } from 'uvu';
import { BIN, Lab } from '../../support/e2e.ts';
import { NetLab } from '../../support/net-lab.ts';
import { privileged } from '../../support/privileged.ts';
import { attemptsOf } from './attempts/group.ts';
import { NETWORK } from './attempts/network.ts';

const tests = suite('escapes: the bridge');
const test = privileged(tests);
let net: NetLab;
let lab: Lab;

if (process.getuid?.() === 0) {
  tests.before(async () => {
    net = await NetLab.open();
    lab = await Lab.open({ bin: net.inHost(BIN, 'tsbuild') });
  });
  tests.after(async () => {
    await lab[Symbol.asyncDispose]();
    net[Symbol.dispose]();
  });
}

for (const attempt of attemptsOf(NETWORK)) test(attempt.name, () => attempt.run(net, lab));

tests.run();
