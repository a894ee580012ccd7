/** Attempts on the terminal of the caller, by containers with pipes and by those with a terminal of their own. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { ContainerSpec } from '../../../../src/runtime-native/types.ts';
import type { ContainerRig } from '../../../support/container.ts';
import { bind, Canary, imageWith } from '../support.ts';
import type { Group, RigAttempt } from './group.ts';
import { refused } from './group.ts';

const CALLER = join(import.meta.dirname, '../../caller.ts');

interface OnTerminal {
  /** What the command printed. */
  readonly lines: readonly string[];
  /** What somebody has typed into the terminal since. */
  readonly typed: string;
}

/** Runs a command on a terminal, on which nobody types. */
async function onTerminal(command: string): Promise<OnTerminal> {
  const read = 'stty -icanon -echo min 0 time 0; echo "typed=[$(dd bs=1000 count=1 2>/dev/null)]"';
  const child = spawn('script', ['-qec', `${command}; ${read}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Uint8Array) => (output += Buffer.from(chunk).toString()));
  await new Promise((resolve) => child.on('close', resolve));
  const [, before = '', typed] = /^([^]*)typed=\[([^]*)\]/.exec(output.replaceAll('\r', '')) ?? [];
  if (typed === undefined) throw new Error(`the terminal ended early: ${output}`);
  // What a terminal was typed into echoes.
  const lines = before.trim().split('\n');
  return { lines: lines.map((line) => line.replace(/^!+/, '')), typed };
}

/** As a caller does who has a terminal. */
function startOnTerminal(rig: ContainerRig, spec: ContainerSpec): Promise<OnTerminal> {
  const file = join(rig.directory, `${spec.id}.json`);
  writeFileSync(file, JSON.stringify(spec));
  return onTerminal(
    `${process.execPath} --import tsx ${CALLER} ${file} ${spec.terminal ? 'inherit-stdin' : 'inherit'}`,
  );
}

let compiled: string | undefined;

function tool(rig: ContainerRig): string {
  compiled ??= rig.compile(join(import.meta.dirname, '../terminal.c'));
  return compiled;
}

type Attempt = 'type' | 'take' | 'masters' | 'own';

const attempted = new Map<boolean, Promise<OnTerminal>>();

/** What came of one of the attempts, in a container with pipes or with a terminal of its own, which makes all of them at once. */
async function attempt(rig: ContainerRig, name: Attempt, terminal: boolean): Promise<OnTerminal> {
  const mounts = [bind(tool(rig), '/tool', true)];
  const started =
    attempted.get(terminal) ?? startOnTerminal(rig, rig.spec('', { args: ['/tool/program'], mounts, terminal }));
  attempted.set(terminal, started);
  const { lines, typed } = await started;
  const first = lines.indexOf(name) + 1;
  assert.ok(first > 0, lines.join('\n'));
  const end = lines.findIndex((line, index) => index >= first && !line.includes(' '));
  return { lines: lines.slice(first, end < 0 ? undefined : end), typed };
}

/** Terminals that were found, with what came of it. */
function granted({ lines }: OnTerminal): string[] {
  return lines.filter((line) => line.endsWith(' granted'));
}

/** Typing is something that newer kernels can be told to refuse to everyone. */
function canType(): boolean {
  try {
    return readFileSync('/proc/sys/dev/tty/legacy_tiocsti', 'utf8').trim() === '1';
  } catch {
    return true;
  }
}

const SESSION = 'a session of its own, with pipes or a terminal of its own';

export const TERMINALS: readonly Group<RigAttempt>[] = [
  refused(SESSION, 'type into the terminal of the caller, by TIOCSTI and TIOCLINUX, with pipes', async (rig) => {
    const found = await attempt(rig, 'type', false);
    assert.equal(granted(found), []);
    assert.ok(found.lines.includes('0 ENOTTY'), found.lines.join('\n'));
    assert.ok(found.lines.includes('/dev/tty ENXIO'), found.lines.join('\n'));
    assert.is(found.typed, '');
    // With nothing between the program and the terminal, it is as if somebody had typed.
    const outside = await onTerminal(`${tool(rig)}/program type`);
    assert.is(outside.typed.includes('!'), canType());
  }),

  refused(SESSION, 'type into the terminal of the caller with a terminal of its own', async (rig) => {
    const found = await attempt(rig, 'type', true);
    assert.is(found.typed, '');
    const own = ['0', '1', '2', '/dev/tty', '/dev/console', '/dev/pts/0'].map((name) => `${name} granted`);
    assert.equal(
      granted(found).filter((line) => !own.includes(line)),
      [],
    );
  }),

  refused(SESSION, 'make the terminal of the caller the one of its session, by TIOCSCTTY', async (rig) => {
    for (const terminal of [false, true]) {
      const found = await attempt(rig, 'take', terminal);
      assert.ok(found.lines.includes(terminal ? '0 EPERM' : '0 ENOTTY'), found.lines.join('\n'));
      assert.equal(granted(found), [], String(terminal));
    }
  }),

  refused('descriptors, which are all closed but stdio', 'find the master of its own terminal', async (rig) => {
    assert.equal((await attempt(rig, 'masters', true)).lines, []);
    const own = await attempt(rig, 'own', true);
    assert.ok(
      own.lines.some((line) => line.endsWith('is the master of 1')),
      own.lines.join('\n'),
    );
  }),

  refused('a devpts of its own', 'see the terminals of the host in /dev/pts', async (rig) => {
    for (const [terminal, want] of [
      [true, ['0', 'ptmx']],
      [false, ['ptmx']],
    ] as const) {
      const { lines } = await startOnTerminal(rig, rig.spec('ls -1 /dev/pts', { terminal }));
      assert.equal(lines, want);
    }
  }),

  refused(
    'masks and terminals, which are bound by descriptors of the runtime and not by paths of the image',
    '/dev/console of the image is a link while the container gets a terminal (CVE-2025-52565)',
    async (rig) => {
      const canary = new Canary(rig);
      const rootfs = imageWith(rig, (layer) => {
        mkdirSync(join(layer, 'dev'));
        for (const name of ['console', 'pts', 'ptmx', 'tty'])
          symlinkSync(`${'../'.repeat(12)}${canary.path}/file`, join(layer, 'dev', name));
      });
      const script = 'stat -c "%F %t" /dev/console; tty; ls -1 /dev/pts; echo x > /dev/console';
      const { lines } = await startOnTerminal(rig, rig.spec(script, { rootfs, terminal: true }));
      assert.equal(lines, ['character special file 88', '/dev/pts/0', '0', 'ptmx', 'x']);
      assert.equal(canary.changes(), []);
    },
  ),
];
