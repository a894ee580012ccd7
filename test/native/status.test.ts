import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StatusRecord } from '../../src/runtime-native/status.ts';
import { Stage, startError, StatusReader } from '../../src/runtime-native/status.ts';

const { EACCES, EISDIR, ELOOP, ENOENT, ENOEXEC, ENOSPC, EPERM } = constants.errno;

function encode(kind: number, value: number, code: number, detail: string): Buffer {
  const bytes = Buffer.alloc(1024);
  bytes.writeUInt32LE(kind, 0);
  bytes.writeUInt32LE(value, 4);
  bytes.writeInt32LE(code, 8);
  bytes.writeUInt32LE(Buffer.byteLength(detail), 12);
  bytes.write(detail, 16);
  return bytes;
}

const tests = suite('native runtime: status');

tests('reads records however the pipe cuts them', () => {
  const bytes = Buffer.concat([
    encode(4, 4242, 0, ''),
    encode(1, 4242, 0, ''),
    encode(2, 7, ENOENT, '/läyer'),
    encode(3, 137, 1, ''),
  ]);
  const wanted: StatusRecord[] = [
    { kind: 'created', pid: 4242 },
    { kind: 'started', pid: 4242 },
    { kind: 'failed', stage: 7, errno: ENOENT, detail: '/läyer' },
    { kind: 'exited', code: 137, oomKilled: true },
  ];
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 6 }), (cuts) => {
      const statuses = new StatusReader();
      const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const records = places.slice(1).flatMap((end, i) => statuses.push(bytes.subarray(places[i] ?? 0, end)));
      assert.equal(records, wanted);
    }),
    { numRuns: 50 },
  );
});

tests('a record of an unknown kind is a bug', () => {
  assert.throws(() => new StatusReader().push(encode(9, 0, 0, '')), 'a record of kind 9');
});

tests('knows the stages of the native binary by the same numbers', () => {
  const header = readFileSync(new URL('../../src/runtime-native/c/stage.h', import.meta.url), 'utf8');
  const stages = Object.fromEntries(
    [...header.matchAll(/STAGE_(\w+) = (\d+)/g)].map(([, name = '', number]) => [camelCase(name), Number(number)]),
  );
  assert.equal(Stage, stages);
});

tests('says it like Docker', () => {
  const cases = [
    [Stage.lookup, 0, 'foo', 'command-not-found', 'exec: "foo": executable file not found in $PATH'],
    [Stage.lookup, EACCES, 'foo', 'command-not-executable', 'exec: "foo": permission denied'],
    [Stage.exec, ENOENT, '/foo', 'command-not-found', 'exec: "/foo": no such file or directory'],
    [Stage.exec, EISDIR, '/etc', 'command-not-executable', 'exec: "/etc": is a directory'],
    [Stage.exec, ENOEXEC, '/foo', 'command-not-executable', 'exec: "/foo": exec format error'],
    [Stage.unknownUser, 0, 'nobody', 'unknown-user', 'unable to find user nobody: no matching entries in passwd file'],
    [Stage.unknownGroup, 0, 'staff', 'unknown-user', 'unable to find group staff: no matching entries in group file'],
    [
      Stage.target,
      ELOOP,
      '/proc',
      'path-conflict',
      'Cannot mount at "/proc": it is a symbolic link that cannot be followed here',
    ],
    [
      Stage.rootfs,
      ENOSPC,
      '/layer',
      'run-start-failed',
      'Cannot start the container: cannot mount its root file system (/layer): no space left on device',
    ],
  ] as const;
  for (const [stage, errno, detail, code, message] of cases) {
    const error = startError({ stage, errno, detail });
    assert.is(error.code, code);
    assert.is(error.message, message);
  }
});

tests('hints at root when the kernel refuses one who is not', () => {
  const expected = process.geteuid?.() === 0 ? undefined : 'starting containers needs root';
  assert.is(startError({ stage: Stage.clone, errno: EPERM, detail: 'clone3' }).hint, expected);
  assert.is(startError({ stage: Stage.clone, errno: ENOSPC, detail: 'clone3' }).hint, undefined);
});

tests.run();

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
