import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import { encodeSpec } from '../../src/runtime-native/spec.ts';
import type { ContainerSpec } from '../../src/runtime-native/types.ts';

const spec: ContainerSpec = {
  id: 'x',
  rootfs: { kind: 'overlay', lower: ['/l1', '/l2'], upper: '/u', work: '/w', volatile: true },
  readonlyRootfs: false,
  args: ['/bin/sh', '-c', 'echo hi'],
  env: ['A=1', 'PATH=/bin', 'A=2'],
  cwd: '/',
  cwdOwner: 'user',
  user: '',
  hostname: 'box',
  network: 'none',
  networkRole: 'step',
  mounts: [],
  etcFiles: { readonly: true },
  shmSizeBytes: 1024,
  rlimits: [],
  noNewPrivileges: false,
  insecure: false,
  terminal: false,
  removeStubs: true,
};

/** Reads the records back, by the rules that the file of the encoder states. */
function decode(bytes: Buffer): [string, string][] {
  assert.is(bytes.toString('latin1', 0, 8), 'TSBSPEC1');
  const records: [string, string][] = [];
  let at = 8;
  while (at < bytes.length) {
    const keyEnd = at + 6 + bytes.readUInt16LE(at);
    const valueEnd = keyEnd + bytes.readUInt32LE(at + 2);
    assert.is(bytes[valueEnd], 0);
    records.push([bytes.toString('utf8', at + 6, keyEnd), bytes.toString('utf8', keyEnd, valueEnd)]);
    at = valueEnd + 1;
  }
  assert.equal(records.pop(), ['end', '']);
  return records;
}

function valuesOf(bytes: Buffer, key: string): string[] {
  return decode(bytes)
    .filter(([name]) => name === key)
    .map(([, value]) => value);
}

const tests = suite('encodeSpec()');

tests('keeps every argument as it is, in order', () => {
  const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), (args) => {
      assert.equal(valuesOf(encodeSpec({ ...spec, args }, false), 'arg'), args);
    }),
    { numRuns: 50 },
  );
});

tests('lets the last of equal names win', () => {
  assert.equal(valuesOf(encodeSpec(spec, false), 'env'), ['A=2', 'PATH=/bin']);
});

tests('adds PATH, and TERM for a terminal, only when they are missing', () => {
  const bare = { ...spec, env: ['TERM=dumb'] };
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  assert.equal(valuesOf(encodeSpec(bare, false), 'env'), ['TERM=dumb', path]);
  assert.equal(valuesOf(encodeSpec({ ...bare, env: [] }, false), 'env'), [path]);
  assert.equal(valuesOf(encodeSpec({ ...bare, env: [], terminal: true }, false), 'env'), [path, 'TERM=xterm']);
});

tests('writes a mount as its kind and what belongs to it', () => {
  const bytes = encodeSpec(
    {
      ...spec,
      mounts: [
        { kind: 'bind', source: '/s', target: '/t', readonly: true, recursive: false },
        { kind: 'tmpfs', target: '/m', mode: 0o700, readonly: false },
      ],
    },
    false,
  );
  assert.equal(
    decode(bytes).filter(([key]) => key.startsWith('mount')),
    [
      ['mount', 'bind'],
      ['mount.target', '/t'],
      ['mount.source', '/s'],
      ['mount.readonly', '1'],
      ['mount.recursive', '0'],
      ['mount', 'tmpfs'],
      ['mount.target', '/m'],
      ['mount.readonly', '0'],
      ['mount.mode', '448'],
    ],
  );
});

tests('writes limits with a word for unlimited', () => {
  const bytes = encodeSpec({ ...spec, rlimits: [{ name: 'core', soft: 2n ** 40n, hard: -1n }] }, true);
  assert.equal(valuesOf(bytes, 'rlimit.soft'), ['1099511627776']);
  assert.equal(valuesOf(bytes, 'rlimit.hard'), ['unlimited']);
  assert.equal(valuesOf(bytes, 'stdin'), ['open']);
});

tests('refuses what no process can be given', () => {
  const rootfs = {
    kind: 'overlay',
    lower: Array.from({ length: 501 }, (_, i) => `/l${i}`),
    upper: '/u',
    work: '/w',
    volatile: true,
  } as const;
  for (const change of [
    { args: ['a\0b'] },
    { args: ['x'.repeat(17 * 1024 * 1024)] },
    { hostname: 'h'.repeat(65) },
    { rootfs },
  ]) {
    try {
      encodeSpec({ ...spec, ...change }, false);
      assert.unreachable();
    } catch (error) {
      assert.ok(error instanceof BuildError && error.code === 'run-start-failed');
    }
  }
});

tests.run();
