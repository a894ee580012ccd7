import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { ContainerSpec } from '../../src/runtime-native/types.ts';
import type { ContainerRig } from '../support/container.ts';
import { containerSuite } from '../support/container.ts';

const caller = join(import.meta.dirname, 'caller.ts');

function describe(rig: ContainerRig, spec: ContainerSpec): string {
  const file = join(rig.directory, `${spec.id}.json`);
  writeFileSync(file, JSON.stringify(spec));
  return file;
}

/** Runs the container with its stdio inherited from pipes, which get `input`. */
function runPiped(rig: ContainerRig, spec: ContainerSpec, input: string, kind = 'inherit-stdin') {
  return spawnSync(process.execPath, ['--import', 'tsx', caller, describe(rig, spec), kind], {
    input,
    encoding: 'utf8',
  });
}

/** Runs the container below `script`, which gives the caller a terminal of 33 rows and 77 columns. */
async function runOnTerminal(rig: ContainerRig, spec: ContainerSpec, answers: (output: string) => string | undefined) {
  const command = `stty rows 33 cols 77; echo "on $(tty)"; before=$(stty -g); ${process.execPath} --import tsx ${caller} ${describe(rig, spec)} inherit-stdin; echo "exit=$?"; test "$before" = "$(stty -g)" && echo restored`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Uint8Array) => {
    output += Buffer.from(chunk).toString();
    const answer = answers(output);
    if (answer !== undefined) child.stdin.write(answer);
  });
  await new Promise((resolve) => child.on('close', resolve));
  return output;
}

containerSuite('native runtime: terminal and inherited stdio', (test) => {
  test('inherited stdio is relayed through pipes', async (rig) => {
    const result = runPiped(
      rig,
      rig.spec('cat; echo err >&2; test -p /dev/stdin && test -p /dev/stdout; exit 4'),
      'from the caller\n',
    );
    assert.is(result.stdout, 'from the caller\n');
    assert.is(result.stderr, 'err\n');
    assert.is(result.status, 4);
    assert.is(runPiped(rig, rig.spec('cat; echo end'), 'not for it\n', 'inherit').stdout, 'end\n');
  });

  test('a large input arrives whole', async (rig) => {
    const input = 'x'.repeat(1_000_000);
    assert.is(runPiped(rig, rig.spec('wc -c'), input).stdout.trim(), '1000000');
    assert.is(
      runPiped(rig, rig.spec('head -c 3'), input).stdout,
      'xxx',
      'a process that stops reading ends all the same',
    );
  });

  test('a container with a terminal has one of its own', async (rig) => {
    const script =
      'tty; stat -c "%U:%g %a" $(tty); test -c /dev/console && echo console; echo $TERM; stty -a | head -1; ps -o tty,comm | tail -1; test -t 0 -a -t 1 -a -t 2 && echo all';
    const result = runPiped(rig, rig.spec(script, { terminal: true, user: 'app', env: ['PATH=/bin'] }), '');
    const lines = result.stdout.split('\r\n');
    assert.equal(lines.slice(0, 4), ['/dev/pts/0', 'app:5 620', 'console', 'xterm'], result.stdout);
    assert.is(lines.at(-2), 'all');
    assert.is(result.status, 0, result.stderr);
  });

  test('passes keys and the size of the terminal, and restores the caller', async (rig) => {
    const spec = rig.spec('trap "echo interrupted; exit 9" INT; stty size; echo ready; while :; do sleep 0.01; done', {
      terminal: true,
    });
    let sent = false;
    const output = await runOnTerminal(rig, spec, (text) => {
      if (sent || !text.includes('ready')) return undefined;
      sent = true;
      return '\x03';
    });
    assert.match(output, /33 77\r\nready\r\n[^]*interrupted\r\nexit=9\r\nrestored/);
  });

  test('a change of the size reaches the container', async (rig) => {
    const spec = rig.spec(
      'trap \'resized=$(stty size)\' WINCH; echo ready; until test "$resized" = "44 55"; do sleep 0.01; done; echo "now $resized"',
      { terminal: true },
    );
    let resized = false;
    const output = await runOnTerminal(rig, spec, (text) => {
      const terminal = /on (\/dev\/pts\/\d+)/.exec(text)?.[1];
      if (resized || terminal === undefined || !text.includes('ready')) return undefined;
      resized = true;
      execFileSync('stty', ['-F', terminal, 'rows', '44', 'cols', '55']);
      return undefined;
    });
    assert.match(output, /ready\r\nnow 44 55\r\n/);
  });
});
