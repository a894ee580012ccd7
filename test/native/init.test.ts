import * as assert from 'uvu/assert';
import type { RunningContainer } from '../../src/runtime-native/types.ts';
import { containerSuite } from '../support/container.ts';

containerSuite('native runtime: an init as first process', (test) => {
  test('the command is its child, and its exit code the container’s', async (rig) => {
    const { exit, stdout } = await rig.run(rig.spec('echo $$ $PPID; exit 7', { init: true }));
    assert.is(exit.code, 7);
    const [pid, parent] = stdout.trim().split(' ').map(Number);
    assert.is(parent, 1);
    assert.ok((pid ?? 0) > 1);
  });

  test('a command that a signal ends, ends the container with 128 and its number', async (rig) => {
    assert.is((await rig.run(rig.spec('kill -9 $$', { init: true }))).exit.code, 137);
    // Without an init the same command is process 1, which such a signal does not reach.
    assert.is((await rig.run(rig.spec('kill -9 $$'))).exit.code, 0);
  });

  test('orphans are reaped', async (rig) => {
    const script = `
      for i in 1 2 3 4 5; do (sh -c 'exit 0' & ) ; done
      n=0
      while grep -ls '^State:.Z' /proc/[0-9]*/status >/dev/null && [ $n -lt 1000 ]; do n=$((n+1)); done
      grep -ls '^State:.Z' /proc/[0-9]*/status | wc -l`;
    assert.is(await rig.output(script, { init: true }), '0');
  });

  test('signals reach the command', async (rig) => {
    const spec = rig.spec('trap "echo term; exit 5" TERM; echo up; while :; do sleep 0.01; done', { init: true });
    let container: RunningContainer | undefined;
    const { exit, stdout } = await rig.run(spec, {
      onStarted: (running) => (container = running),
      onStdout: (text) => void (text.startsWith('up') && container?.kill('SIGTERM')),
    });
    assert.is(exit.code, 5);
    assert.match(stdout, 'term');
  });

  test('a command that cannot be run is told as without an init', async (rig) => {
    let message = '';
    await rig
      .run(rig.spec('', { args: ['/etc/passwd'], init: true }))
      .catch((error: unknown) => (message = error instanceof Error ? error.message : ''));
    assert.match(message, 'permission denied');
  });

  test('the init keeps no descriptor and cannot be looked into', async (rig) => {
    const script =
      'ls -l /proc/1/fd 2>&1 | wc -l; cat /proc/1/environ 2>&1; readlink /proc/1/exe 2>&1; exec cat /proc/1/status';
    const output = await rig.output(script, { init: true });
    assert.match(output, /denied/);
    assert.not.match(output, /tsbuild-runtime .*\//);
    assert.match(output, /CapEff:\s+00000000a80425fb/);
    assert.match(output, /Seccomp:\s+2/);
  });
});
